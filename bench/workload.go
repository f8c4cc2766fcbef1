package bench

import (
	"context"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

type (
	// A Plan is the part of the result document that defines the run.
	Plan = results.Plan
	// A PlanPhase is one phase of a plan.
	PlanPhase = results.PlanPhase
	// A Load is the load of one phase.
	Load = results.Load
)

// The values of [Load].Arrival.
const (
	ArrivalConstant = "constant"
	ArrivalPoisson  = "poisson"
)

// Kind is one kind of operation that a workload reports.
type Kind struct {
	Name string
	// Write says that the kind counts towards the target of writes per second.
	Write bool
	// Arrives says that its operations are received through a [Sink] and not requested.
	Arrives bool
	// Of and Sign mark the kind as one half of a time that can be negative: see
	// [results.Operation].
	Of   string
	Sign int
	// Counts are the additional counts of the kind, such as attempts, by their place in this
	// list.
	Counts []CountName
}

// CountName names a count. Of names the count of the same kind that it is a share of; it is
// empty if there is none.
type CountName struct{ Name, Of string }

// Workload generates operations. Its requests depend only on the plan's seed and on the
// operation's phase, number and Before, so that a run can be repeated.
type Workload interface {
	Name() string
	// Kinds returns the kinds of operation of the workload. Their order gives their numbers.
	Kinds() []Kind
	// Setup prepares the cluster for the operations. It may be called more than once. progress
	// is called from one goroutine at a time.
	Setup(ctx context.Context, progress func(done, total int)) error
	// NewWorker returns the worker of one client. Client numbers start at 0. It may be called
	// concurrently. ctx is valid during the call only.
	NewWorker(ctx context.Context, client int) (Worker, error)
	// Teardown reverts the effects of Setup and of the operations, except for keys.
	Teardown(ctx context.Context) error
}

// Worker carries out the operations of one client, one at a time.
type Worker interface {
	// Do carries out exactly one operation. It returns soon after ctx ends.
	Do(ctx context.Context, op *Op) error
}

// Chooser is implemented by workloads with several kinds. KindOf returns the kind of an
// operation before a client is available for it.
type Chooser interface {
	KindOf(phase int, n uint64) int
}

// Backgrounder is implemented by workloads with a background task, such as compaction, from the
// first phase to the last.
type Backgrounder interface {
	// Background runs until ctx ends. An error becomes a warning in the result.
	Background(ctx context.Context) error
}

// Receiver is implemented by workloads that receive operations without a request of their own,
// such as the events of a watch, or that count a part of another operation, such as the release
// of a lock.
type Receiver interface {
	// Attach is called before the first operation, which waits for its return.
	Attach(ctx context.Context, s *Sink) error
	// Detach is called after the last answer, and after an Attach that failed. It waits for
	// outstanding operations, at most until ctx ends, and stops receiving.
	Detach(ctx context.Context)
}

// TransportNamer is implemented by workloads that know the transport of their connections. A
// plan that names no transport gets that name.
type TransportNamer interface {
	// Transport returns a transport of package results, such as [results.TransportLean].
	Transport() string
}

// Answerer is implemented by workloads that can check whether the cluster still answers.
type Answerer interface {
	// Answers is called when the load has stopped, before the proof. It waits for an answer as
	// long as an election may take, and returns an error if there is none.
	Answers(ctx context.Context) error
}

// Verifier is implemented by workloads that can prove the result of their writes.
type Verifier interface {
	// Verify is called when the load has stopped and nothing is in flight. An error means that
	// the checks could not be made: the run has failed then.
	Verify(ctx context.Context) (*results.Proof, error)
}

// Finder is implemented by verifiers that check answers during the load.
type Finder interface {
	// Found returns the checks and violations so far, for runs in which Verify cannot be
	// called. Nothing is in flight.
	Found() *results.Proof
}

// Op is one operation.
type Op struct {
	// Phase is the phase's place in the plan, and N the operation's number in the phase.
	// Together with the seed they determine the request.
	Phase int
	N     uint64
	// Before is the number of operations of earlier phases of the run: Before + N numbers the
	// operations over the whole run.
	Before uint64
	// Intended is when the operation should start, since the run's start. In a closed loop that
	// is when it is sent.
	Intended time.Duration
	// Open says that the operation arrived on a schedule.
	Open bool

	timed bool // by SetTimes
	free  bool // see arrival
	kind  int32
	phase *phase

	began, sent, done, stalled time.Duration
	client                     *client // nil outside a run
}

// Earlier returns the number of operations of each earlier phase of the run, by place in the
// plan, and nil outside a run. All operations of a phase share the slice, which must not be
// changed.
func (o *Op) Earlier() []uint64 {
	if o.phase == nil {
		return nil
	}
	return o.phase.earlier
}

// now returns the time on the run's clock, and 0 outside a run.
func (o *Op) now() time.Duration {
	if o.client == nil {
		return 0
	}
	return o.client.engine.clock.now()
}

// Send records and returns the time at which the request, which must be complete, is handed to
// the transport: service time counts from here. Without a call of Send, it counts from the call
// of Do.
func (o *Op) Send() time.Duration {
	o.sent = o.now()
	if !o.Open {
		// The time to build the request is the generator's, not etcd's.
		o.Intended = o.sent
	}
	return o.sent
}

// Done records and returns the time at which the operation was completed. Without a call of
// Done, that is when Do returns. After a call of Done, Do must return nil.
func (o *Op) Done() time.Duration {
	if o.done == 0 {
		o.done = o.now()
	}
	return o.done
}

// Hold waits after the operation was completed, while its client keeps what it has acquired.
// The timeout of a request does not shorten the wait. It ends early when the run cancels the
// requests in flight.
func (o *Op) Hold(d time.Duration) {
	if d <= 0 {
		return
	}
	var stopped <-chan struct{}
	if o.client != nil {
		stopped = o.client.engine.requests.Done()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stopped:
	}
}

// Count adds to one of the counts of the operation's kind.
func (o *Op) Count(count int, n uint64) {
	if o.phase != nil {
		o.phase.counts[o.kind][count].Add(n)
	}
}

// clock measures the time since a run's start, on the monotonic clock.
type clock struct{ start time.Time }

func (c clock) now() time.Duration { return time.Since(c.start) }
