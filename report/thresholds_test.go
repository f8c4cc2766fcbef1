package report

import (
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/report/reporttest"
)

// The thresholds of a run's plan are in its page and are cases of its JUnit document, each
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
	doc.Plan.Thresholds = []string{"get.failed == 0"}
	if got := junitCases(t, []byte(write(t, "junit", doc)))["thresholds"]; !strings.HasPrefix(got, "skipped") || !strings.Contains(got, "get") {
		t.Errorf("a run that cannot be judged: %q", got)
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
