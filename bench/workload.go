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
	// Arrives says that its operations come through a [Sink] and are not asked for.
	Arrives bool
	// Of and Sign mark one half of a time that can be negative: see
	// [results.Operation].
	Of   string
	Sign int
	// Counts are what is counted beside the operations, such as attempts, by
	// their place in this list.
	Counts []CountName
}

// CountName names a count, and the count of the same kind that it is a share
// of, if there is one.
type CountName struct{ Name, Of string }

// Workload generates operations. Its requests depend on the plan's seed and on
// the operation's phase, number and Earlier alone, so that a run can be repeated.
type Workload interface {
	Name() string
	// Kinds lists what the workload reports; the order gives the kinds' numbers.
	Kinds() []Kind
	// Setup makes what the operations need, and may be repeated. progress may be
	// called from one goroutine at a time.
	Setup(ctx context.Context, progress func(done, total int)) error
	// NewWorker returns what one client works with. Client numbers start at 0.
	// It may be called by several goroutines at once; ctx is for the call alone.
	NewWorker(ctx context.Context, client int) (Worker, error)
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
	// Attach comes before the first operation, which waits for its return.
	Attach(ctx context.Context, s *Sink) error
	// Detach comes after the last answer, and after an Attach that failed. It
	// waits for what is still to arrive, at most until ctx ends, and stops
	// receiving.
	Detach(ctx context.Context)
}

// TransportNamer is implemented by workloads that know the transport of their connections:
// a plan that names none gets its name.
type TransportNamer interface {
	// Transport is one of those of package results, such as [results.TransportLean].
	Transport() string
}

// Answerer is implemented by workloads that can find out whether the cluster still
// answers.
type Answerer interface {
	// Answers comes when the load has stopped, and before the proof. It waits for an
	// answer for a while, such as an election takes, and returns an error when none comes.
	Answers(ctx context.Context) error
}

// Verifier is implemented by workloads that can prove the result of their
// writes.
type Verifier interface {
	// Verify comes when the load has stopped and nothing is in flight. An error
	// says that the checks could not be made: the run has failed then.
	Verify(ctx context.Context) (*results.Proof, error)
}

// Finder is implemented by verifiers that check answers beside the load.
type Finder interface {
	// Found returns what was checked and found until now, where Verify cannot be called.
	// Nothing is in flight.
	Found() *results.Proof
}

// Op is one operation to do.
type Op struct {
	// Phase is the phase's place in the plan, N the operation's number in it;
	// together with the seed they fix the request.
	Phase int
	N     uint64
	// Earlier has the number of operations of each earlier phase of the run, by place
	// in the plan: with them, operations are numbered over the whole run. It is one
	// slice for all operations of a phase, and must not be changed.
	Earlier []uint64
	// Intended is when the operation should start, from the run's start. In a
	// closed loop that is when it is sent.
	Intended time.Duration
	// Open says that it arrived on a schedule.
	Open bool

	timed bool // by SetTimes
	free  bool // see arrival
	kind  int32
	phase *phase

	began, sent, done, stalled time.Duration
	client                     *client // nil where it is done outside a run
}

// now is the time on the run's clock, and 0 outside a run.
func (o *Op) now() time.Duration {
	if o.client == nil {
		return 0
	}
	return o.client.engine.clock.now()
}

// Send marks the moment at which the request, built by now, is handed to the
// transport, and returns it: service time counts from here. Without it, it
// counts from the call of Do.
func (o *Op) Send() time.Duration {
	o.sent = o.now()
	if !o.Open {
		// What building the request took is the generator's time, not etcd's.
		o.Intended = o.sent
	}
	return o.sent
}

// Done marks the moment at which the operation was completed and returns it.
// Without it, that is when Do returns; with it, Do must return nil.
func (o *Op) Done() time.Duration {
	if o.done == 0 {
		o.done = o.now()
	}
	return o.done
}

// Hold waits after the operation was completed, while its client keeps what it has got.
// The timeout of a request does not shorten it; it ends early when the run gives up what
// is in flight.
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

// clock counts from a run's start, on the monotonic clock.
type clock struct{ start time.Time }

func (c clock) now() time.Duration { return time.Since(c.start) }
