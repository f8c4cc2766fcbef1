package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
)

// The line after a round fits the terminal. It keeps what comes first and the end, and says
// how many metrics are left out.
func TestProgressLineFits(t *testing.T) {
	low, high := -0.05, 0.12
	p := versus.Progress{Round: 7, Counted: 7, Planned: 24, Left: 90 * time.Second}
	for _, name := range []string{"throughput", "error_rate", "p50", "p99", "cpu", "allocs", "alloc_bytes", "network_bytes", "fsyncs"} {
		p.Metrics = append(p.Metrics, results.MetricVerdict{Name: name, Primary: true, Estimate: 0.03, Lower: &low, Upper: &high})
	}
	for _, columns := range []int{60, 79, 120} {
		line := progressLine(p, columns)
		if n := utf8.RuneCountInString(line); n > columns || !strings.HasPrefix(line, "round 7; 7 of 24") || !strings.HasSuffix(line, " · 1m30s to the next decision") {
			t.Errorf("%d columns: %d in %q", columns, n, line)
		}
		if !strings.Contains(line, " · +") {
			t.Errorf("%d columns: %q does not say what is left out", columns, line)
		}
	}
	if line := progressLine(p, 0); strings.Count(line, "[") != len(p.Metrics) {
		t.Errorf("without a limit: %q", line)
	}
}

// The line after a probe keeps the verdict and the time that is left, and cuts the reason.
func TestProbeLineFits(t *testing.T) {
	p := capacity.Progress{Probe: capacity.Probe{Number: 12, Stage: "bisect", Rate: 4800}, Left: time.Minute, Done: &results.CapacityProbe{
		Verdict: results.Overloaded, Reason: strings.Repeat("put.response_time.p99 < 50ms ", 10),
	}}
	line := probeLine(p, "/s", 79)
	if n := utf8.RuneCountInString(line); n > 79 || !strings.HasPrefix(line, "probe 12, bisect: 4800/s overloaded (put.") || !strings.HasSuffix(line, "…); at least 1m0s left") {
		t.Errorf("%d in %q", n, line)
	}
	if line := probeLine(p, "/s", 0); !strings.Contains(line, p.Done.Reason) {
		t.Errorf("without a limit: %q", line)
	}
}
