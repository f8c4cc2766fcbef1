package results

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseThreshold(t *testing.T) {
	for text, want := range map[string]Threshold{
		"put.response_time.p99 < 20ms":                           {Op: "put", Metric: "response_time.p99", Comparison: "<", Value: 20e6},
		"put.throughput>=10000/s":                                {Op: "put", Metric: "throughput", Comparison: ">=", Value: 10000},
		"pods/update.service_time.p99.9 <= 1.5s":                 {Op: "pods/update", Metric: "service_time.p99.9", Comparison: "<=", Value: 1.5e9},
		"measure:put.failed == 0":                                {Phase: "measure", Op: "put", Metric: "failed", Comparison: "=="},
		"put.failed == 0":                                        {Op: "put", Metric: "failed", Comparison: "==", Value: 0},
		"put.failed_ratio < 0.1%":                                {Op: "put", Metric: "failed_ratio", Comparison: "<", Value: 0.001},
		"put.throughput > 9 for every 10s window":                {Op: "put", Metric: "throughput", Comparison: ">", Value: 9, Window: 10 * time.Second},
		"put.response_time.stddev < 100µs":                       {Op: "put", Metric: "response_time.stddev", Comparison: "<", Value: 100e3},
		"txn-put.all_response_time.max < 1m for every 1m window": {Op: "txn-put", Metric: "all_response_time.max", Comparison: "<", Value: 60e9, Window: time.Minute},
	} {
		got, err := ParseThreshold(text)
		want.Text = text
		if err != nil || math.Abs(got.Value-want.Value) > 1e-9*want.Value {
			t.Errorf("%s: %+v %v", text, got, err)
		}
		if got.Value = want.Value; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                     "want OPERATION.METRIC",
		"put < 3":                              "want OPERATION.METRIC",
		"put.response_time.p99 < 20":           "needs a unit",
		"put.response_time.p99 < 20bytes":      "needs a unit",
		"put.response_time.p98 < 20ms":         `"p98" is none of`,
		"put.latency.p99 < 20ms":               `no metric "latency.p99"`,
		"put.throughput < 20ms":                `no unit "ms"`,
		"put.failed == 0%":                     `no unit "%"`,
		"put.failed == 1.2.3":                  "is not a number",
		":.failed == 0":                        "want PHASE:OPERATION",
		"measure:.failed == 0":                 "want PHASE:OPERATION",
		":put.failed == 0":                     "want PHASE:OPERATION",
		"put.response_time.p99 < 1e300h":       "more than there is",
		"put.failed == 0 for every 1ms window": "a window is",
		strings.Repeat("x", 1000):              "longer than",
	} {
		if _, err := ParseThreshold(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	f.Add("put.response_time.p99 < 20ms for every 10s window")
	f.Add("a.failed==1e999")
	f.Add(":.failed==0")
	f.Add("put.response_time.p99 < 1e300h")
	f.Fuzz(func(t *testing.T, text string) {
		if th, err := ParseThreshold(text); err == nil && (th.Op == "" || th.Metric == "" || math.IsNaN(th.Value) || math.IsInf(th.Value, 0)) {
			t.Errorf("%q: %+v", text, th)
		}
	})
}

// The percentiles of a time that can be negative are those of its values, within
// the histograms' resolution.
func TestSignedProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-int64(time.Minute), int64(time.Minute)), 1, 300).Draw(t, "values")
		before, after := NewHistogram(), NewHistogram()
		sum := 0.0
		for _, v := range values {
			sum += float64(v)
			if v < 0 {
				_ = before.RecordValue(-v)
			} else {
				_ = after.RecordValue(v)
			}
		}
		b, err1 := NewLatency(before)
		a, err2 := NewLatency(after)
		s, err3 := NewSigned(b, a)
		if err1 != nil || err2 != nil || err3 != nil || s.Count() != int64(len(values)) {
			t.Fatal(err1, err2, err3, s.Count())
		}
		slices.Sort(values)
		near := func(got, want int64) bool { return math.Abs(float64(got-want)) <= 2048+0.002*math.Abs(float64(want)) }
		for _, p := range []float64{10, 50, 90, 99} {
			i := int(math.Ceil(p/100*float64(len(values)))) - 1
			got := s.Percentile(p)
			// At the seam of the two halves a rank more or less is as good.
			if !near(got, values[i]) && !near(got, values[max(0, i-1)]) && !near(got, values[min(len(values)-1, i+1)]) {
				t.Errorf("p%v = %d, want %d", p, got, values[i])
			}
		}
		if mean := int64(sum / float64(len(values))); !near(s.Mean(), mean) && math.Abs(float64(s.Mean()-mean)) > 0.002*float64(time.Minute) {
			t.Errorf("mean %d, want %d", s.Mean(), mean)
		}
		if !near(s.Max(), values[len(values)-1]) {
			t.Errorf("max %d, want %d", s.Max(), values[len(values)-1])
		}
	})
}
