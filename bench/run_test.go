package bench

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// fakeWorkload does what its server says. Its time is that of the test.
type fakeWorkload struct {
	serve func(ctx context.Context, op *Op) error
	setup func() error
	torn  atomic.Bool
}

func (*fakeWorkload) Name() string  { return "fake" }
func (*fakeWorkload) Kinds() []Kind { return []Kind{{Name: "fake", Write: true}} }
func (w *fakeWorkload) Setup(context.Context, func(int, int)) error {
	if w.setup != nil {
		return w.setup()
	}
	return nil
}
func (w *fakeWorkload) NewWorker(context.Context, int) (Worker, error) { return fakeWorker{w}, nil }
func (w *fakeWorkload) Teardown(context.Context) error                 { w.torn.Store(true); return nil }

type fakeWorker struct{ w *fakeWorkload }

func (f fakeWorker) Do(ctx context.Context, op *Op) error { return f.w.serve(ctx, op) }

func virtual() Options {
	return Options{
		sleeper:    func() sleeper { return newTimerSleeper() },
		processCPU: func() time.Duration { return 0 }, // that of other tests does not belong to virtual time
	}
}

func measurePlan(clients int, ph PlanPhase) Plan {
	ph.Name = "measure"
	return Plan{Seed: 1, Clients: clients, Timeout: 10 * time.Second, Drain: 5 * time.Second, Target: 100, Phases: []PlanPhase{ph}}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func mustRun(t *testing.T, ctx context.Context, p Plan, w Workload, o Options) *results.Run {
	t.Helper()
	run, err := Run(ctx, p, w, o)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func measuredOp(t *testing.T, run *results.Run) results.Operation {
	t.Helper()
	op, ok := run.Operation("measure", "fake")
	if !ok {
		t.Fatalf("no measured operation in %+v", run.Operations)
	}
	checkIdentity(t, op)
	return op
}

func checkIdentity(t interface{ Errorf(string, ...any) }, op results.Operation) {
	if op.Completed+op.Failed+op.Dropped+op.Unfinished != op.Offered {
		t.Errorf("completed %d + failed %d + dropped %d + unfinished %d != offered %d", op.Completed, op.Failed, op.Dropped, op.Unfinished, op.Offered)
	}
	if n := op.ResponseTime.Count; n != int64(op.Completed+op.Unfinished) {
		t.Errorf("%d response times for %d completed and %d unfinished operations", n, op.Completed, op.Unfinished)
	}
	if n := op.ServiceTime.Count; n != int64(op.Completed) {
		t.Errorf("%d service times for %d completed operations", n, op.Completed)
	}
	if n := op.UnfinishedResponseTime.Count; n != int64(op.Unfinished) {
		t.Errorf("%d lower bounds for %d unfinished operations", n, op.Unfinished)
	}
	if n := op.AllResponseTime.Count; n != int64(op.Offered-op.Dropped) {
		t.Errorf("%d times in all for %d operations", n, op.Offered-op.Dropped)
	}
}

func between(t *testing.T, what string, ns int64, low, high time.Duration) {
	t.Helper()
	if d := time.Duration(ns); d < low || d > high {
		t.Errorf("%s = %v, want %v to %v", what, d, low, high)
	}
}

// A server that stalls for one second of ten delays a tenth of the arrivals,
// by anything between nothing and a second. A generator that stops its clock
// with the server would show one slow operation per client and nothing else.
func TestStallShowsInResponseTime(t *testing.T) {
	for _, clients := range []int{10, 100, 2000} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			server := func(ctx context.Context, op *Op) error {
				at := time.Since(start)
				if stall := 5 * time.Second; at >= stall && at < stall+time.Second {
					return wait(ctx, stall+time.Second-at)
				}
				return wait(ctx, 100*time.Microsecond)
			}
			plan := measurePlan(clients, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 1000}})
			run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: server}, virtual())
			op := measuredOp(t, run)
			if op.Offered != 10_000 || op.Completed != 10_000 {
				t.Errorf("offered %d, completed %d, want 10,000", op.Offered, op.Completed)
			}
			between(t, "response p50", int64(op.ResponseTime.Percentile(50).Time), 100*time.Microsecond, 101*time.Microsecond)
			between(t, "response p95", int64(op.ResponseTime.Percentile(95).Time), 490*time.Millisecond, 530*time.Millisecond)
			between(t, "response p99", int64(op.ResponseTime.Percentile(99).Time), 890*time.Millisecond, 930*time.Millisecond)
			// Service time shows the stall once for each client that was caught in it.
			h, err := op.ServiceTime.Histogram()
			if err != nil {
				t.Fatal(err)
			}
			slow := int64(0)
			for _, b := range h.Distribution() {
				if b.From >= int64(500*time.Microsecond) {
					slow += b.Count
				}
			}
			if want := int64(min(clients, 1000)); slow != want {
				t.Errorf("%d slow service times, want %d", slow, want)
			}
		})
	}
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func(ctx context.Context, op *Op) error { return wait(ctx, 10*time.Millisecond) }
		w := &fakeWorkload{serve: server}
		plan := measurePlan(5, PlanPhase{Duration: 10 * time.Second})
		plan.Phases = append([]PlanPhase{{Name: "warmup", Duration: 2 * time.Second, Warmup: true}}, plan.Phases...)
		run := mustRun(t, t.Context(), plan, w, virtual())
		op := measuredOp(t, run)
		if op.Throughput < 495 || op.Throughput > 500 {
			t.Errorf("throughput %v, want 500/s: 5 clients at 10 ms", op.Throughput)
		}
		between(t, "queue max", op.QueueTime.Max, 0, time.Microsecond)
		if int64(op.ResponseTime.Percentile(99).Time) != int64(op.ServiceTime.Percentile(99).Time) {
			t.Errorf("closed loop: response p99 %d != service p99 %d", int64(op.ResponseTime.Percentile(99).Time), int64(op.ServiceTime.Percentile(99).Time))
		}
		warm, _ := run.Operation("warmup", "fake")
		if warm.Completed < 1000 || warm.Completed > 1005 { // 5 start on the boundary
			t.Errorf("warmup completed %d, want 1,000", warm.Completed)
		}
		if !w.torn.Load() {
			t.Error("workload was not torn down")
		}
		if run.Target.Verdict != results.TargetMet {
			t.Errorf("target %+v, want met", run.Target)
		}
	})
}

func TestTotal(t *testing.T) {
	for name, load := range map[string]Load{"closed": {}, "open": {Rate: 500}, "poisson": {Rate: 500, Arrival: ArrivalPoisson}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				server := func(ctx context.Context, op *Op) error {
					calls.Add(1)
					return wait(ctx, time.Millisecond)
				}
				run := mustRun(t, t.Context(), measurePlan(7, PlanPhase{Total: 1234, Load: load}), &fakeWorkload{serve: server}, virtual())
				if op := measuredOp(t, run); op.Completed != 1234 || calls.Load() != 1234 {
					t.Errorf("completed %d of %d calls, want 1,234", op.Completed, calls.Load())
				}
			})
		})
	}
}

// Each operation is told how many came in earlier phases, exactly, so that together
// they are numbered from 0 without gaps, whatever ends a phase.
func TestOperationsAreNumberedOverTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		numbers := map[int]map[uint64]bool{} // by phase
		earlier := map[int][]uint64{}
		server := func(ctx context.Context, op *Op) error {
			mu.Lock()
			if numbers[op.Phase] == nil {
				numbers[op.Phase] = map[uint64]bool{}
			}
			numbers[op.Phase][op.N] = true
			if old, ok := earlier[op.Phase]; ok && !slices.Equal(old, op.Earlier()) {
				t.Errorf("phase %d: %v before it, and %v", op.Phase, old, op.Earlier())
			}
			earlier[op.Phase] = op.Earlier()
			before := uint64(0)
			for _, n := range op.Earlier() {
				before += n
			}
			if op.Before != before {
				t.Errorf("phase %d: %d operations before it, want %d", op.Phase, op.Before, before)
			}
			mu.Unlock()
			return wait(ctx, time.Duration(1+op.N%7)*time.Millisecond)
		}
		plan := measurePlan(9, PlanPhase{Duration: 2 * time.Second})
		plan.Phases = append([]PlanPhase{
			{Name: "a", Duration: time.Second}, {Name: "b", Total: 100}, {Name: "c", Duration: time.Second, Load: Load{Rate: 300}},
			{Name: "d", Total: 77, Load: Load{Rate: 300}}, {Name: "e", Duration: time.Second},
		}, plan.Phases...)
		mustRun(t, t.Context(), plan, &fakeWorkload{serve: server}, virtual())
		for phase := range plan.Phases {
			var want []uint64
			for before := range phase {
				want = append(want, uint64(len(numbers[before])))
			}
			if !slices.Equal(earlier[phase], want) {
				t.Errorf("phase %d is told of %v operations before it, want %v", phase, earlier[phase], want)
			}
			for n := range uint64(len(numbers[phase])) {
				if !numbers[phase][n] {
					t.Fatalf("phase %d has no operation %d of %d", phase, n, len(numbers[phase]))
				}
			}
		}
	})
}

// Whatever does not fit is dropped and counted; whatever waits at the end is
// unfinished.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := measurePlan(1, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 100}})
		plan.QueueLimit = 50
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: func(ctx context.Context, op *Op) error {
			return wait(ctx, 100*time.Millisecond)
		}}, virtual())
		op := measuredOp(t, run)
		if op.Offered != 1000 {
			t.Errorf("offered %d, want 1,000", op.Offered)
		}
		if op.Completed < 99 || op.Completed > 101 {
			t.Errorf("completed %d, want 100", op.Completed)
		}
		if op.Unfinished < 49 || op.Unfinished > 50 { // a client may take one on the boundary
			t.Errorf("unfinished %d, want the 50 that waited", op.Unfinished)
		}
		if v := run.Validity.Verdict; v != results.Degraded {
			t.Errorf("validity %s (%+v), want degraded: etcd took 100 ms", v, run.Validity.Reasons)
		}
	})
}

func TestTooFewClientsIsInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := measurePlan(1, PlanPhase{Duration: 5 * time.Second, Load: Load{Rate: 10_000}})
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: func(ctx context.Context, op *Op) error {
			return wait(ctx, time.Millisecond)
		}}, virtual())
		if run.Validity.Verdict != results.Invalid || run.Validity.Reasons[0].Code != "too-few-clients" {
			t.Errorf("validity %+v, want invalid: too-few-clients", run.Validity)
		}
		if run.Target.Verdict != results.TargetUndecided {
			t.Errorf("target %+v, want undecided", run.Target)
		}
	})
}

func TestErrorsAreCountedByClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func(ctx context.Context, op *Op) error {
			switch op.N % 4 {
			case 0:
				return status.Error(codes.ResourceExhausted, "etcdserver: too many requests")
			case 1:
				return status.Error(codes.Unavailable, "connection error")
			case 2:
				return wait(ctx, time.Hour)
			}
			return wait(ctx, time.Millisecond)
		}
		plan := measurePlan(4, PlanPhase{Total: 400, Load: Load{Rate: 1000}})
		plan.Timeout = 200 * time.Millisecond
		op := measuredOp(t, mustRun(t, t.Context(), plan, &fakeWorkload{serve: server}, virtual()))
		if op.Failed != 200 || op.TimedOut != 100 || op.Unfinished != 100 || op.Completed != 100 {
			t.Errorf("failed %d, timed out %d, unfinished %d, completed %d", op.Failed, op.TimedOut, op.Unfinished, op.Completed)
		}
		want := map[results.ErrorClass]bool{
			{Code: "ResourceExhausted", Etcd: "etcdserver: too many requests", Count: 100}: true,
			{Code: "Unavailable", Count: 100}:                                              true,
			{Code: "DeadlineExceeded", Count: 100}:                                         true,
		}
		for _, e := range op.Errors {
			if e.Example == "" {
				t.Errorf("%s has no example", e.Code)
			}
			e.Example = ""
			if !want[e] {
				t.Errorf("unexpected error class %+v", e)
			}
			delete(want, e)
		}
		if len(want) > 0 {
			t.Errorf("missing error classes: %v", want)
		}
		between(t, "lower bound", op.UnfinishedResponseTime.Min, 199*time.Millisecond, time.Hour)
	})
}

// A closed loop that meets nothing but instant failures must not spin.
func TestClosedLoopBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func(context.Context, *Op) error { return status.Error(codes.Unavailable, "no connection") }
		op := measuredOp(t, mustRun(t, t.Context(), measurePlan(1, PlanPhase{Duration: 10 * time.Second}), &fakeWorkload{serve: server}, virtual()))
		if op.Failed > 100 || op.Failed < 50 {
			t.Errorf("%d failures in 10 s, want some 85", op.Failed)
		}
	})
}

func TestInterruptDrainsAndKeepsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3500*time.Millisecond, func() { cancel(ErrInterrupted) })
		server := func(ctx context.Context, op *Op) error { return wait(ctx, 100*time.Millisecond) }
		run := mustRun(t, ctx, measurePlan(10, PlanPhase{Duration: time.Hour}), &fakeWorkload{serve: server}, virtual())
		op := measuredOp(t, run)
		if run.Outcome != results.Interrupted {
			t.Errorf("outcome %q, want interrupted", run.Outcome)
		}
		if op.Unfinished != 0 || op.Completed < 340 || op.Completed > 360 {
			t.Errorf("completed %d, unfinished %d, want 350 and none", op.Completed, op.Unfinished)
		}
	})
}

func TestStopWithCauseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		full := errors.New("database at 80 % of its quota")
		time.AfterFunc(time.Second, func() { cancel(full) })
		server := func(ctx context.Context, op *Op) error { return wait(ctx, time.Millisecond) }
		run, err := Run(ctx, measurePlan(1, PlanPhase{Duration: time.Hour}), &fakeWorkload{serve: server}, virtual())
		if !errors.Is(err, full) || run.Outcome != results.Failed || run.Reason != full.Error() {
			t.Errorf("err %v, outcome %s, reason %q", err, run.Outcome, run.Reason)
		}
		measuredOp(t, run)
	})
}

func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := measurePlan(3, PlanPhase{Duration: time.Second})
		plan.Timeout, plan.Drain = time.Hour, 2*time.Second
		start := time.Now()
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: func(ctx context.Context, op *Op) error { return wait(ctx, time.Minute) }}, virtual())
		op := measuredOp(t, run)
		if op.Unfinished != 3 || time.Since(start) > 4*time.Second {
			t.Errorf("unfinished %d after %v", op.Unfinished, time.Since(start))
		}
		between(t, "lower bound", op.UnfinishedResponseTime.Min, 2900*time.Millisecond, 3100*time.Millisecond)
	})
}

func TestFailedSetupIsAFailedRun(t *testing.T) {
	boom := errors.New("boom")
	w := &fakeWorkload{setup: func() error { return boom }}
	run, err := Run(t.Context(), measurePlan(1, PlanPhase{Total: 1}), w, Options{})
	if !errors.Is(err, boom) || run.Outcome != results.Failed || !w.torn.Load() {
		t.Errorf("err %v, run %+v, torn down %v", err, run, w.torn.Load())
	}
}

// Backlog carries over from one open phase to the next, and closed phases may
// stand between open ones.
func TestPhasesInSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := measurePlan(10, PlanPhase{Duration: 2 * time.Second, Load: Load{Rate: 100}})
		plan.Phases = append(plan.Phases,
			PlanPhase{Name: "ramp", Duration: 4 * time.Second, Load: Load{Rate: 100, RateEnd: 300}},
			PlanPhase{Name: "closed", Duration: time.Second},
			PlanPhase{Name: "again", Duration: time.Second, Load: Load{Rate: 50}})
		log := &intervalLog{}
		o := virtual()
		o.Observers = []Observer{log}
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: func(ctx context.Context, op *Op) error { return wait(ctx, 5*time.Millisecond) }}, o)
		for name, want := range map[string]uint64{"measure": 200, "ramp": 800, "closed": 2000, "again": 50} {
			op, _ := run.Operation(name, "fake")
			checkIdentity(t, op)
			if op.Completed < want-10 || op.Completed > want+10 {
				t.Errorf("%s completed %d, want %d", name, op.Completed, want)
			}
		}
		log.check(t, run)
	})
}

// intervalLog adds the intervals up: they must give the totals.
type intervalLog struct {
	mu        sync.Mutex
	intervals []results.Interval
}

func (*intervalLog) Start(*results.Run) error  { return nil }
func (*intervalLog) Finish(*results.Run) error { return nil }
func (l *intervalLog) Interval(i *results.Interval) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.intervals = append(l.intervals, *i)
	return nil
}

func (l *intervalLog) check(t *testing.T, run *results.Run) {
	t.Helper()
	type key struct{ phase, op string }
	parts := map[key][]results.Operation{}
	var end time.Duration
	for _, i := range l.intervals {
		if i.Start != end {
			t.Errorf("interval %d starts at %v, the last ended at %v", i.Number, i.Start, end)
		}
		end = i.Start + i.Length
		for _, o := range i.Operations {
			parts[key{o.Phase, o.Op}] = append(parts[key{o.Phase, o.Op}], o)
		}
	}
	for _, o := range run.Operations {
		length := run.Length(func(phase string) bool { return phase == o.Phase })
		s, err := results.Sum(length, parts[key{o.Phase, o.Op}]...)
		if err != nil {
			t.Fatal(err)
		}
		// Errors and counts of no operation are listed in the total only.
		s.Phase, s.Op, s.Write, s.Arrived, s.Of, s.Sign, s.Counts, s.Errors = o.Phase, o.Op, o.Write, o.Arrived, o.Of, o.Sign, o.Counts, o.Errors
		if !reflect.DeepEqual(s, o) {
			t.Errorf("%s: intervals add up to %+v, the total is %+v", o.Phase, s, o)
		}
	}
}

// slowObserver takes its time over one interval.
type slowObserver struct{ intervalLog }

func (o *slowObserver) Interval(i *results.Interval) error {
	if i.Number == 2 {
		time.Sleep(2500 * time.Millisecond)
	}
	return o.intervalLog.Interval(i)
}

// A slow disk or terminal makes intervals longer, never denser.
func TestSlowObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &slowObserver{}
		o := virtual()
		o.Observers = []Observer{log}
		plan := measurePlan(10, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 1000}})
		run := mustRun(t, t.Context(), plan, &fakeWorkload{serve: func(ctx context.Context, op *Op) error { return wait(ctx, time.Millisecond) }}, o)
		log.check(t, run)
		longest := time.Duration(0)
		for _, i := range log.intervals {
			longest = max(longest, i.Length)
			for _, op := range i.Operations {
				if want := 1000 * i.Length.Seconds(); i.Phase == "measure" && (float64(op.Completed) < want-10 || float64(op.Completed) > want+10) {
					t.Errorf("interval %d of %v has %d operations, want %.0f", i.Number, i.Length, op.Completed, want)
				}
			}
		}
		if longest < 2*time.Second {
			t.Errorf("the longest interval is %v: the observer was not slow", longest)
		}
	})
}

// eventWorkload is told of each operation once more, later and by itself.
type eventWorkload struct {
	fakeWorkload
	sink *Sink
}

func (*eventWorkload) Kinds() []Kind {
	return []Kind{{Name: "fake", Counts: []CountName{{Name: "attempts"}}}, {Name: "event", Arrives: true, Counts: []CountName{{Name: "seen"}}}}
}
func (w *eventWorkload) Attach(_ context.Context, s *Sink) error { w.sink = s; return nil }

// Detach waits for the last events, which come 30 ms after their operation.
func (w *eventWorkload) Detach(ctx context.Context) { _ = wait(ctx, 50*time.Millisecond) }

func (w *eventWorkload) Verify(context.Context) (*results.Proof, error) {
	p := &results.Proof{}
	p.Violate(results.Violation{Check: "test", Key: "k", Expected: "a", Found: "b"})
	return p, nil
}

func TestEventsArriveByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &eventWorkload{}
		w.serve = func(ctx context.Context, op *Op) error {
			phase, intended := op.Phase, op.Intended
			time.AfterFunc(30*time.Millisecond, func() {
				w.sink.Record(phase, 0, Sample{Kind: 1, Intended: intended, Sent: intended, Done: w.sink.Now()})
				w.sink.Count(phase, 1, 0, 2)
			})
			op.Count(0, 3)
			err := wait(ctx, 20*time.Millisecond)
			op.Done() // what comes after it is not the operation's
			_ = wait(ctx, 20*time.Millisecond)
			return err
		}
		plan := measurePlan(10, PlanPhase{Total: 200, Load: Load{Rate: 100}})
		plan.Phases = append([]PlanPhase{{Name: "warmup", Duration: time.Second, Load: Load{Rate: 100}, Warmup: true}}, plan.Phases...)
		plan.Verify = true
		seen := &countingObserver{}
		opts := virtual()
		opts.Observers = []Observer{seen}
		run := mustRun(t, t.Context(), plan, w, opts)
		op := measuredOp(t, run)
		between(t, "service p50", int64(op.ServiceTime.Percentile(50).Time), 19*time.Millisecond, 21*time.Millisecond)
		if run.Proof == nil || run.Proof.Verdict != results.Violated || run.Proof.Found != 1 {
			t.Errorf("proof %+v", run.Proof)
		}
		events, _ := run.Operation("measure", "event")
		checkIdentity(t, events)
		if op.Completed != 200 || events.Completed != 200 {
			t.Errorf("%d operations and %d events, want 200 each", op.Completed, events.Completed)
		}
		between(t, "event p50", int64(events.ResponseTime.Percentile(50).Time), 29*time.Millisecond, 31*time.Millisecond)
		if warm, _ := run.Operation("warmup", "event"); warm.Completed != 100 {
			t.Errorf("%d events of the warm-up, want 100", warm.Completed)
		}
		if c := op.Counts; len(c) != 1 || c[0] != (results.Count{Name: "attempts", Count: 600}) || seen.counts["attempts"] != 900 {
			t.Errorf("counts of the phase %+v, of all intervals %v; want 600 and, with the warm-up, 900", c, seen.counts)
		}
		if c := events.Counts; len(c) != 1 || c[0].Count != 400 || seen.counts["seen"] != 600 {
			t.Errorf("counts of the events %+v, of all intervals %v", c, seen.counts)
		}
	})
}

// countingObserver adds up what the intervals say.
type countingObserver struct {
	counts map[string]uint64
	events []results.Event
}

func (o *countingObserver) Start(*results.Run) error {
	o.counts = map[string]uint64{}
	return nil
}

func (o *countingObserver) Interval(i *results.Interval) error {
	for _, op := range i.Operations {
		for _, c := range op.Counts {
			o.counts[c.Name] += c.Count
		}
	}
	o.events = append(o.events, i.Events...)
	return nil
}

func (*countingObserver) Finish(*results.Run) error { return nil }

func TestDisturbancesKeepTheirSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorkload{serve: func(ctx context.Context, _ *Op) error { return wait(ctx, time.Millisecond) }}
		plan := measurePlan(1, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 10}})
		plan.Phases = append([]PlanPhase{{Name: "warmup", Duration: 2 * time.Second, Load: Load{Rate: 10}, Warmup: true}}, plan.Phases...)
		disturbance := func(kind string, at, every, takes time.Duration, err error) Disturbance {
			return Disturbance{
				PlanDisturbance: results.PlanDisturbance{Kind: kind, At: at, Every: every},
				Do:              func(ctx context.Context) (string, error) { return kind + " done", errors.Join(wait(ctx, takes), err) },
			}
		}
		seen := &countingObserver{}
		opts := virtual()
		opts.Observers = []Observer{seen}
		opts.Disturbances = []Disturbance{
			disturbance("once", 3500*time.Millisecond, 0, time.Second, nil),
			disturbance("slow", 0, time.Second, 2500*time.Millisecond, nil), // 0, 3, 6, 9: the last one is cut short
			disturbance("failing", 5*time.Second, 0, 0, errors.New("no leader")),
			disturbance("too late", time.Minute, 0, 0, nil),
			disturbance("rare", 5*time.Second, 5*time.Second, 0, nil), // not at the end of the load
			disturbance("request", 9900*time.Millisecond, 0, 0, nil),
		}
		opts.Disturbances = append(opts.Disturbances, disturbance("refused", 3200*time.Millisecond, 0, 0, status.Error(codes.Canceled, "refused")))
		opts.Disturbances[5].Do = func(ctx context.Context) (string, error) {
			return "", status.FromContextError(wait(ctx, time.Second)).Err()
		}
		opts.Disturbances[2].Turn = func(ctx context.Context) error { return wait(ctx, 500*time.Millisecond) }
		run := mustRun(t, t.Context(), plan, w, opts)
		if len(run.Plan.Disturbances) != 7 {
			t.Errorf("the plan has %d disturbances", len(run.Plan.Disturbances))
		}
		var got []string
		for _, e := range run.Events {
			got = append(got, fmt.Sprint(e.Kind, " ", e.Start.Round(time.Millisecond), " ", e.Length.Round(time.Millisecond), " ", e.Error))
		}
		want := []string{
			"slow 2s 2.5s ", "slow 5s 2.5s ", "refused 5.2s 0s rpc error: code = Canceled desc = refused", "once 5.5s 1s ", "rare 7s 0s ", "failing 7.5s 0s no leader", "slow 8s 2.5s ", "slow 11s 1s ended early: the load ended",
			"request 11.9s 100ms ended early: the load ended", "too late 12s 0s not started: the load ended before 1m0s",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events\n%q, want\n%q", got, want)
		}
		if len(seen.events) != len(want) {
			t.Errorf("the intervals have %d events, want %d", len(seen.events), len(want))
		}
	})
}

// Whenever a run is stopped and however its server behaves, every operation is
// accounted for.
func TestAccountingProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]float64{0, 50, 500}).Draw(t, "rate")
		clients := rapid.IntRange(1, 20).Draw(t, "clients")
		queue := rapid.IntRange(1, 20).Draw(t, "queue")
		total := rapid.Uint64Range(0, 300).Draw(t, "total")
		stopAfter := time.Duration(rapid.IntRange(1, 3000).Draw(t, "stop")) * time.Millisecond
		mean := rapid.IntRange(1, 200).Draw(t, "service ms")
		failEvery := rapid.Uint64Range(2, 10).Draw(t, "fail every")
		synctest.Test(&testing.T{}, func(*testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			defer time.AfterFunc(stopAfter, func() { cancel(ErrInterrupted) }).Stop()
			server := func(ctx context.Context, op *Op) error {
				if err := wait(ctx, time.Duration(op.N%7+1)*time.Duration(mean)*time.Millisecond/4); err != nil {
					return err
				}
				if op.N%failEvery == 0 {
					return status.Error(codes.Internal, "made to fail")
				}
				return nil
			}
			ph := PlanPhase{Duration: 2 * time.Second, Load: Load{Rate: rate}}
			if total > 0 {
				ph.Duration, ph.Total = 0, total
			}
			plan := measurePlan(clients, ph)
			plan.QueueLimit, plan.Timeout, plan.Drain = queue, 150*time.Millisecond, 100*time.Millisecond
			run, err := Run(ctx, plan, &fakeWorkload{serve: server}, virtual())
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range run.Operations {
				checkIdentity(t, op)
			}
			if data, err := results.Encode(run); err != nil {
				t.Error(err)
			} else if _, err := results.Decode(data); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
