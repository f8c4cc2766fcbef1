package judge

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// What never ended is in no second of its phase: it belongs to the last window all the
// same. Where the seconds are no multiple of a window, the last one ends with them.
func TestWindowsCountWhatDrained(t *testing.T) {
	second := func(n int, o results.Operation) *results.Interval {
		o.Phase, o.Op = "measure", "put"
		return &results.Interval{Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []results.Operation{o}}
	}
	lost := second(25, results.Operation{Offered: 0, Unfinished: 7})
	lost.Phase = results.PhaseDrain
	run := &results.Run{
		Plan:       results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}},
		Operations: []results.Operation{{Phase: "measure", Op: "put"}},
	}
	for _, tc := range []struct {
		name, text string
		seconds    int
		last       *results.Interval
		want       string
		windows    int
	}{
		{"all seconds are equal", "put.completed == 1000 for every 10s window", 20, nil, results.Pass, 2},
		{"too short", "put.completed == 500 for every 10s window", 5, nil, results.Inconclusive, 0},
		{"a shorter rest", "put.completed == 1000 for every 10s window", 25, nil, results.Pass, 3},
		{"what did not end after a shorter rest", "put.unfinished == 0 for every 10s window", 25, lost, results.Fail, 3},
		{"what did not end", "put.unfinished == 0 for every 10s window", 20, lost, results.Fail, 2},
	} {
		intervals := func(each func(*results.Interval) error) error {
			for n := range tc.seconds {
				if err := each(second(n, results.Operation{Offered: 100, Completed: 100})); err != nil {
					return err
				}
			}
			if tc.last == nil {
				return nil
			}
			return each(tc.last)
		}
		list := thresholds(t, tc.text)
		checks, err := CheckThresholds(run, list, intervals)
		if err != nil {
			t.Fatal(err)
		}
		if c := checks[0]; c.Verdict != tc.want || c.Windows != tc.windows {
			t.Errorf("%s: %s in %d windows, want %s in %d", tc.name, c.Verdict, c.Windows, tc.want, tc.windows)
		}
	}
}

// A threshold without an operation is about all requested operations together, and not about
// those that arrived by themselves.
func TestThresholdOfAllOperations(t *testing.T) {
	run := &results.Run{
		Plan: results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}},
		Operations: []results.Operation{
			{Phase: "measure", Op: "get", Offered: 900, Completed: 900},
			{Phase: "measure", Op: "put", Offered: 100, Completed: 90, Failed: 10},
			{Phase: "measure", Op: "event", Offered: 1000, Completed: 1000, Arrived: true},
		},
	}
	for text, want := range map[string]string{
		"failed == 10":       results.Pass,
		"offered == 1000":    results.Pass,
		"error_rate <= 1%":   results.Pass,
		"error_rate < 1%":    results.Fail,
		"put.error_rate<10%": results.Fail,
	} {
		checks, err := CheckThresholds(run, thresholds(t, text), nil)
		if err != nil || checks[0].Verdict != want {
			t.Errorf("%s: %+v %v, want %s", text, checks, err, want)
		}
	}
}
