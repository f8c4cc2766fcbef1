package judge

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// The trace of a fault counts every operation, none before it was acknowledged, and those of
// one moment at most when the last of them was.
func TestTraceCountsAcknowledgements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outage{
			rate: rapid.IntRange(100, 1000).Draw(t, "rate"), seed: rapid.Uint64().Draw(t, "seed"),
			at:      time.Duration(rapid.IntRange(6000, 9000).Draw(t, "at")) * time.Millisecond,
			length:  time.Duration(rapid.IntRange(0, 3000).Draw(t, "length")) * time.Millisecond,
			service: time.Duration(rapid.IntRange(1, 40).Draw(t, "service")) * time.Millisecond,
		}
		list, _, err := NewUnavailability(o.run(), o.intervals())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		trace := list[0].Trace
		if len(trace) != results.TraceSteps {
			t.Fatalf("%d steps", len(trace))
		}
		// Until the fault, at the rate; in the outage, nothing; then all that waited.
		inMoment := uint32(o.rate/100 + 1)
		var before, counted uint32
		for _, n := range trace[:9] {
			before += n
		}
		if want := uint32(o.rate * 9 / 10); before+3*uint32(o.rate)/40+2*inMoment < want || before > want+4*uint32(o.rate)/40+2*inMoment {
			t.Errorf("%d operations in the 900 ms before the fault, want about %d: %v", before, want, trace)
		}
		first, last := 11, 10+int((o.length-50*time.Millisecond)/results.TraceStep)
		for i := first; i < last; i++ {
			counted += trace[i]
		}
		if counted > inMoment {
			t.Errorf("%d operations from step %d to %d, in the outage: %v", counted, first, last, trace)
		}
		var all, steady uint32
		for _, n := range trace {
			all += n
		}
		steady = uint32(o.rate * 6)
		if slack := uint32(o.rate)/10 + 3*inMoment; all+slack < steady || all > steady+slack {
			t.Errorf("%d operations in six seconds, want about %d: %v", all, steady, trace)
		}
	})
}

// A trace ends with the next fault.
func TestTraceEndsWithTheNextFault(t *testing.T) {
	o := outage{rate: 200, at: 7 * time.Second, length: 500 * time.Millisecond, service: 5 * time.Millisecond}
	run := o.run()
	run.Events = append(run.Events, results.Event{Kind: results.FaultMoveLeader, Start: 9 * time.Second})
	list, _, err := NewUnavailability(run, o.intervals())
	if err != nil || len(list) != 2 || len(list[0].Trace) != 30 || len(list[1].Trace) != results.TraceSteps {
		t.Errorf("%+v, %v", list, err)
	}
}

// The trace of settings is the median over their faults, for as long as all of them have one.
func TestTraceIsTheMedian(t *testing.T) {
	var x results.Tried
	run := func(trace ...uint32) *results.Run {
		return &results.Run{Resilience: &results.Resilience{Outages: []results.Unavailability{{Fault: results.FaultKillLeader, Trace: trace}}}}
	}
	AddRuns(&x, run(9, 1, 5, 7), run(3, 2, 6), run(4, 9, 1, 2), run())
	if len(x.Faults) != 1 || !slices.Equal(x.Faults[0].Trace, []float64{4, 2, 5}) {
		t.Errorf("%+v", x.Faults)
	}
	x = results.Tried{}
	if AddRuns(&x, run()); x.Faults[0].Trace != nil {
		t.Errorf("without traces: %v", x.Faults[0].Trace)
	}
	x = results.Tried{}
	if AddRuns(&x, run(make([]uint32, 5000)...)); len(x.Faults[0].Trace) != results.TraceSteps {
		t.Errorf("a trace of %d steps", len(x.Faults[0].Trace))
	}
}
