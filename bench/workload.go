package bench

import (
	"context"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Plan, PlanPhase and Load are the parts of the result document that say what
// to do.
type (
	Plan      = results.Plan
	PlanPhase = results.PlanPhase
	Load      = results.Load
)

// The values of [Load].Arrival.
const (
	ArrivalConstant = "constant"
	ArrivalPoisson  = "poisson"
)

// Kind is one kind of operation that a workload reports.
type Kind struct {
	Name string
	// Write says that it counts towards the target of writes per second.
	Write bool
}

// Workload generates operations. Its requests depend on the plan's seed and on
// the operation's phase and number alone, so that a run can be repeated.
type Workload interface {
	Name() string
	// Kinds lists what the workload reports; the order gives the kinds' numbers.
	Kinds() []Kind
	// Setup makes what the operations need, and may be repeated. progress may be
	// called from one goroutine at a time.
	Setup(ctx context.Context, progress func(done, total int)) error
	// NewWorker returns what one client works with. Client numbers start at 0.
	NewWorker(client int) (Worker, error)
	// Teardown undoes what Setup and the operations did outside the keys.
	Teardown(ctx context.Context) error
}

// Worker does operations for one client, one at a time.
type Worker interface {
	// Do does exactly one operation. It returns soon after ctx ends.
	Do(ctx context.Context, op *Op) error
}

// Chooser is implemented by workloads of several kinds: it says of which kind
// an operation will be before there is a client to do it.
type Chooser interface {
	KindOf(phase int, n uint64) int
}

// Backgrounder is implemented by workloads that do something beside their
// operations, such as compacting, from the first phase to the last.
type Backgrounder interface {
	// Background runs until ctx ends. An error is a warning in the result.
	Background(ctx context.Context) error
}

// Receiver is implemented by workloads some of whose operations are not asked
// for one by one, such as the events of a watch, or are a part of another
// operation, such as the release of a lock.
type Receiver interface {
	// Attach comes before the first operation.
	Attach(s *Sink)
}

// Sink takes the operations that arrive by themselves.
type Sink struct{ engine *engine }

// Now is the time on the run's clock.
func (s *Sink) Now() time.Duration { return s.engine.clock.now() }

// Record counts an operation, offered and settled at once, in the phase with
// that place in the plan. It is safe for concurrent use and takes no lock; the
// client's number only spreads callers out.
func (s *Sink) Record(phase, client int, sample Sample) {
	ph := s.engine.phases[phase].Load()
	ph.offered[sample.Kind].Add(1)
	ph.recorder.Record(client, sample)
}

// Op is one operation to do.
type Op struct {
	// Phase is the phase's place in the plan, N the operation's number in it;
	// together with the seed they fix the request.
	Phase int
	N     uint64
	// Intended is when the operation should start, from the run's start.
	Intended time.Duration

	sent  time.Duration
	clock clock
}

// Send marks the moment at which the request, built by now, is handed to the
// transport: service time counts from here. Without it, it counts from the
// call of Do.
func (o *Op) Send() { o.sent = o.clock.now() }

// clock counts from a run's start, on the monotonic clock.
type clock struct{ start time.Time }

func (c clock) now() time.Duration { return time.Since(c.start) }
