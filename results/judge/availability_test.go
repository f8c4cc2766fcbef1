package judge

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// scheduled is the run of an outage with one measured phase.
func (o outage) scheduled() *results.Run {
	run := o.run()
	run.Plan = results.Plan{Timeout: 10 * time.Second, Phases: []results.PlanPhase{{Name: "measure", Load: results.Load{Rate: float64(o.rate)}}}}
	run.Phases = []results.Phase{{Name: "measure", Length: 20 * time.Second}}
	run.Operations = []results.Operation{{Op: "put", Phase: "measure", Offered: 1000, Completed: 990, Failed: 10}}
	return run
}

// packed adds up quiet moments, as the engine does.
func packed(intervals Intervals) Intervals {
	return func(each func(*results.Interval) error) error {
		return intervals(func(i *results.Interval) error {
			one := *i
			one.Start = time.Duration(i.Number) * time.Second
			one.Moments = nil
			for _, m := range i.Moments {
				one.Moments = results.AppendMoment(one.Moments, m)
			}
			return each(&one)
		})
	}
}

// An outage begins with the first arrival that failed or was late, and ends when the rate is
// back; it names the disturbance at the same time.
func TestAvailability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outage{
			rate: rapid.IntRange(100, 400).Draw(t, "rate"), seed: rapid.Uint64().Draw(t, "seed"),
			at:      time.Duration(rapid.IntRange(3000, 9000).Draw(t, "at")) * time.Millisecond,
			length:  time.Duration(rapid.IntRange(400, 1500).Draw(t, "length")) * time.Millisecond,
			service: time.Duration(rapid.IntRange(1, 25).Draw(t, "service")) * time.Millisecond,
		}
		o.lost = time.Duration(rapid.Float64Range(0, 1).Draw(t, "lost") * float64(o.length))
		a, err := NewAvailability(o.scheduled(), packed(o.intervals()))
		if err != nil || a == nil || a.Count != 1 || len(a.Outages) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		u := a.Outages[0]
		// What ends late in the outage is not late: it waits for less than that.
		slack := 2*results.MomentLength + 2*o.service + a.Late
		if u.Open || (u.Length-o.length).Abs() > slack || (u.Start-o.at).Abs() > 2*results.MomentLength+2*o.service || a.Longest != u.Length {
			t.Fatalf("%+v (late after %v), want %v from %v on", u, a.Late, o.length, o.at)
		}
		if lost := float64(o.rate) * o.lost.Seconds(); float64(u.Lost) < lost-1 || float64(u.Lost) > lost+1 || u.Affected < u.Lost {
			t.Fatalf("%+v, want %.1f lost", u, lost)
		}
		if u.Settled < u.Length-a.Late-time.Second || u.Settled > u.Length+2*time.Second || len(u.Causes) != 1 || u.Causes[0] != "kill-leader m1" {
			t.Fatalf("%+v", u)
		}
		if a.Share != 0.99 {
			t.Fatalf("share %v", a.Share)
		}
	})
}

// Usual response times are those without the outage and the backlog that it leaves, also where
// no event is known.
func TestUsualTimesHaveNoOutage(t *testing.T) {
	o := outage{rate: 300, at: 4 * time.Second, length: 3 * time.Second, lost: time.Second, backlog: 2 * time.Second, service: 8 * time.Millisecond}
	for name, run := range map[string]*results.Run{"event": o.scheduled(), "no event": o.scheduled()} {
		if name == "no event" {
			run.Events = nil
		}
		a, err := NewAvailability(run, packed(o.intervals()))
		if err != nil || a.Count != 1 {
			t.Fatalf("%s: %+v, %v", name, a, err)
		}
		if a.Late != leastAvailabilityLate || name == "event" && a.Usual > 2*o.service {
			t.Errorf("%s: late after %v, usually %v", name, a.Late, a.Usual)
		}
		end := o.length + o.backlog
		if u := a.Outages[0]; u.Settled < end-a.Late-100*time.Millisecond || u.Settled > end+time.Second || u.Settled < u.Length {
			t.Errorf("%s: %+v, want recovery after %v", name, u, end)
		}
	}
}

// A run without an outage has none, and one whose clients wait for answers has no figure.
func TestAvailabilityOfNothing(t *testing.T) {
	o := outage{rate: 200, at: 7 * time.Second, service: 5 * time.Millisecond}
	a, err := NewAvailability(o.scheduled(), packed(o.intervals()))
	if err != nil || a == nil || a.Count != 0 || a.Longest != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	o.length = 60 * time.Millisecond
	if a, err := NewAvailability(o.scheduled(), packed(o.intervals())); err != nil || a.Count != 0 {
		t.Errorf("an outage that hardly anybody noticed: %+v, %v", a, err)
	}
	run := o.scheduled()
	run.Plan.Phases[0].Load = results.Load{}
	if a, err := NewAvailability(run, packed(o.intervals())); a != nil || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	o.length = 30 * time.Second
	if a, err := NewAvailability(o.scheduled(), packed(o.intervals())); err != nil || a.Count != 1 || !a.Outages[0].Open {
		t.Errorf("%+v, %v", a, err)
	}
}

// Thresholds on a whole run are compared with what users noticed.
func TestThresholdsOfAvailability(t *testing.T) {
	run := &results.Run{Availability: &results.Availability{Share: 0.9995, Longest: 1500 * time.Millisecond, Count: 2, Total: 2 * time.Second}}
	for text, want := range map[string]string{
		"outage.max < 2s": results.Pass, "outage.max < 1s": results.Fail, "outage.count <= 2": results.Pass, "outage.total < 2000ms": results.Fail,
		"availability >= 99.9%": results.Pass, "availability >= 0.9999": results.Fail,
	} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		checks, err := CheckThresholds(run, []Threshold{threshold}, nil)
		if err != nil || checks[0].Verdict != want {
			t.Errorf("%s: %+v, %v", text, checks, err)
		}
		if checks, _ := CheckThresholds(&results.Run{}, []Threshold{threshold}, nil); checks[0].Verdict != results.Inconclusive {
			t.Errorf("%s without moments: %+v", text, checks)
		}
	}
	for _, text := range []string{"outage.max < 2", "availability >= 99.9", "outage.count < 2s", "availability < x", "outage.min < 1s"} {
		if threshold, err := ParseThreshold(text); err == nil && threshold.Op == "" {
			t.Errorf("%s is read as %+v", text, threshold)
		}
	}
}
