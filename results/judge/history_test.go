package judge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// noiseOf returns numbers about 0: sums of four values of a linear congruential
// generator.
func noiseOf(n int) []float64 {
	list := make([]float64, n)
	seed := int64(3)
	for i := range list {
		for range 4 {
			seed = (1103515245*seed + 12345) % 2147483648
			list[i] += float64(seed)/2147483648 - 0.5
		}
	}
	return list
}

// past are runs of a series whose allocations change at one of them.
func past(n, change int, by float64) []results.HistoryRun {
	var runs []results.HistoryRun
	for i, v := range noiseOf(n) {
		r := &results.Run{ID: fmt.Sprint("run", i), Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid}, Started: time.Date(2026, 11, 1+i, 0, 0, 0, 0, time.UTC), Label: fmt.Sprint("rev", i)}
		allocs := 200 * math.Exp(0.004*v)
		if i >= change {
			allocs *= 1 + by
		}
		runs = append(runs, results.HistoryRun{Run: r, Values: map[string]float64{"allocs": allocs, "throughput": 1000 * math.Exp(0.1*v)}})
	}
	return runs
}

// A change for the worse by the margin is an alert, with the commit at which it
// came; a smaller one, or one for the better, is none.
func TestHistoryChanges(t *testing.T) {
	for by, alert := range map[float64]bool{0.05: true, 0.01: false, -0.05: false} {
		changes, err := HistoryChanges(past(30, 18, by), nil)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v: %+v, %v", by, changes, err)
		}
		c := changes[0]
		if c.Metric != "allocs" || c.Label != "rev18" || c.Run != "run18" || math.Abs(c.Change-by) > 0.002 || c.Alert != alert {
			t.Errorf("%v: %+v", by, c)
		}
	}
	if _, err := HistoryChanges(past(9, 5, 1), nil); err == nil || !strings.Contains(err.Error(), "the longest of 1 has 9") {
		t.Errorf("a short history: %v", err)
	}
	// Runs of two machines are two series, and not a change.
	mixed := past(24, 12, 0.5)
	for _, r := range mixed[12:] {
		r.Environment.CPUs = 64
	}
	if changes, err := HistoryChanges(mixed, nil); err != nil || len(changes) != 0 {
		t.Errorf("two machines: %v, %v", changes, err)
	}
}
