package live_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func latency(t *testing.T, counts map[time.Duration]int64) results.Latency {
	t.Helper()
	h := results.NewHistogram()
	for d, n := range counts {
		if err := h.RecordValues(int64(d), n); err != nil {
			t.Fatal(err)
		}
	}
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// scrape asks as Prometheus does.
func scrape(t *testing.T, address, accept string) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	families := map[string]*dto.MetricFamily{}
	format := expfmt.ResponseFormat(resp.Header)
	if strings.Contains(accept, "protobuf") {
		decoder := expfmt.NewDecoder(bufio.NewReader(resp.Body), format)
		for {
			f := &dto.MetricFamily{}
			if err := decoder.Decode(f); err == io.EOF {
				return families
			} else if err != nil {
				t.Fatal(err)
			}
			families[f.GetName()] = f
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err = parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// Counters and both kinds of histogram hold what the intervals held, and grow with
// each.
func TestExporter(t *testing.T) {
	e, err := live.New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Serve(l) }()
	if got := scrape(t, l.Addr().String(), "text/plain"); len(got) != 0 {
		t.Errorf("before the run: %v", got)
	}
	run := &results.Run{ID: "r1", Started: time.Now(), Plan: results.Plan{Workload: "put", Target: 10_000}}
	if err := e.Start(run); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		times := latency(t, map[time.Duration]int64{900 * time.Microsecond: 90, 3 * time.Millisecond: 9, 20 * time.Second: 1})
		i := &results.Interval{Number: n, InFlight: 7, Phase: "measure", Generator: results.Pulse{CPU: 0.25, SendLag: time.Millisecond}, Operations: []results.Operation{
			{Phase: "measure", Op: "put", Completed: 100, Failed: 2, ResponseTime: times, ServiceTime: times},
		}}
		if err := e.Interval(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, accept := range []string{"text/plain", protobuf} {
		families := scrape(t, l.Addr().String(), accept)
		if got := families["etcdbench_in_flight"].GetMetric()[0].GetGauge().GetValue(); got != 7 {
			t.Errorf("%s: in flight %v", accept, got)
		}
		outcomes := map[string]float64{}
		for _, m := range families["etcdbench_operations_total"].GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "outcome" {
					outcomes[label.GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		if fmt.Sprint(outcomes) != "map[completed:200 dropped:0 failed:4 unfinished:0]" {
			t.Errorf("%s: outcomes %v", accept, outcomes)
		}
		h := families["etcdbench_response_time_seconds"].GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != 200 || math.Abs(h.GetSampleSum()-2*(90*0.0009+9*0.003+20)) > 0.05 {
			t.Errorf("%s: %d samples of %v s", accept, h.GetSampleCount(), h.GetSampleSum())
		}
		below := map[float64]uint64{}
		for _, b := range h.GetBucket() {
			below[b.GetUpperBound()] = b.GetCumulativeCount()
		}
		if below[0.0005] != 0 || below[0.001] != 180 || below[0.005] != 198 || below[10] != 198 {
			t.Errorf("%s: classic buckets %v", accept, below)
		}
		if accept == protobuf {
			checkNative(t, h)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

// checkNative looks each time up in the native buckets.
func checkNative(t *testing.T, h *dto.Histogram) {
	t.Helper()
	counts := map[int32]int64{}
	index, value, k := int32(0), int64(0), 0
	for i, span := range h.GetPositiveSpan() {
		if i == 0 {
			index = span.GetOffset()
		} else {
			index += span.GetOffset()
		}
		for range span.GetLength() {
			value += h.GetPositiveDelta()[k]
			counts[index] = value
			index++
			k++
		}
	}
	sum := int64(0)
	for seconds, want := range map[float64]int64{0.0009: 180, 0.003: 18, 20: 2} {
		i := int32(math.Ceil(math.Log2(seconds) * math.Exp2(float64(h.GetSchema()))))
		// A time is kept to three digits, and may be one bucket lower.
		if got := counts[i] + counts[i-1]; got != want {
			t.Errorf("native bucket of %v s has %d, want %d: %v", seconds, got, want, counts)
		}
		sum += want
	}
	if h.GetSchema() != 3 || uint64(sum) != h.GetSampleCount() {
		t.Errorf("schema %d, %d samples", h.GetSchema(), h.GetSampleCount())
	}
}

// A second run has its own label and begins at zero: nothing of the first is shown as
// its own.
func TestSecondRun(t *testing.T) {
	e, err := live.New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- e.Serve(l) }()
	for n, id := range []string{"first", "second"} {
		if err := e.Start(&results.Run{ID: id}); err != nil {
			t.Fatal(err)
		}
		op := results.Operation{Phase: "measure", Op: "put", Completed: uint64(n + 1)}
		if err := e.Interval(&results.Interval{Phase: "measure", Length: time.Second, Operations: []results.Operation{op}}); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	for _, m := range scrape(t, l.Addr().String(), "text/plain")["etcdbench_operations_total"].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if labels["run"] != "second" {
			t.Errorf("labels %v", labels)
		}
		if labels["outcome"] == "completed" {
			found++
			if v := m.GetCounter().GetValue(); v != 2 {
				t.Errorf("completed %v, want the 2 of the second run", v)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d counters of completed operations", found)
	}
	if err := errors.Join(l.Close(), <-done); err != nil {
		t.Error(err)
	}
}
