package runner

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A phase of a number of operations ends when operations fail and none succeeds for the
// limit. One of a length ends by itself, and one that waits goes on.
func TestDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		phase  results.PlanPhase
		second func(n int) results.Operation
		want   int // seconds; 0 is never
	}{
		"dead from the start":       {results.PlanPhase{Total: 9}, func(int) results.Operation { return results.Operation{Unfinished: 1} }, 40},
		"dead after a while":        {results.PlanPhase{Total: 9}, func(n int) results.Operation { return outcome(n < 20) }, 60},
		"an outage of 30 s":         {results.PlanPhase{Total: 9}, func(n int) results.Operation { return outcome(n%40 < 10) }, 0},
		"operations that take long": {results.PlanPhase{Total: 9}, func(int) results.Operation { return results.Operation{} }, 0},
		"of a length":               {results.PlanPhase{Duration: time.Minute}, func(int) results.Operation { return outcome(false) }, 0},
	} {
		ctx, stop := context.WithCancelCause(t.Context())
		d := &deadline{limit: 40 * time.Second, stop: stop}
		d.Phase(c.phase, 0)
		stopped := 0
		for n := 0; n < 200 && stopped == 0; n++ {
			i := &results.Interval{Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []results.Operation{c.second(n)}}
			if err := d.Interval(i); err != nil {
				t.Fatal(err)
			}
			if ctx.Err() != nil {
				stopped = n + 1
			}
		}
		if stopped != c.want || stopped > 0 && errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("%s: stopped after %d s (%v), want %d", name, stopped, context.Cause(ctx), c.want)
		}
		stop(nil)
	}
}

func outcome(ok bool) results.Operation {
	if ok {
		return results.Operation{Completed: 1}
	}
	return results.Operation{Failed: 1}
}
