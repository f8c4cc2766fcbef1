package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func leaseExpireEntry() Entry {
	return Entry{
		Name:    "lease-expire",
		Summary: "let leases expire and measure how late their keys are deleted",
		Measures: "An operation (lifetime) grants --leases-per-op leases, attaches a key to each, and ends when all these keys " +
			"are deleted. With N clients, N times --leases-per-op leases expire together. The deletion of each key is also " +
			"counted (expire): the time from the end of the TTL to the event. The start of the TTL is known only to lie between " +
			"the sending of the grant and its response. Response time counts from the sending plus the TTL, service time from the " +
			"response plus the TTL. The true delay lies between the two.",
		Define: func() Definition { return new(leaseExpireDefinition) },
	}
}

type leaseExpireDefinition struct {
	keySize int
	values  Values
	each    int
	ttl     time.Duration

	keys Keys
}

func (d *leaseExpireDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.keySize, "key-size", 48, "length of a key in bytes, prefix included")
	d.values.addFlags(fs)
	fs.IntVar(&d.each, "leases-per-op", 1, "leases that an operation grants, each with a key")
	fs.DurationVar(&d.ttl, "ttl", 2*time.Second, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
}

// maxExpireOps is the largest number of operations that have their own keys.
const maxExpireOps = 1_000_000_000

func (d *leaseExpireDefinition) Validate(prefix string) error {
	if d.each < 1 || d.each > maxLeases {
		return fmt.Errorf("--leases-per-op must be between 1 and %d, not %d", maxLeases, d.each)
	}
	if err := validateTTL(d.ttl); err != nil {
		return err
	}
	var fs pflag.FlagSet
	d.keys.addSpaceFlags(&fs, maxExpireOps)
	d.keys.Size = d.keySize
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

// removes implements [remover]: keys go with their leases.
func (d *leaseExpireDefinition) removes() (Keys, bool) { return d.keys, true }

func (d *leaseExpireDefinition) New(t Target) (bench.Workload, error) {
	t.shared.ledger.Beside("leases end")
	return &leaseExpireWorkload{
		definition: *d, target: t, pool: d.values.source(t.Seed), book: newLeaseBook(t),
		waiting: map[string]*expiry{},
	}, nil
}

type leaseExpireWorkload struct {
	noSetup
	definition leaseExpireDefinition
	target     Target
	pool       *values.Source
	book       *leaseBook
	sink       *bench.Sink
	streams    *watchStreams

	mu      sync.Mutex
	next    uint64             // key of the share
	waiting map[string]*expiry // by key
}

// expiry is a lease that has not ended yet.
type expiry struct {
	phase, client int
	lease         int64
	// The lease ends between earliest and latest.
	earliest, latest time.Duration
	ended            chan<- struct{}
}

// The kinds of the workload.
const (
	expireLifetime = iota
	expireExpire
)

func (*leaseExpireWorkload) Name() string { return "lease-expire" }
func (*leaseExpireWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "lifetime"}, {Name: "expire", Arrives: true, Counts: []bench.CountName{{Name: results.CountReadLate}}}}
}

// Attach implements [bench.Receiver]: it watches the deletion of the keys.
func (w *leaseExpireWorkload) Attach(ctx context.Context, s *bench.Sink) (err error) {
	w.sink = s
	stream := newWatchStream(w.target.stream(0), s.Now)
	deleted := watchOptions{noPut: true}
	stream.add(&watcher{events: w.recordDeletions, create: deleted.request([]byte(w.target.Prefix), prefixEnd(w.target.Prefix))})
	w.streams, err = startStreams(ctx, []*watchStream{stream}, len(w.target.Conns))
	return err
}

// Detach implements [bench.Receiver]. Every operation has waited for its own.
func (w *leaseExpireWorkload) Detach(context.Context) { w.streams.stop() }

// Teardown implements [bench.Workload].
func (w *leaseExpireWorkload) Teardown(ctx context.Context) error {
	return w.book.tearDown(ctx, w.target)
}

func (w *leaseExpireWorkload) recordDeletions(events []*mvccpb.Event, at time.Duration, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		x := w.waiting[string(e.Kv.Key)]
		if x == nil {
			continue // its operation has given up
		}
		delete(w.waiting, string(e.Kv.Key))
		w.book.ended(x.lease)
		w.sink.Record(x.phase, x.client, bench.Sample{Kind: expireExpire, Intended: x.earliest, Sent: max(x.latest, x.earliest), Done: at})
		if late {
			w.sink.Count(x.phase, expireExpire, 0, 1)
		}
		x.ended <- struct{}{}
	}
}

func (w *leaseExpireWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	conn := w.target.conn(client)
	w.pool.Prepare()
	return &leaseExpireWorker{
		leaseExpireWorkload: w, client: client, conn: conn, kv: pb.NewKVClient(conn),
		keys: newKeyMaker(w.definition.keys, w.target),
	}, nil
}

type leaseExpireWorker struct {
	*leaseExpireWorkload
	client int
	conn   grpc.ClientConnInterface
	kv     pb.KVClient
	keys   *keyMaker
}

// Do implements [bench.Worker].
func (w *leaseExpireWorker) Do(ctx context.Context, op *bench.Op) error {
	w.keys.reseed(op.Phase, op.N)
	ended := make(chan struct{}, w.definition.each)
	var keys []string
	defer func() { w.giveUp(ctx, keys) }()
	op.Send()
	for range w.definition.each {
		key, err := w.grant(ctx, op, ended)
		if key != "" {
			keys = append(keys, key)
		}
		if err != nil {
			return err
		}
	}
	for range keys {
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// grant grants a lease and attaches a key to it. It returns the key if there is a lease whose
// end will be recorded.
func (w *leaseExpireWorker) grant(ctx context.Context, op *bench.Op, ended chan<- struct{}) (string, error) {
	w.mu.Lock()
	number := int64(w.target.Share.Number(w.next)) % w.definition.keys.Space
	w.next++
	w.mu.Unlock()
	key := w.keys.appendKey(nil, number)
	sent := w.sink.Now()
	r, err := w.book.grant(ctx, w.conn, w.definition.ttl)
	if err != nil {
		return "", err
	}
	ttl := time.Duration(r.TTL) * time.Second
	x := &expiry{
		phase: op.Phase, client: w.client, lease: r.ID, earliest: sent + ttl, latest: w.sink.Now() + ttl, ended: ended,
	}
	w.mu.Lock()
	w.waiting[string(key)] = x
	w.mu.Unlock()
	_, err = w.kv.Put(ctx, &pb.PutRequest{Key: key, Value: w.pool.Value(nil, w.keys.rng.rand()), Lease: r.ID})
	if err == nil || timedOut(err) {
		return string(key), err // the key may exist
	}
	w.mu.Lock()
	delete(w.waiting, string(key))
	w.mu.Unlock()
	return "", err
}

// giveUp records the keys that still exist at the end of their operation. They have timed out
// if the operation has.
func (w *leaseExpireWorker) giveUp(ctx context.Context, keys []string) {
	outcome := bench.Abandoned
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		outcome = bench.TimedOut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		if x := w.waiting[key]; x != nil {
			delete(w.waiting, key)
			now := w.sink.Now()
			w.sink.Record(x.phase, x.client, bench.Sample{
				Kind: expireExpire, Outcome: outcome, Intended: x.earliest, Sent: x.latest, Done: max(now, x.latest),
			})
		}
	}
}
