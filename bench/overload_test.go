package bench

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
)

// overload is a load for an ideal server, which starts now.
func overload(rate, capacity float64, clients int, warmup, measure time.Duration) (*transporttest.Ideal, *fakeWorkload, Plan) {
	s := transporttest.NewIdeal(capacity, 0)
	load := Load{Rate: rate, Arrival: ArrivalConstant}
	plan := Plan{Seed: 1, Clients: clients, Timeout: 10 * time.Second, Drain: 5 * time.Second, Target: 100, QueueLimit: 1_000_000}
	plan.Phases = []PlanPhase{
		{Name: "warmup", Duration: warmup, Load: load, Warmup: true}, {Name: "measure", Duration: measure, Load: load},
	}
	w := &fakeWorkload{serve: func(ctx context.Context, _ *Op) error { return s.Serve(ctx) }}
	return s, w, plan
}

// What a server acknowledges within the measured phase is the throughput, whenever it
// arrived: overloaded by far, the phase first serves what the warm-up has left.
func TestThroughputUnderOverload(t *testing.T) {
	for _, c := range []struct {
		rate, capacity  float64
		warmup, measure time.Duration
	}{
		{6000, 2000, 4 * time.Second, 8 * time.Second},
		{900, 300, 5 * time.Second, 30 * time.Second},
		{600, 300, 5 * time.Second, 30 * time.Second},
		{330, 300, 5 * time.Second, 30 * time.Second},
		{250, 300, 5 * time.Second, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, w, plan := overload(c.rate, c.capacity, 200, c.warmup, c.measure)
			log := &intervalLog{}
			o := virtual()
			o.Observers = []Observer{log}
			run := mustRun(t, t.Context(), plan, w, o)
			want := s.Acknowledged(c.warmup, c.warmup+c.measure) / c.measure.Seconds()
			got, _ := run.WriteRate()
			if math.Abs(got-want) > 0.01*want {
				t.Errorf("%v offered to %v: %.1f writes/s, the server acknowledged %.1f", c.rate, c.capacity, got, want)
			}
			if run.Target.Achieved != got {
				t.Errorf("the target is judged on %.1f", run.Target.Achieved)
			}
			op := measuredOp(t, run)
			if offered := float64(op.Offered) / c.measure.Seconds(); math.Abs(offered-c.rate) > 0.01*c.rate {
				t.Errorf("offered load %.1f, want %.1f", offered, c.rate)
			}
			checkBacklog(t, run, c.rate, c.capacity, c.warmup, c.measure)
			log.check(t, run)
			if v := run.Validity.Verdict; v == results.Invalid {
				t.Errorf("the server was the limit, and the run is %+v", run.Validity)
			}
		})
	}
}

// checkBacklog compares what waited at the window's begin and end with arithmetic.
func checkBacklog(t *testing.T, run *results.Run, rate, capacity float64, warmup, measure time.Duration) {
	t.Helper()
	growth := max(0, rate-capacity)
	backlogs := map[string]float64{}
	for _, ph := range run.Phases {
		backlogs[ph.Name] = float64(ph.Backlog)
	}
	for name, want := range map[string]float64{"measure": growth * warmup.Seconds(), PhaseDrain: growth * (warmup + measure).Seconds()} {
		if got := backlogs[name]; math.Abs(got-want) > 0.02*want+5 {
			t.Errorf("backlog at the begin of %s: %v, want %v", name, got, want)
		}
	}
}

// Of what is acknowledged, only that within the timeout from its intended time is good.
func TestGoodput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, plan := overload(600, 300, 50, 2*time.Second, 20*time.Second)
		plan.Timeout = 4 * time.Second
		run := mustRun(t, t.Context(), plan, w, virtual())
		op := measuredOp(t, run)
		// The backlog grows by 300 each second, so what arrives at t is done at 2t: in time
		// for as long as t is below the timeout. From 4 s on, in time 8 s, all is overdue.
		want := 300.0 * (8 - 2) / 20
		if math.Abs(op.Goodput()-want) > 3 {
			t.Errorf("goodput %.1f/s of %.1f, want %.1f", op.Goodput(), op.Throughput, want)
		}
	})
}

// A rate that is not carried is no target that is met, however much of it the drain
// completes.
func TestTargetNeedsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, plan := overload(400, 300, 5000, 0, 8*time.Second)
		plan.Phases, plan.Target, plan.Drain = plan.Phases[1:], 400, time.Minute
		run := mustRun(t, t.Context(), plan, w, virtual())
		if run.Target.Verdict != results.TargetMissed || math.Abs(run.Target.Achieved-300) > 3 {
			t.Errorf("target %+v", run.Target)
		}
		_, w, plan = overload(400, 500, 50, time.Second, 8*time.Second)
		plan.Target = 400
		if run := mustRun(t, t.Context(), plan, w, virtual()); run.Target.Verdict != results.TargetMet {
			t.Errorf("carried, and the target is %+v", run.Target)
		}
	})
}

// Each second of a run whose server slows is that second's: what the server itself
// acknowledged in it.
func TestSecondsOfADriftingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := transporttest.NewIdeal(1000, 0.05)
		w := &fakeWorkload{serve: func(ctx context.Context, _ *Op) error { return s.Serve(ctx) }}
		log := &intervalLog{}
		o := virtual()
		o.Observers = []Observer{log}
		mustRun(t, t.Context(), measurePlan(10, PlanPhase{Duration: 10 * time.Second}), w, o)
		seconds := 0
		for _, i := range log.intervals {
			if i.Phase != "measure" || i.Length < time.Second/2 {
				continue
			}
			seconds++
			want := s.Acknowledged(i.Start, i.Start+i.Length) / i.Length.Seconds()
			if got := i.Operations[0].Throughput; math.Abs(got-want) > 2 {
				t.Errorf("second %d: %.0f/s, the server acknowledged %.0f/s", seconds, got, want)
			}
		}
		if seconds != 10 {
			t.Errorf("%d seconds", seconds)
		}
		if first, last := s.Acknowledged(0, time.Second), s.Acknowledged(9*time.Second, 10*time.Second); first < 960 || last > 550 {
			t.Errorf("the server went from %v/s to %v/s", first, last)
		}
	})
}
