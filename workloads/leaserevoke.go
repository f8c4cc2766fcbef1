package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

func leaseRevokeEntry() Entry {
	return Entry{
		Name:    "lease-revoke",
		Summary: "revoke leases that have keys, and grant them again",
		Measures: "Every other operation is one LeaseRevoke of a lease with --keys-per-lease keys, which deletes them; the ones " +
			"between bring a revoked lease back: a LeaseGrant and one Txn with its keys. The two are reported apart.",
		Define: func() Definition { return new(leaseRevokeDefinition) },
	}
}

type leaseRevokeDefinition struct {
	keySize int
	values  Values
	leases  int
	each    int
	ttl     time.Duration

	keys Keys // of all leases
}

// spareLeases is how many lease numbers there are for each lease that exists: a
// lease may be brought back before the revocation that makes room is answered.
const spareLeases = 2

func (d *leaseRevokeDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.keySize, "key-size", 48, "length of a key in bytes, prefix included")
	d.values.addFlags(fs)
	fs.IntVar(&d.leases, "leases", 1000, "leases that exist at first")
	fs.IntVar(&d.each, "keys-per-lease", 10, "keys that share a lease (txn-cas: 0 for no leases)")
	fs.DurationVar(&d.ttl, "ttl", time.Hour, "time to live of the leases; etcd raises one below one and a half election timeouts")
}

func (d *leaseRevokeDefinition) Validate(prefix string) error {
	if err := errors.Join(validateLeases(d.leases), validateTTL(d.ttl)); err != nil {
		return err
	}
	if d.each < 1 || d.each > maxTxnOps {
		return fmt.Errorf("--keys-per-lease must be between 1 and %d here, not %d", maxTxnOps, d.each)
	}
	var fs pflag.FlagSet
	d.keys.addSpaceFlags(&fs, spareLeases*int64(d.leases*d.each))
	d.keys.Size = d.keySize
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := d.values.validate(d.keys.Size); err != nil {
		return err
	}
	if d.each*(d.keys.Size+d.values.high+requestOverhead) > maxRequest {
		return fmt.Errorf("--keys-per-lease %d with values of %s bytes are above etcd's request limit of %d bytes", d.each, d.values.Size,
			maxRequest)
	}
	return checkStock(spareLeases * int64(d.leases))
}

// removes implements [remover]: keys go with their leases.
func (d *leaseRevokeDefinition) removes() (Keys, bool) { return d.keys, true }

func (d *leaseRevokeDefinition) New(t Target) (bench.Workload, error) {
	return &leaseRevokeWorkload{
		definition: *d, target: t, pool: newValuePool(d.values, t.Seed), book: newLeaseBook(),
		ids: make([]atomic.Int64, spareLeases*d.leases),
	}, nil
}

type leaseRevokeWorkload struct {
	definition leaseRevokeDefinition
	target     Target
	pool       *valuePool
	book       *leaseBook
	stock      *stock // of lease numbers
	ids        []atomic.Int64
}

// The kinds of the workload, in turns.
const (
	revokeRevoke = iota
	revokeAttach
)

func (*leaseRevokeWorkload) Name() string { return "lease-revoke" }
func (*leaseRevokeWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "revoke"}, {Name: "attach", Write: true}}
}

// KindOf implements [bench.Chooser].
func (*leaseRevokeWorkload) KindOf(_ int, n uint64) int { return int(n % 2) }

// Setup implements [bench.Workload].
func (w *leaseRevokeWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	if err := w.book.revokeAll(ctx, w.target); err != nil {
		return err
	}
	leases := int64(w.definition.leases)
	w.stock = newStock(spareLeases*leases, func(n int64) bool { return n < leases })
	var next, done atomic.Int64
	st := w.target.begin(ctx, func() string { return fmt.Sprintf("%d of %d leases granted", done.Load(), leases) })
	g, gctx := errgroup.WithContext(st.ctx)
	for i := range leaseWorkers {
		g.Go(func() error {
			worker := w.newWorker(i)
			for n := next.Add(1) - 1; n < leases; n = next.Add(1) - 1 {
				worker.keys.rng.reset(-1, uint64(n))
				if err := worker.attach(gctx, &bench.Op{}, n); err != nil {
					return err
				}
				st.progress()
				if n := done.Add(1); i == 0 && progress != nil {
					progress(int(n), int(leases))
				}
			}
			return nil
		})
	}
	if err := st.end(g.Wait()); err != nil {
		return fmt.Errorf("grant leases and attach keys: %w", err)
	}
	return nil
}

// Teardown implements [bench.Workload].
func (w *leaseRevokeWorkload) Teardown(ctx context.Context) error {
	return w.book.tearDown(ctx, w.target)
}

func (w *leaseRevokeWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return w.newWorker(client), nil
}

func (w *leaseRevokeWorkload) newWorker(client int) *leaseRevokeWorker {
	conn := w.target.conn(client)
	return &leaseRevokeWorker{
		writer:              newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{Expiry: true, Deletion: true}),
		leaseRevokeWorkload: w, conn: conn, txn: newPutTxn(w.definition.each),
	}
}

type leaseRevokeWorker struct {
	*writer
	*leaseRevokeWorkload
	conn grpc.ClientConnInterface
	txn  *putTxn
}

// Do implements [bench.Worker].
func (w *leaseRevokeWorker) Do(ctx context.Context, op *bench.Op) error {
	if op.N%2 == revokeAttach {
		number, err := take(w.stock.gone)
		if err != nil {
			return err
		}
		w.keys.rng.reset(op.Phase, op.N)
		if err := w.attach(ctx, op, number); err != nil {
			w.stock.gone <- number
			return err
		}
		w.stock.there <- number
		return nil
	}
	number, err := take(w.stock.there)
	if err != nil {
		return err
	}
	id := w.ids[number].Load()
	w.send(op)
	r, err := pb.NewLeaseClient(w.conn).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: id})
	if err == nil {
		w.book.ended(id)
	}
	w.stock.gone <- number
	for i := range int64(w.definition.each) {
		if key := number*int64(w.definition.each) + i; err != nil {
			w.space.Failed(key, err)
		} else {
			w.space.Deleted(key, r.GetHeader().GetRevision())
		}
	}
	return err
}

// attach grants a lease and writes its keys.
func (w *leaseRevokeWorker) attach(ctx context.Context, op *bench.Op, number int64) error {
	w.txn.numbers = w.txn.numbers[:0]
	for i, put := range w.txn.puts {
		key := number*int64(len(w.txn.puts)) + int64(i)
		w.txn.numbers = append(w.txn.numbers, key)
		put.Key, put.Value = w.keys.appendKey(put.Key, key), w.value(i)
		w.txn.values[i] = put.Value
	}
	w.send(op, w.txn.values...)
	lease, err := w.book.grant(ctx, w.conn, w.definition.ttl)
	if err != nil {
		return err
	}
	w.ids[number].Store(lease.ID)
	for _, put := range w.txn.puts {
		put.Lease = lease.ID
	}
	return w.txn.commit(ctx, op, w.writer, pb.NewKVClient(w.conn))
}
