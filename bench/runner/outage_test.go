package runner

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// A run over agents is aborted when no member answers this process for 5 s and no agent
// has a completed operation: either alone aborts nothing, nor does a load that pauses.
// Once the load has failed, 2 s without an answer are enough.
func TestOutage(t *testing.T) {
	until := func(n int) func(int) bool { return func(s int) bool { return s < n } }
	always, never := until(1<<30), until(0)
	first := func(n int) func(int) results.Operation {
		return func(s int) results.Operation { return outcome(s < n) }
	}
	lost := errors.New("agent 0: its lease ended")
	for name, c := range map[string]struct {
		answers   func(second int) bool
		load      func(second int) results.Operation
		tolerated bool
		lost      int   // the second in which the load fails
		want      int   // the second in which it is aborted; 0 is never
		cause     error // of the abort
	}{
		"gone": {answers: until(10), load: first(10), want: 14, cause: errGone},
		// The last answer is that before the load.
		"gone from the start":      {answers: never, load: first(0), want: 4, cause: errGone},
		"agents get answers":       {answers: never, load: first(1 << 30)},
		"the coordinator gets one": {answers: always, load: first(10)},
		"an outage of 4 s": {
			answers: func(s int) bool { return s%20 >= 4 }, load: func(s int) results.Operation { return outcome(s%20 >= 4) },
		},
		"nothing is due":           {answers: until(10), load: func(int) results.Operation { return results.Operation{} }},
		"tolerated":                {answers: until(10), load: first(10), tolerated: true},
		"cut off from agents, too": {answers: until(10), load: first(10), tolerated: true, lost: 13, want: 13, cause: lost},
		"just cut off":             {answers: until(10), load: first(10), lost: 10, want: 11, cause: lost},
		"an agent is lost":         {answers: always, load: first(10), lost: 13},
	} {
		ctx, stop := context.WithCancelCause(t.Context())
		start := time.Now()
		o := &outage{quiet: quietTime + time.Second, tolerated: c.tolerated, stop: stop, answered: start, completed: start}
		aborted := 0
		for s := 0; s < 60 && aborted == 0; s++ {
			end := start.Add(time.Duration(s+1) * time.Second)
			o.take(end, &results.Interval{Length: time.Second, Operations: []results.Operation{c.load(s)}})
			if c.answers(s) {
				o.answer(end)
			}
			if s == c.lost && s > 0 {
				o.failure = lost
			}
			o.check(end)
			if ctx.Err() != nil {
				aborted = s
			}
		}
		if aborted != c.want || aborted > 0 && (bench.Aborted(ctx) == nil || !errors.Is(context.Cause(ctx), c.cause)) {
			t.Errorf("%s: aborted in second %d (%v), want %d", name, aborted, context.Cause(ctx), c.want)
		}
		stop(nil)
	}
}

// Outages are tolerated where members are stopped on purpose, or outages measured.
func TestToleratedOutages(t *testing.T) {
	for name, c := range map[string]struct {
		disturbances int
		experiment   Experiment
		want         bool
	}{
		"none":          {},
		"a disturbance": {disturbances: 1, want: true},
		"a member down": {experiment: Experiment{MemberDown: true}, want: true},
		"resilience":    {experiment: Experiment{Resilience: true}, want: true},
	} {
		r := &Resolved{Spec: Spec{Agents: Agents{Count: 2}, Experiment: c.experiment}}
		if got := r.newOutage(make([]bench.Disturbance, c.disturbances), nil, time.Now()).tolerated; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
