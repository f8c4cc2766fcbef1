package bench

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

func lagOf(p99 time.Duration) results.Latency {
	h := results.NewHistogram()
	_ = h.RecordValues(int64(p99), 1000) // in range
	l, _ := results.NewLatency(h)        // encodes what is in range
	return l
}

func TestValidity(t *testing.T) {
	remote := findings{cluster: results.ClusterRemote, clients: 10, elapsed: 10 * time.Second}
	open := func(change func(*findings)) findings {
		f := remote
		f.open, f.Achieved, f.serviceP99, f.serviceMedian, f.serviceMin = true, 1, 20*time.Millisecond, time.Millisecond, 400*time.Microsecond
		change(&f)
		return f
	}
	closed := func(change func(*findings)) findings {
		f := remote
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		f             findings
		verdict, code string
	}{
		"quiet":                     {closed(func(*findings) {}), results.Valid, ""},
		"quiet open":                {open(func(f *findings) { f.SendLag = lagOf(500 * time.Microsecond) }), results.Valid, ""},
		"lag, but not to be seen":   {open(func(f *findings) { f.SendLag, f.serviceP99 = lagOf(5*time.Millisecond), time.Second }), results.Valid, ""},
		"lag":                       {open(func(f *findings) { f.SendLag = lagOf(3 * time.Millisecond) }), results.Degraded, "send-lag"},
		"nothing but lag":           {open(func(f *findings) { f.SendLag = lagOf(15 * time.Millisecond) }), results.Invalid, "send-lag"},
		"clients busy":              {open(func(f *findings) { f.Waited = 0.5 }), results.Degraded, "clients-busy"},
		"too few clients":           {open(func(f *findings) { f.Waited, f.Achieved = 0.9, 0.5 }), results.Invalid, "too-few-clients"},
		"an outage":                 {open(func(f *findings) { f.Waited, f.Achieved, f.stalled = 0.9, 0.5, 5*time.Second }), results.Degraded, "clients-busy"},
		"too few, and an outage":    {open(func(f *findings) { f.Waited, f.Achieved, f.stalled = 0.9, 0.5, time.Second }), results.Invalid, "too-few-clients"},
		"etcd overloaded":           {open(func(f *findings) { f.Waited, f.Achieved, f.serviceMedian = 0.9, 0.5, 50*time.Millisecond }), results.Degraded, "clients-busy"},
		"nothing answered yet":      {open(func(f *findings) { f.Waited, f.Achieved, f.serviceMedian, f.serviceMin = 0.9, 0.2, 0, time.Millisecond }), results.Degraded, "clients-busy"},
		"etcd fast, and full":       {open(func(f *findings) { f.Waited, f.Achieved, f.serviceMin = 0.9, 0.5, 20*time.Microsecond }), results.Degraded, "clients-busy"},
		"too few to form a queue":   {open(func(f *findings) { f.Waited, f.Achieved, f.serviceMin, f.clients = 0.9, 0.5, 20*time.Microsecond, 1 }), results.Invalid, "too-few-clients"},
		"other processes":           {closed(func(f *findings) { f.OtherCPUShare, f.local = 0.85, true }), results.Degraded, "other-processes"},
		"own CPU":                   {closed(func(f *findings) { f.CPU = 0.95 }), results.Invalid, "generator-cpu"},
		"own CPU, cluster here":     {closed(func(f *findings) { f.CPU, f.cluster, f.local = 0.95, results.ClusterProcess, true }), results.Valid, ""},
		"machine busy elsewhere":    {closed(func(f *findings) { f.Machine = 0.99 }), results.Valid, ""},
		"machine busy, shared":      {closed(func(f *findings) { f.Machine, f.cluster, f.local = 0.99, results.ClusterProcess, true }), results.Degraded, "cpu-contention"},
		"machine busy, loopback":    {closed(func(f *findings) { f.Machine, f.local = 0.99, true }), results.Degraded, "cpu-contention"},
		"in-process":                {closed(func(f *findings) { f.cluster, f.local = results.ClusterInProcess, true }), results.Degraded, "shared-runtime"},
		"steal":                     {closed(func(f *findings) { f.Steal = 0.1 }), results.Degraded, "cpu-steal"},
		"throttled":                 {closed(func(f *findings) { f.Throttled = 0.05 }), results.Degraded, "cpu-throttled"},
		"throttled much":            {closed(func(f *findings) { f.Throttled = 0.2 }), results.Invalid, "cpu-throttled"},
		"collector":                 {closed(func(f *findings) { f.GCPause = time.Second }), results.Degraded, "gc-pauses"},
		"scheduler":                 {closed(func(f *findings) { f.SchedP99 = 10 * time.Millisecond }), results.Degraded, "scheduler-delay"},
		"the worst reason decides":  {open(func(f *findings) { f.Waited, f.Achieved, f.Steal = 0.9, 0.5, 0.5 }), results.Invalid, "cpu-steal"},
		"the order does not matter": {closed(func(f *findings) { f.CPU, f.Steal = 0.95, 0.5 }), results.Invalid, "cpu-steal"},
	} {
		v := c.f.judge()
		if v.Verdict != c.verdict {
			t.Errorf("%s: %s, want %s (%+v)", name, v.Verdict, c.verdict, v.Reasons)
		}
		found := c.code == "" && len(v.Reasons) == 0
		for _, r := range v.Reasons {
			found = found || r.Code == c.code
			if r.Message == "" || r.Remedy == "" {
				t.Errorf("%s: reason %s has no message or no remedy", name, r.Code)
			}
		}
		if !found {
			t.Errorf("%s: reasons %+v, want %q", name, v.Reasons, c.code)
		}
	}
}

func TestIsLocal(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"127.0.0.1:2379": true, "http://localhost:2379": true, "[::1]:2379": true, "10.0.0.1:2379": false, "https://etcd.example:2379": false,
	} {
		c := results.Cluster{Kind: results.ClusterRemote, Members: []results.Member{{Endpoint: endpoint}}}
		if got := isLocal(c); got != want {
			t.Errorf("%s: local %v, want %v", endpoint, got, want)
		}
	}
}

func TestTargetVerdict(t *testing.T) {
	closed := results.PlanPhase{Name: "measure", Duration: 10 * time.Second}
	open := closed
	open.Load.Rate = 1000
	poisson := open
	poisson.Load.Arrival = ArrivalPoisson
	for name, c := range map[string]struct {
		phase  results.PlanPhase
		op     results.Operation
		target float64
		want   string
	}{
		"met":         {closed, results.Operation{Write: true, Offered: 20_000, Completed: 20_000, Throughput: 2000}, 1000, results.TargetMet},
		"missed":      {closed, results.Operation{Write: true, Offered: 5_000, Completed: 5_000, Throughput: 500}, 1000, results.TargetMissed},
		"carried":     {open, results.Operation{Write: true, Offered: 10_000, Completed: 10_000, CompletedLate: 7, Throughput: 999.3}, 1000, results.TargetMet},
		"not carried": {open, results.Operation{Write: true, Offered: 10_000, Completed: 9_900, Throughput: 990}, 1000, results.TargetMissed},
		"not offered": {open, results.Operation{Write: true, Offered: 10_000, Completed: 10_000, Throughput: 1000}, 5000, results.TargetUndecided},
		// A Poisson process of the target's rate may bring a few arrivals less.
		"carried poisson":     {poisson, results.Operation{Write: true, Offered: 9_900, Completed: 9_900, Throughput: 990}, 1000, results.TargetMet},
		"not carried poisson": {poisson, results.Operation{Write: true, Offered: 9_900, Completed: 9_800, Throughput: 980}, 1000, results.TargetMissed},
		"nothing written":     {closed, results.Operation{Offered: 10, Completed: 10, Throughput: 1}, 1000, results.TargetNone},
		"no target wanted":    {closed, results.Operation{Write: true, Offered: 10, Completed: 10, Throughput: 1}, 0, results.TargetNone},
	} {
		c.op.Phase = "measure"
		run := &results.Run{
			Outcome: results.Completed, Plan: results.Plan{Phases: []results.PlanPhase{c.phase}}, Target: results.Target{Writes: c.target},
			Phases: []results.Phase{{Name: "measure", Length: 10 * time.Second}}, Operations: []results.Operation{c.op},
		}
		judgeTarget(run)
		if run.Target.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", name, run.Target, c.want)
		}
	}
}

// Of a busy machine, the shares of generator, members and other processes add up.
func TestSharesOfTheMachine(t *testing.T) {
	u := machine.Usage{Elapsed: 10 * time.Second, CPU: 3 * time.Second, CPUs: 2, Busy: 20 * time.Second, Total: 20 * time.Second}
	f := findings{Generator: results.Generator{Machine: u.MachineShare(), CPU: u.CPUShare()}, local: true, cluster: results.ClusterProcess}
	f.addMembers(&results.Server{Cost: []results.Cost{
		{Operations: 1000, Figures: map[string]float64{"cpu": 5e6}}, {Member: "m1", Operations: 1000, Figures: map[string]float64{"cpu": 5e6}},
	}}, u)
	if f.Members != 0.25 || math.Abs(f.OtherCPUShare-0.6) > 1e-9 {
		t.Errorf("members %v, others %v", f.Members, f.OtherCPUShare)
	}
	if text := f.shares(); text != "100 % busy (generator 15 %, members 25 %, other processes 60 %)" {
		t.Errorf("shares %s", text)
	}
}

// stopping is a sleeper whose process stands still now and then.
type stopping struct {
	sleeper
	start       time.Time
	every, stop time.Duration
	next        time.Duration
}

func (s *stopping) sleep(ctx context.Context, d time.Duration) {
	s.sleeper.sleep(ctx, d)
	if time.Since(s.start) >= s.next {
		s.next += s.every
		time.Sleep(s.stop)
	}
}

// A generator that stands still for 50 ms every two seconds is to blame for what waits
// behind that, also when its server has hardly anything to spare for it.
func TestStallsOfTheGenerator(t *testing.T) {
	for _, stalls := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, w, plan := overload(5000, 5050, 128, 0, 10*time.Second)
			plan.Phases = plan.Phases[1:]
			o := virtual()
			if stalls {
				o.sleeper = func() sleeper {
					return &stopping{sleeper: newTimerSleeper(), start: time.Now(), every: 2 * time.Second, stop: 50 * time.Millisecond, next: time.Second}
				}
			}
			run := mustRun(t, t.Context(), plan, w, o)
			blamed := slices.ContainsFunc(run.Validity.Reasons, func(r results.Reason) bool { return r.Code == "send-lag" })
			if blamed != stalls || stalls && run.Validity.Verdict != results.Invalid {
				t.Errorf("stalls: %v, validity %+v", stalls, run.Validity)
			}
		})
	}
}

// While a server stands still for two seconds, the generator does so for 50 ms: of what
// waits, no more than that is the generator's.
func TestStallIsBlamedForItsLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		server := func(ctx context.Context, _ *Op) error {
			if at := time.Since(start); at >= 2*time.Second && at < 4*time.Second {
				return wait(ctx, 4*time.Second-at)
			}
			return wait(ctx, time.Millisecond)
		}
		plan := measurePlan(100, PlanPhase{Duration: 6 * time.Second, Load: Load{Rate: 1000, Arrival: ArrivalConstant}})
		o := virtual()
		o.sleeper = func() sleeper {
			return &stopping{sleeper: newTimerSleeper(), start: start, every: time.Hour, stop: 50 * time.Millisecond, next: 2500 * time.Millisecond}
		}
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: server}, o)
		lag := run.Validity.Generator.SendLag
		if most := time.Duration(lag.Max); most < 49*time.Millisecond || most > 51*time.Millisecond {
			t.Errorf("send lag of at most %v, want 50ms", most)
		}
	})
}

// A stop of 50 ms in a load of three times what the server carries is not what its
// arrivals wait for.
func TestOverloadIsNotBlamedOnAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, plan := overload(6000, 2000, 128, time.Second, 8*time.Second)
		o := virtual()
		o.sleeper = func() sleeper {
			return &stopping{sleeper: newTimerSleeper(), start: time.Now(), every: time.Hour, stop: 50 * time.Millisecond, next: time.Second}
		}
		run := mustRun(t, t.Context(), plan, w, o)
		blamed := slices.ContainsFunc(run.Validity.Reasons, func(r results.Reason) bool { return r.Code == "send-lag" })
		if blamed || run.Validity.Verdict == results.Invalid {
			t.Errorf("validity %+v", run.Validity)
		}
	})
}
