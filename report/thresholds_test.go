package report

import (
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// The thresholds of a run's plan are in its page and in its text, and are cases of its JUnit document, each
// with its verdict.
func TestThresholdsOfARun(t *testing.T) {
	doc := reporttest.Document(t, reporttest.Sample(t))
	doc.Plan.Thresholds = []string{"put.response_time.p50 < 1ns", "put.throughput > 0/s", "put.response_time.p99.99 < 1h"}
	cases := junitCases(t, []byte(write(t, "junit", doc)))
	for name, want := range map[string]string{
		"threshold put.response_time.p50 < 1ns": "failure: measured ", "threshold put.throughput > 0/s": "",
	} {
		if got, ok := cases[name]; !ok || !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	page := write(t, "html", doc)
	for _, want := range []string{"<h2>Thresholds</h2>", "put.response_time.p50 &lt; 1ns", `<strong class="bad">fail</strong>`, "p99.99 &lt; 3,600 s"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if text, want := write(t, "text", doc), "thresholds: fail: threshold not met: put.response_time.p50 < 1ns\n"; !strings.Contains(text, want) {
		t.Errorf("the text does not have %q:\n%s", want, text)
	}
	doc.Plan.Thresholds = []string{"get.failed == 0"}
	if got := junitCases(t, []byte(write(t, "junit", doc)))["thresholds"]; !strings.HasPrefix(got, "skipped") || !strings.Contains(got, "get") {
		t.Errorf("a run that cannot be judged: %q", got)
	}
}

// The text says from when the times of disturbances count, if a warm-up was before.
func TestTimesOfDisturbances(t *testing.T) {
	for start, want := range map[time.Duration]bool{0: false, 5 * time.Second: true} {
		doc := reporttest.Document(t, reporttest.Sample(t))
		doc.Events = []results.Event{{Kind: "kill", Start: start + 10*time.Second}}
		doc.Phases = []results.Phase{{Name: "measure", Start: start, Length: time.Minute}}
		if start > 0 {
			doc.Phases = append([]results.Phase{{Name: "warmup", Length: start}}, doc.Phases...)
		}
		text := write(t, "text", doc)
		if got := strings.Contains(text, "the first measured phase, from which --disturb counts, began at 5.00 s\n"); got != want {
			t.Errorf("measured from %v: %v, want %v:\n%s", start, got, want, text)
		}
	}
}

// A histogram's empty stretches are shown: two groups of operations do not look like one.
func TestHistogramShowsEmptyStretches(t *testing.T) {
	ms := time.Millisecond.Nanoseconds()
	bars := coarse([]hdrhistogram.Bar{{To: ms, Count: 90}, {To: 3 * ms / 2, Count: 0}, {To: 40 * ms, Count: 10}})
	want := []bar{{ms, 90}, {2 * ms, 0}, {5 * ms, 0}, {10 * ms, 0}, {20 * ms, 0}, {50 * ms, 10}}
	if len(bars) != len(want) {
		t.Fatalf("%v, want %v", bars, want)
	}
	for i := range want {
		if bars[i] != want[i] {
			t.Errorf("bar %d: %v, want %v", i, bars[i], want[i])
		}
	}
}
