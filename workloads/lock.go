package workloads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

func lockEntry() Entry {
	return Entry{
		Name:    "lock",
		Summary: "acquire locks, hold them, and release them",
		Measures: "An operation (acquire) is one clientv3/concurrency Mutex.Lock, from the call to its return; " +
			"the release, after --hold, is also counted. " +
			"Clients share the locks in turn, each with a session of its own. Two holders of one lock at once are counted as overlaps.",
		Define: func() Definition { return new(lockDefinition) },
	}
}

type lockDefinition struct {
	locks int
	hold  time.Duration
	ttl   time.Duration
}

func (d *lockDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.locks, "locks", 100, "locks that the clients share")
	fs.DurationVar(&d.hold, "hold", 0, "time for which a lock or a leadership is held")
	fs.DurationVar(&d.ttl, "ttl", time.Minute, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
}

func (d *lockDefinition) Validate(string) error {
	switch {
	case d.locks < 1 || d.locks > maxLeases:
		return fmt.Errorf("--locks must be between 1 and %d, not %d", maxLeases, d.locks)
	case d.hold < 0:
		return fmt.Errorf("--hold must not be negative, but is %v", d.hold)
	}
	return validateTTL(d.ttl)
}

func (d *lockDefinition) New(t Target) (bench.Workload, error) {
	return &lockWorkload{definition: *d, target: t, sessions: newSessions(t, d.ttl), holders: newHolders("locks", d.locks)}, nil
}

type lockWorkload struct {
	noSetup
	definition lockDefinition
	target     Target
	sessions   *sessions
	sink       *bench.Sink
	holders    *holders
}

// The kinds of the workload, and the count of an acquisition.
const (
	lockAcquire = iota
	lockRelease
)

const lockOverlaps = 0

func (*lockWorkload) Name() string { return "lock" }
func (*lockWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "acquire", Counts: []bench.CountName{{Name: "overlaps"}}}, {Name: "release", Arrives: true}}
}

// Open implements [bench.Opener].
func (w *lockWorkload) Open(context.Context, func(done, total int)) error {
	w.sessions.open(w.target)
	return nil
}

// Teardown implements [bench.Workload].
func (w *lockWorkload) Teardown(ctx context.Context) error { return w.sessions.close(ctx, w.target) }

// Attach implements [bench.Receiver].
func (w *lockWorkload) Attach(_ context.Context, s *bench.Sink) error {
	w.sink = s
	return nil
}

// Detach implements [bench.Receiver].
func (*lockWorkload) Detach(context.Context) {}

func (w *lockWorkload) NewWorker(ctx context.Context, client int) (bench.Worker, error) {
	session, err := w.sessions.of(ctx, client)
	return &lockWorker{lockWorkload: w, client: client, session: session}, err
}

type lockWorker struct {
	*lockWorkload
	client  int
	session *concurrency.Session
}

// Do implements [bench.Worker].
func (w *lockWorker) Do(ctx context.Context, op *bench.Op) error {
	if alive(w.session) != nil {
		if err := w.renew(ctx); err != nil {
			return err
		}
	}
	lock := op.N % uint64(w.definition.locks)
	name := fmt.Sprintf("%s%d", w.target.Prefix, lock)
	mutex := concurrency.NewMutex(w.session, name)
	sent := op.Send()
	if err := cmp.Or(mutex.Lock(ctx), alive(w.session)); err != nil {
		return err
	}
	done := op.Done()
	ours := &holder{
		client: w.client, session: w.session, name: name, revision: createRevision(mutex),
		sent: sent, answered: done, member: mutex.Header().GetMemberId(),
	}
	if !w.holders.acquire(int(lock), ours, w.sink.Now) {
		op.Count(lockOverlaps, 1)
	}
	op.Hold(w.definition.hold)
	w.holders.release(int(lock), ours)
	w.release(op, mutex)
	return nil
}

// createRevision returns the creation revision of the key with which a client holds a lock.
func createRevision(mutex *concurrency.Mutex) int64 {
	owner := mutex.IsOwner()
	return owner.GetCompare().GetCreateRevision()
}

func (w *lockWorker) renew(ctx context.Context) error {
	session, err := w.sessions.of(ctx, w.client)
	if err == nil {
		w.session = session
	}
	return err
}

// releaseTime bounds a release, and each other step after the end of an operation, whose
// context may have ended.
const releaseTime = 5 * time.Second

// release releases a lock as an operation of its own kind.
func (w *lockWorker) release(op *bench.Op, mutex *concurrency.Mutex) {
	doStep(w.session, w.sink, op.Phase, w.client, lockRelease, mutex.Unlock)
}

// doStep carries out one step of a recipe after the end of its operation, and records it.
func doStep(
	session *concurrency.Session, sink *bench.Sink, phase, client, kind int, step func(ctx context.Context) error,
) {
	ctx, cancel := context.WithTimeout(session.Ctx(), releaseTime)
	defer cancel()
	sent := sink.Now()
	err := step(ctx)
	s := bench.Sample{Kind: kind, Intended: sent, Sent: sent, Done: sink.Now()}
	if s.Outcome, err = stepOutcome(ctx, err); err != nil {
		sink.Fail(phase, kind, err)
	}
	sink.Record(phase, client, s)
}

// stepOutcome distinguishes a failure from a step with an unknown outcome. ctx is the context
// of a session with a timeout: if it was cancelled, the session has ended.
func stepOutcome(ctx context.Context, err error) (bench.Outcome, error) {
	switch {
	case err == nil:
		return bench.Completed, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return bench.Failed, errSession
	case timedOut(err):
		return bench.TimedOut, err
	}
	return bench.Failed, err
}

// timedOut reports whether an error is a timeout of this process or of the server.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

// verify implements verifier.
func (w *lockWorkload) verify(_ context.Context, proof *results.Proof) { w.holders.verify(proof) }
