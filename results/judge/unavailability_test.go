package judge

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"pgregory.net/rapid"
)

// outage is a run of 20 s with a fault, after which nothing is completed for a
// while: arrivals wait, or are lost.
type outage struct {
	rate          int
	at, length    time.Duration
	service, lost time.Duration // lost: intended so long from the fault on
	backlog       time.Duration // so long after length, response times go down to the usual ones
	seed          uint64
}

func (o outage) intervals() func(each func(*results.Interval) error) error {
	r := rand.New(rand.NewPCG(o.seed, 1))
	var list []*results.Interval
	for n := range 40 {
		list = append(list, &results.Interval{Number: n})
	}
	for n := range 20 * o.rate {
		at := time.Duration(n) * time.Second / time.Duration(o.rate)
		done := at + o.service/2 + time.Duration(r.Int64N(int64(o.service)))
		if end := o.at + o.length; at >= end && at < end+o.backlog {
			done += time.Duration(float64(o.length) / 2 * float64(end+o.backlog-at) / float64(o.backlog))
		}
		m := results.Moment{At: at.Truncate(results.MomentLength)}
		switch {
		case at >= o.at && at < o.at+o.lost:
			m.Failed, done = 1, at+7*time.Second
		case done > o.at && at < o.at+o.length:
			done = max(done, o.at+o.length+o.service/2)
			fallthrough
		default:
			m.Completed, m.Longest = 1, done-at
		}
		i := list[int(done/time.Second)]
		i.Moments = append(i.Moments, m)
	}
	return func(each func(*results.Interval) error) error {
		for _, i := range list {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}
}

func (o outage) run() *results.Run {
	return &results.Run{
		Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "steady"}, {Name: "faults", Warmup: true}}},
		Phases: []results.Phase{{Name: "steady", Length: 5 * time.Second}, {Name: "faults", Start: 5 * time.Second, Length: 15 * time.Second}},
		Events: []results.Event{{Kind: "kill-leader", Start: o.at, Detail: "m1"}},
	}
}

func TestUnavailabilityIsThatOfTheOutage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outage{
			rate: rapid.IntRange(100, 1000).Draw(t, "rate"), seed: rapid.Uint64().Draw(t, "seed"),
			at:      time.Duration(rapid.IntRange(6000, 9000).Draw(t, "at")) * time.Millisecond,
			length:  time.Duration(rapid.IntRange(200, 4000).Draw(t, "length")) * time.Millisecond,
			service: time.Duration(rapid.IntRange(1, 40).Draw(t, "service")) * time.Millisecond,
		}
		o.lost = time.Duration(rapid.Float64Range(0, 1).Draw(t, "lost") * float64(o.length))
		list, late, err := NewUnavailability(o.run(), o.intervals())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		u := list[0]
		// A moment on either side, and the operation by which the end is seen.
		slack := 2*results.MomentLength + 2*o.service
		if u.Open || (u.Length-o.length).Abs() > slack || (u.Start-o.at).Abs() > slack {
			t.Fatalf("%+v (late after %v), want %v from %v on", u, late, o.length, o.at)
		}
		if lost := float64(o.rate) * o.lost.Seconds(); float64(u.Lost) < lost-1 || float64(u.Lost) > lost+1 {
			t.Fatalf("%d lost, want %.1f", u.Lost, lost)
		}
	})
}

func TestUnavailabilityOfNothing(t *testing.T) {
	o := outage{rate: 200, at: 7 * time.Second, service: 5 * time.Millisecond}
	list, _, err := NewUnavailability(o.run(), o.intervals())
	if err != nil || len(list) != 1 || list[0].Length != 0 || list[0].Open {
		t.Errorf("%+v, %v", list, err)
	}
	o.length = 30 * time.Second
	if list, _, err = NewUnavailability(o.run(), o.intervals()); err != nil || len(list) != 1 || !list[0].Open || list[0].Length < 12*time.Second {
		t.Errorf("%+v, %v", list, err)
	}
	run := o.run()
	run.Events[0].Error = "it did not happen"
	if list, _, err = NewUnavailability(run, o.intervals()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, _, err = NewUnavailability(run, func(func(*results.Interval) error) error { return nil }); err == nil {
		t.Error("no moments, no error")
	}
}
