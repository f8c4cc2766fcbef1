package workloads

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func leaseAttachEntry() Entry {
	return Entry{
		Name:    "lease-attach",
		Summary: "write keys under leases",
		Measures: "An operation is one Put with a lease. --keys-per-lease keys share a lease. The operation that needs a " +
			"new lease grants it first, and its time includes the grant. After the run, the leases are revoked and their keys deleted.",
		Define: func() Definition { return new(leaseAttachDefinition) },
	}
}

type leaseAttachDefinition struct {
	keys   Keys
	values Values
	each   int
	reuse  time.Duration
	ttl    time.Duration
}

func (d *leaseAttachDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.IntVar(&d.each, "keys-per-lease", 100, "keys that share a lease (txn-cas: 0 for no leases)")
	fs.DurationVar(&d.reuse, "lease-reuse", 0, "use a shared lease no longer than this (0: until its keys are used up)")
	fs.DurationVar(&d.ttl, "ttl", time.Hour, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
}

func (d *leaseAttachDefinition) Validate(prefix string) error {
	if d.each < 1 || d.reuse < 0 {
		return fmt.Errorf("--keys-per-lease must be at least 1 and --lease-reuse not negative, but they are %d and %v", d.each, d.reuse)
	}
	if err := validateTTL(d.ttl); err != nil {
		return err
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

// removes implements [remover]: keys go with their leases.
func (d *leaseAttachDefinition) removes() (Keys, bool) { return d.keys, true }

func (d *leaseAttachDefinition) New(t Target) (bench.Workload, error) {
	book := newLeaseBook(t)
	return &leaseAttachWorkload{
		definition: *d, target: t, pool: d.values.source(t.Seed), book: book,
		leases: &sharedLeases{book: book, ttl: d.ttl, keys: d.each, reuse: d.reuse},
	}, nil
}

type leaseAttachWorkload struct {
	noSetup
	definition leaseAttachDefinition
	target     Target
	pool       *values.Source
	book       *leaseBook
	leases     *sharedLeases
}

func (*leaseAttachWorkload) Name() string { return "lease-attach" }
func (*leaseAttachWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "lease-attach", Write: true, Counts: []bench.CountName{{Name: "leases"}}}}
}

// Teardown implements [bench.Workload].
func (w *leaseAttachWorkload) Teardown(ctx context.Context) error {
	return w.book.tearDown(ctx, w.target)
}

func (w *leaseAttachWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	conn := w.target.conn(client)
	return &leaseAttachWorker{
		writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{Expiry: true}),
		leases: w.leases, conn: conn, kv: pb.NewKVClient(conn),
	}, nil
}

type leaseAttachWorker struct {
	*writer
	leases *sharedLeases
	conn   grpc.ClientConnInterface
	kv     pb.KVClient
	req    pb.PutRequest
}

// Do implements [bench.Worker].
func (w *leaseAttachWorker) Do(ctx context.Context, op *bench.Op) error {
	number := w.keys.pick(op)
	w.req.Key, w.req.Value = w.keys.appendKey(w.req.Key, number), w.value(0)
	w.send(op, w.req.Value)
	id, granted, err := w.leases.take(ctx, w.conn)
	if err != nil {
		return err
	}
	if granted {
		op.Count(0, 1)
	}
	w.req.Lease = id
	w.account.Send() // again: other writes were acknowledged while the lease was granted
	r, err := w.kv.Put(ctx, &w.req)
	if err != nil {
		w.failed(err, number)
		return err
	}
	w.acked(op, r.GetHeader().GetRevision(), number)
	w.space.Wrote(number, r.GetHeader().GetRevision(), w.req.Value)
	return nil
}
