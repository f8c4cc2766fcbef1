package agent

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// latencyOf is that of operations that took so long.
func latencyOf(t testing.TB, times ...int64) results.Latency {
	h := results.NewHistogram()
	for _, ns := range times {
		if err := h.RecordValue(ns); err != nil {
			t.Fatal(err)
		}
	}
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// interval is what one agent measures in a stretch of a phase.
func interval(phase string, start, length time.Duration, l results.Latency) *results.Interval {
	n := uint64(l.Count)
	o := results.Operation{Phase: phase, Op: "put", Write: true, Offered: n, Completed: n, ResponseTime: l, ServiceTime: l, QueueTime: l}
	return &results.Interval{Phase: phase, Start: start, Length: length, Operations: []results.Operation{o}, InFlight: 1}
}

// Whatever the intervals of the agents and the order in which they come, the merged ones
// are in order and have every operation once.
func TestAlign(t *testing.T) {
	one := latencyOf(t, 1_000_000)
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.IntRange(1, 5).Draw(rt, "agents")
		plan := bench.Plan{Phases: []bench.PlanPhase{{Name: "a", Duration: 2500 * time.Millisecond}, {Name: "b", Total: 1}}}
		a := newAligner(plan, count)
		lists := make([][]*results.Interval, count)
		offered := 0
		for i := range lists {
			at := time.Duration(0)
			for phase, end := range []time.Duration{2500 * time.Millisecond, 2500*time.Millisecond + rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond
			}).Draw(rt, "end")} {
				begin := at
				for at < end {
					next := at + time.Second - (at-begin)%time.Second
					if rapid.IntRange(0, 3).Draw(rt, "stall") == 0 { // an interval that became longer
						next += time.Duration(rapid.IntRange(100, 1500).Draw(rt, "by")) * time.Millisecond
					}
					next = min(next, end)
					lists[i] = append(lists[i], interval(plan.Phases[phase].Name, at, next-at, one))
					offered++
					at = next
				}
			}
			lists[i] = append(lists[i], interval(bench.PhaseDrain, at, time.Millisecond, results.Latency{}))
		}
		totals := results.NewTotals()
		last, got := second{phase: -1}, uint64(0)
		take := func() {
			merged, err := a.take()
			if err != nil {
				rt.Fatal(err)
			}
			for _, i := range merged {
				at := second{phase: map[string]int{"a": 0, "b": 1, bench.PhaseDrain: 2}[i.Phase], number: int(i.Start / time.Second)}
				if !last.before(at) || i.Length <= 0 || i.Length > time.Second {
					rt.Fatalf("%v after %v, length %v", at, last, i.Length)
				}
				last = second{at.phase, at.number}
				if at.phase < 2 {
					got += i.Operations[0].Offered
				}
				if err := totals.Add(i); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for left := count; left > 0; {
			i := rapid.IntRange(0, count-1).Draw(rt, "next")
			switch {
			case len(lists[i]) > 0:
				if err := a.add(i, lists[i][0]); err != nil {
					rt.Fatal(err)
				}
				if lists[i] = lists[i][1:]; len(lists[i]) == 0 {
					a.end(i)
					left--
				}
			default:
				continue
			}
			take()
		}
		take()
		ops, err := totals.Operations()
		if err != nil || len(a.waits) > 0 {
			rt.Fatalf("%v, %d seconds were not merged", err, len(a.waits))
		}
		sum := int64(0)
		for _, o := range ops {
			sum += o.ResponseTime.Count
		}
		if int(got) != offered || int(sum) != offered {
			rt.Fatalf("%d of %d operations were merged, %d counted", got, offered, sum)
		}
	})
}

// An exchange with a coordinator whose clock differs gives the difference, to within half
// of the time on the way.
func TestOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ahead := rapid.Int64Range(-10e9, 10e9).Draw(t, "ahead")
		there := rapid.Int64Range(0, 50e6).Draw(t, "there")
		back := rapid.Int64Range(0, 50e6).Draw(t, "back")
		work := rapid.Int64Range(0, 5e6).Draw(t, "work")
		s := stamps{RequestSent: 1e18 + ahead, RequestReceived: 1e18 + there, AnswerSent: 1e18 + there + work}
		s.AnswerReceived = 1e18 + there + work + back + ahead
		o := s.offset()
		if off := o.Ahead - time.Duration(ahead); off.Abs() > o.Bound+1 || o.Bound > time.Duration(there+back)/2+1 {
			t.Fatalf("%v ahead, to within %v: want %v", o.Ahead, o.Bound, time.Duration(ahead))
		}
	})
}

// What a second of a run costs the coordinator: decoding and merging the intervals of
// simulated agents, each with 2,000 operations.
func BenchmarkSecond(b *testing.B) {
	times := make([]int64, 2000)
	for i := range times {
		times[i] = int64(200_000 + i*i)
	}
	data, err := json.Marshal(interval("a", 0, time.Second, latencyOf(b, times...)))
	if err != nil {
		b.Fatal(err)
	}
	for _, agents := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%d agents", agents), func(b *testing.B) {
			b.ReportMetric(float64(len(data)), "bytes/agent")
			for b.Loop() {
				a := newAligner(bench.Plan{Phases: []bench.PlanPhase{{Name: "a"}}}, agents)
				for i := range agents {
					var decoded results.Interval
					if err := json.Unmarshal(data, &decoded); err != nil {
						b.Fatal(err)
					}
					if err := a.add(i, &decoded); err != nil {
						b.Fatal(err)
					}
					a.end(i)
				}
				if merged, err := a.take(); err != nil || len(merged) != 1 {
					b.Fatal(len(merged), err)
				}
			}
		})
	}
}

// A clock that moved by more than the bounds makes the agent's share degraded.
func TestClockDrift(t *testing.T) {
	for drift, want := range map[time.Duration]string{
		11 * time.Millisecond: results.Valid, 15 * time.Millisecond: results.Degraded, -15 * time.Millisecond: results.Degraded,
	} {
		run, err := results.Encode(&results.Run{
			Schema: results.Schema, Validity: results.Validity{Verdict: results.Valid}, Operations: []results.Operation{},
		})
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(reportBody{offset{Ahead: time.Second + drift, Bound: time.Millisecond}, run})
		if err != nil {
			t.Fatal(err)
		}
		m := member{offset: offset{Ahead: time.Second, Bound: time.Millisecond}}
		if err := m.takeReport(body); err != nil || m.drift != drift || m.run.Validity.Verdict != want {
			t.Errorf("%v: %v, %+v, %v", drift, m.drift, m.run, err)
		}
	}
}
