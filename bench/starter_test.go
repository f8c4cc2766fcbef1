package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/results"
)

// startingWorkload has clients that start operations, and where blocking says so, clients
// that wait for them. answer says after how long an operation ends, and how; a negative
// time is that of the timeout.
type startingWorkload struct {
	fakeWorkload
	answer   func(op *Op) (time.Duration, error)
	blocking func(client int) bool

	mu      sync.Mutex
	numbers map[int]map[uint64]int // how often each number of a phase came

	started, ended, cancelled atomic.Int64
}

func (w *startingWorkload) NewWorker(_ context.Context, client int) (Worker, error) {
	if w.blocking != nil && w.blocking(client) {
		return &blockingWorker{w}, nil
	}
	return &startingWorker{w: w}, nil
}

// note notes an operation.
func (w *startingWorkload) note(op *Op) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.numbers == nil {
		w.numbers = map[int]map[uint64]int{}
	}
	if w.numbers[op.Phase] == nil {
		w.numbers[op.Phase] = map[uint64]int{}
	}
	w.numbers[op.Phase][op.N]++
	return w.answer(op)
}

type blockingWorker struct{ w *startingWorkload }

func (b *blockingWorker) Do(ctx context.Context, op *Op) error {
	d, err := b.w.note(op)
	if d < 0 {
		d = time.Hour
	}
	return errors.Join(wait(ctx, d), err)
}

// startingWorker starts operations, one at a time. They are sent by Flush.
type startingWorker struct {
	blockingWorker
	w *startingWorkload

	mu     sync.Mutex
	op     *Op // under way
	n      int
	unsent func()
}

func (s *startingWorker) AsStarter() Starter { return s }

func (s *startingWorker) Start(op *Op) {
	s.w.started.Add(1)
	d, err := s.w.note(op)
	if d < 0 {
		d, err = op.Left(), status.FromContextError(context.DeadlineExceeded).Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.op != nil {
		panic("a client started two operations at a time")
	}
	s.op = op
	s.n++
	n := s.n
	s.unsent = func() { time.AfterFunc(d, func() { s.end(n, err) }) }
}

func (s *startingWorker) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsent != nil {
		s.unsent()
		s.unsent = nil
	}
}

func (s *startingWorker) Cancel() {
	s.mu.Lock()
	n := s.n
	s.mu.Unlock()
	if s.end(n, status.FromContextError(context.Canceled).Err()) {
		s.w.cancelled.Add(1)
	}
}

func (s *startingWorker) end(n int, err error) bool {
	s.mu.Lock()
	op := s.op
	if op == nil || s.n != n {
		s.mu.Unlock()
		return false
	}
	s.op = nil
	s.mu.Unlock()
	s.w.ended.Add(1)
	op.Complete(err)
	return true
}

func after(d time.Duration) func(*Op) (time.Duration, error) {
	return func(*Op) (time.Duration, error) { return d, nil }
}

func TestStartedClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &startingWorkload{answer: after(10 * time.Millisecond)}
		op := measuredOp(t, mustRun(t, t.Context(), measurePlan(5, PlanPhase{Duration: 10 * time.Second}), w, virtual()))
		if op.Throughput < 495 || op.Throughput > 500 {
			t.Errorf("throughput %v, want 500/s: 5 clients at 10 ms", op.Throughput)
		}
		between(t, "response p50", int64(op.ResponseTime.Percentile(50).Time), 10*time.Millisecond, 10100*time.Microsecond)
		between(t, "queue max", op.QueueTime.Max, 0, time.Microsecond)
	})
}

// An answer that comes late makes those wait that arrive meanwhile, as with clients that
// wait themselves.
func TestStartedOpenLoop(t *testing.T) {
	for _, clients := range []int{10, 2000} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := &startingWorkload{answer: func(*Op) (time.Duration, error) {
				if at := time.Since(start); at >= 5*time.Second && at < 6*time.Second {
					return 6*time.Second - at, nil
				}
				return 100 * time.Microsecond, nil
			}}
			plan := measurePlan(clients, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 1000}})
			op := measuredOp(t, mustRun(t, t.Context(), plan, w, virtual()))
			if op.Completed != 10_000 {
				t.Errorf("completed %d, want 10,000", op.Completed)
			}
			between(t, "response p50", int64(op.ResponseTime.Percentile(50).Time), 100*time.Microsecond, 101*time.Microsecond)
			between(t, "response p95", int64(op.ResponseTime.Percentile(95).Time), 490*time.Millisecond, 530*time.Millisecond)
			between(t, "response p99", int64(op.ResponseTime.Percentile(99).Time), 890*time.Millisecond, 930*time.Millisecond)
		})
	}
}

// phases go from closed to open loops and back, some by time and some by number.
func phases() []PlanPhase {
	return []PlanPhase{
		{Name: "a", Duration: time.Second}, {Name: "b", Total: 100}, {Name: "c", Duration: time.Second, Load: Load{Rate: 300}},
		{Name: "d", Total: 77, Load: Load{Rate: 300}}, {Name: "e", Total: 3}, {Name: "f", Duration: time.Second},
		{Name: "g", Duration: time.Second, Load: Load{Rate: 300, Arrival: ArrivalPoisson}},
	}
}

// checkPhases checks that each operation of each phase is accounted for and came once.
func checkPhases(t *testing.T, run *results.Run, w *startingWorkload) {
	t.Helper()
	for i, ph := range run.Plan.Phases {
		op, ok := run.Operation(ph.Name, "fake")
		if !ok {
			t.Fatalf("no operations of phase %s", ph.Name)
		}
		checkIdentity(t, op)
		if ph.Total > 0 && op.Offered != ph.Total {
			t.Errorf("phase %s: offered %d of %d", ph.Name, op.Offered, ph.Total)
		}
		if came := uint64(len(w.numbers[i])); came > op.Offered || came < op.Completed+op.Failed {
			t.Errorf("phase %s: %d operations came, of %d offered, %d completed and %d failed", ph.Name, came, op.Offered, op.Completed, op.Failed)
		}
		for n, times := range w.numbers[i] {
			if times != 1 || n >= op.Offered {
				t.Errorf("phase %s: operation %d of %d came %d times", ph.Name, n, op.Offered, times)
			}
		}
	}
	if started, ended := w.started.Load(), w.ended.Load(); started != ended {
		t.Errorf("%d operations were started and %d ended", started, ended)
	}
}

// Phases change between open and closed loops, by time and by number, with clients that
// start operations, clients that wait, and both; operations fail, take their time, or do
// not end until they are cancelled.
func TestStartedOperationsAreAccountedFor(t *testing.T) {
	mixes := map[string]func(int) bool{
		"all start": nil, "half start": func(client int) bool { return client%2 == 0 }, "one starts": func(client int) bool { return client > 0 },
	}
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for name, blocking := range mixes {
		for seed := range seeds {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				w := &startingWorkload{blocking: blocking, answer: func(*Op) (time.Duration, error) { // one at a time
					d := time.Duration(random.IntN(20)) * time.Millisecond
					switch random.IntN(20) {
					case 0:
						return d, errors.New("failed")
					case 1:
						return 0, status.Error(codes.DeadlineExceeded, "late")
					case 2:
						return -1, nil
					}
					return d, nil
				}}
				plan := measurePlan(int(1+seed*5), PlanPhase{Duration: time.Second})
				plan.Phases, plan.Timeout, plan.Drain = append(phases(), plan.Phases...), 2*time.Second, time.Second
				checkPhases(t, mustRun(t, t.Context(), plan, w, virtual()), w)
				if t.Failed() {
					t.Logf("%s, seed %d", name, seed)
				}
			})
		}
	}
}

// What is under way at the end of the drain is cancelled and unfinished.
func TestStartedOperationsAreCancelled(t *testing.T) {
	for name, load := range map[string]Load{"closed": {}, "open": {Rate: 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &startingWorkload{answer: func(op *Op) (time.Duration, error) {
					if op.N >= 10 {
						return -1, nil
					}
					return time.Millisecond, nil
				}}
				plan := measurePlan(7, PlanPhase{Duration: 2 * time.Second, Load: load})
				began := time.Now()
				op := measuredOp(t, mustRun(t, t.Context(), plan, w, virtual()))
				between(t, "time", int64(time.Since(began)), plan.Drain+2*time.Second, plan.Drain+2001*time.Millisecond)
				if n := w.cancelled.Load(); n != 7 || op.Completed != 10 || op.Unfinished+op.Dropped != op.Offered-10 || op.Unfinished < 7 {
					t.Errorf("%d cancelled %d completed, %d unfinished of %d", n, op.Completed, op.Unfinished, op.Offered)
				}
			})
		})
	}
}

// Clients whose operations fail at once pause, longer and longer, and a success ends that.
func TestStartedOperationsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &startingWorkload{answer: func(op *Op) (time.Duration, error) { return 0, errors.New("failed") }}
		plan := measurePlan(5, PlanPhase{Duration: 10 * time.Second})
		op := measuredOp(t, mustRun(t, t.Context(), plan, w, virtual()))
		if op.Failed != op.Offered || op.Failed < 5*70 || op.Failed > 5*90 {
			t.Errorf("%d of %d failed, want some 85 of each client", op.Failed, op.Offered)
		}
	})
	synctest.Test(t, func(t *testing.T) { // in an open loop, arrivals set the pace
		w := &startingWorkload{answer: func(op *Op) (time.Duration, error) { return 0, errors.New("failed") }}
		plan := measurePlan(5, PlanPhase{Duration: 10 * time.Second, Load: Load{Rate: 100}})
		if op := measuredOp(t, mustRun(t, t.Context(), plan, w, virtual())); op.Failed != 1000 {
			t.Errorf("%d of %d failed, want 1,000", op.Failed, op.Offered)
		}
	})
}

// An interrupt ends the load; what is under way has the time of the drain.
func TestStartedOperationsAreInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &startingWorkload{answer: after(1500 * time.Millisecond)}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2*time.Second, func() { cancel(ErrInterrupted) })
		began := time.Now()
		run := mustRun(t, ctx, measurePlan(5, PlanPhase{Total: 1000}), w, virtual())
		if op := measuredOp(t, run); op.Completed != 10 || op.Offered != 10 {
			t.Errorf("%d completed of %d, want 10", op.Completed, op.Offered)
		}
		between(t, "time", int64(time.Since(began)), 3*time.Second, 3001*time.Millisecond)
	})
}
