package workloads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

func electionEntry() Entry {
	return Entry{
		Name:    "election",
		Summary: "campaign, proclaim, observe, resign",
		Measures: "An operation (campaign) is one clientv3/concurrency Election.Campaign, from the call to the victory. These are " +
			"also counted: each Proclaim, the Resign after --hold, and observe, from the sending of a proclamation to its arrival at " +
			"an observer. clientv3's Observe returns only the latest proclamation, so not all arrive. " +
			"An Observe that ends by itself counts as a failed observe, and a new one starts.",
		Define: func() Definition { return new(electionDefinition) },
	}
}

type electionDefinition struct {
	elections  int
	proclaims  int
	observers  int
	hold       time.Duration
	ttl        time.Duration
	crashShare float64
}

func (d *electionDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.elections, "elections", 16, "elections that the clients share")
	fs.IntVar(&d.proclaims, "proclaims", 1, "proclamations of each leader")
	fs.IntVar(&d.observers, "observers", 1, "observers of each election")
	fs.DurationVar(&d.hold, "hold", 0, "time for which a lock or a leadership is held")
	fs.DurationVar(&d.ttl, "ttl", time.Minute, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
	fs.Float64Var(&d.crashShare, "crash-share", 0,
		"share of the leaders that stop without resigning, so that their session must expire")
}

func (d *electionDefinition) Validate(string) error {
	switch {
	case d.elections < 1 || d.elections > maxLeases:
		return fmt.Errorf("--elections must be between 1 and %d, not %d", maxLeases, d.elections)
	case d.proclaims < 0 || d.observers < 0 || d.hold < 0:
		return fmt.Errorf("--proclaims, --observers and --hold must not be negative")
	case d.observers > maxWatchers/d.elections:
		return fmt.Errorf("--observers times --elections must not be above %d", maxWatchers)
	case !(d.crashShare >= 0 && d.crashShare <= 1):
		return fmt.Errorf("--crash-share must be a share between 0 and 1, not %v", d.crashShare)
	}
	return validateTTL(d.ttl)
}

func (d *electionDefinition) New(t Target) (bench.Workload, error) {
	return &electionWorkload{
		definition: *d, target: t, sessions: newSessions(t, d.ttl), tag: t.tag(),
		leaders: newHolders("elections", d.elections),
	}, nil
}

type electionWorkload struct {
	noSetup
	definition electionDefinition
	target     Target
	sessions   *sessions
	tag        uint32 // marks the run's proclamations
	sink       *bench.Sink
	leaders    *holders

	stop      context.CancelFunc
	observers sync.WaitGroup
}

// The kinds of the workload.
const (
	electionCampaign = iota
	electionProclaim
	electionObserve
	electionResign
)

func (*electionWorkload) Name() string { return "election" }
func (*electionWorkload) Kinds() []bench.Kind {
	return []bench.Kind{
		{Name: "campaign", Counts: []bench.CountName{{Name: "crashes"}}},
		{Name: "proclaim", Arrives: true}, {Name: "observe", Arrives: true}, {Name: "resign", Arrives: true},
	}
}

// Open implements [bench.Opener].
func (w *electionWorkload) Open(context.Context, func(done, total int)) error {
	w.sessions.open(w.target)
	return nil
}

// Teardown implements [bench.Workload].
func (w *electionWorkload) Teardown(ctx context.Context) error {
	return w.sessions.close(ctx, w.target)
}

func (w *electionWorkload) election(s *concurrency.Session, n uint64) *concurrency.Election {
	return concurrency.NewElection(s, fmt.Sprintf("%s%d", w.target.Prefix, n))
}

// Attach implements [bench.Receiver]: it starts the observers.
func (w *electionWorkload) Attach(ctx context.Context, s *bench.Sink) error {
	w.sink = s
	d := w.definition
	var run context.Context
	run, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	for n := range w.target.numbers(int64(d.elections * d.observers)) {
		i := int(n)
		session, err := w.sessions.of(ctx, i)
		if err != nil {
			return err
		}
		election := w.election(session, uint64(i%d.elections))
		o := &observation{electionWorkload: w, number: i, election: election, phase: -1}
		w.observers.Go(func() { o.run(run) })
	}
	return nil
}

var errObserver = errors.New("clientv3's Observe ended: a get or a watch of its own failed")

// observation is the state of one observer.
type observation struct {
	*electionWorkload
	number   int
	election *concurrency.Election
	// revision is the last observed revision. A following observation begins with it.
	revision int64
	// phase is the last known phase. failures were not recorded, because there was no phase.
	phase    int
	failures []bench.Sample
}

// run records the proclamations that arrive until ctx ends. An observation that ends by itself
// counts as a failure, and another one follows.
func (o *observation) run(ctx context.Context) {
	for ctx.Err() == nil {
		began := o.sink.Now()
		for r := range o.election.Observe(ctx) {
			o.arrived(r, o.sink.Now())
		}
		if ctx.Err() == nil {
			o.failures = append(o.failures, bench.Sample{
				Kind: electionObserve, Outcome: bench.Failed, Intended: began, Sent: began, Done: o.sink.Now(),
			})
			sleep(ctx, reconnectPause)
		}
		o.recordFailures()
	}
}

// arrived records one proclamation, unless it was observed before.
func (o *observation) arrived(r *clientv3.GetResponse, at time.Duration) {
	if len(r.Kvs) == 0 || r.Kvs[0].ModRevision <= o.revision {
		return
	}
	o.revision = r.Kvs[0].ModRevision
	if st, ok := ledger.ReadStamp(r.Kvs[0].Value, o.tag); ok {
		o.phase = st.Phase
		o.sink.Record(st.Phase, o.number, bench.Sample{Kind: electionObserve, Intended: st.Intended, Sent: st.Sent, Done: at})
		o.recordFailures()
	}
}

// recordFailures records the pending failures, if there is a phase.
func (o *observation) recordFailures() {
	if ph := o.sink.Phase(); ph >= 0 {
		o.phase = ph
	}
	if o.phase < 0 {
		return
	}
	for _, s := range o.failures {
		o.sink.Fail(o.phase, electionObserve, errObserver)
		o.sink.Record(o.phase, o.number, s)
	}
	o.failures = nil
}

// Detach implements [bench.Receiver].
func (w *electionWorkload) Detach(ctx context.Context) {
	if w.stop == nil {
		return
	}
	w.stop()
	ended := make(chan struct{})
	go func() { w.observers.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done(): // clientv3 does not end every watch of a server with odd answers
	}
}

func (w *electionWorkload) NewWorker(ctx context.Context, client int) (bench.Worker, error) {
	session, err := w.sessions.of(ctx, client)
	return &electionWorker{electionWorkload: w, client: client, session: session, value: make([]byte, ledger.StampSize)}, err
}

type electionWorker struct {
	*electionWorkload
	client  int
	session *concurrency.Session
	value   []byte
	rng     opRand
}

// Do implements [bench.Worker].
func (w *electionWorker) Do(ctx context.Context, op *bench.Op) error {
	if alive(w.session) != nil {
		session, err := w.sessions.of(ctx, w.client)
		if err != nil {
			return err
		}
		w.session = session
	}
	office := op.N % uint64(w.definition.elections)
	election := w.election(w.session, office)
	sent := op.Send()
	if err := cmp.Or(election.Campaign(ctx, "candidate"), alive(w.session)); err != nil {
		return err
	}
	done := op.Done()
	ours := &holder{
		client: w.client, session: w.session, name: election.Key(), revision: election.Rev(),
		sent: sent, answered: done, member: election.Header().GetMemberId(),
	}
	w.leaders.acquire(int(office), ours, w.sink.Now)
	w.rng.reset(w.target.Seed, op.Phase, op.N)
	w.holdOffice(op, election, func() { w.leaders.release(int(office), ours) })
	return nil
}

// holdOffice carries out the operations of a leader until it resigns or crashes. It calls leave right
// before that.
func (w *electionWorker) holdOffice(op *bench.Op, election *concurrency.Election, leave func()) {
	step := func(kind int, do func(ctx context.Context) error) {
		doStep(w.session, w.sink, op.Phase, w.client, kind, do)
	}
	for range w.definition.proclaims {
		step(electionProclaim, func(ctx context.Context) error {
			sent := w.sink.Now()
			ledger.Stamp{Phase: op.Phase, Intended: sent, Sent: sent}.Put(w.value, w.tag)
			return election.Proclaim(ctx, string(w.value))
		})
	}
	op.Hold(w.definition.hold)
	leave()
	if w.rng.rand().Float64() < w.definition.crashShare {
		op.Count(0, 1)
		w.session.Orphan() // its lease ends by itself
		return
	}
	step(electionResign, election.Resign)
}

// verify implements verifier.
func (w *electionWorkload) verify(_ context.Context, proof *results.Proof) { w.leaders.verify(proof) }
