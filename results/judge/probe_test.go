package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A probe of few operations is judged by how many of them are slower than the bound,
// and by those that the warm-up left as well as by those that it leaves.
func TestProbeOfFewOperations(t *testing.T) {
	slo, err := ParseThreshold("put.response_time.p99 < 1s")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		count, slow, late, before, failed int
		alpha                             float64
		want, reason                      string
	}{
		"none":                            {want: results.TooFew, reason: "no operation", alpha: ProbeAlpha},
		"fifteen":                         {count: 15, want: results.TooFew, reason: "0 of 15 operations are slower", alpha: ProbeAlpha},
		"as many as it takes":             {count: 528, want: results.Sustained, alpha: ProbeAlpha}, // ln 0.005 ÷ ln 0.99
		"one less":                        {count: 527, want: results.TooFew, alpha: ProbeAlpha},
		"fewer, to be less sure":          {count: 299, want: results.Sustained, alpha: 0.1}, // ln 0.05 ÷ ln 0.99
		"more slow ones than allowed":     {count: 600, slow: 30, want: results.Overloaded, reason: "30 of 600 operations are slower", alpha: ProbeAlpha},
		"as many slow ones as allowed":    {count: 600, slow: 6, want: results.TooFew, alpha: ProbeAlpha},
		"one of few late at the end":      {count: 20, late: 1, want: results.TooFew, reason: "0 of 20 operations are slower", alpha: ProbeAlpha, before: 1},
		"one late, none before":           {count: 20, late: 1, want: results.TooFew, alpha: ProbeAlpha},
		"many late, as many before":       {count: 900, late: 90, before: 90, want: results.Sustained, alpha: ProbeAlpha},
		"many late, fewer before":         {count: 900, late: 90, before: 10, want: results.Overloaded, reason: "only 91.1 % of what was offered", alpha: ProbeAlpha},
		"one of few failed":               {count: 20, failed: 1, want: results.TooFew, alpha: ProbeAlpha},
		"so many failed that there is no": {count: 600, failed: 60, want: results.Overloaded, reason: "10.0 % of the operations failed", alpha: ProbeAlpha},
	} {
		t.Run(name, func(t *testing.T) {
			times := slices.Repeat([]int64{int64(10 * time.Millisecond)}, c.count-c.slow-c.failed)
			times = append(times, slices.Repeat([]int64{int64(2 * time.Second)}, c.slow)...)
			run := &results.Run{
				Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
				Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}},
				Phases: []results.Phase{{Name: "warmup", Length: time.Second}, {Name: "measure", Length: 10 * time.Second}},
				Operations: []results.Operation{
					{Phase: "warmup", Op: "put", Completed: uint64(c.before), CompletedLate: uint64(c.before)},
					{Phase: "measure", Op: "put", Offered: uint64(c.count), Completed: uint64(c.count - c.failed), CompletedLate: uint64(c.late), Failed: uint64(c.failed), ResponseTime: latency(t, times...)},
				},
			}
			got, reason, err := Probe(Run{Run: run}, []Threshold{slo}, c.alpha)
			if err != nil || got != c.want || !strings.Contains(reason, c.reason) {
				t.Errorf("%s (%s), %v; want %s (%s)", got, reason, err, c.want, c.reason)
			}
		})
	}
}
