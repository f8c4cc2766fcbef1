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
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func leaseRevokeEntry() Entry {
	return Entry{
		Name:    "lease-revoke",
		Summary: "revoke leases that have keys, and grant them again",
		Measures: "Operations alternate. One is a LeaseRevoke of a lease with --keys-per-lease keys, which deletes them. The other " +
			"restores a revoked lease by a LeaseGrant and one Txn with its keys. Both are reported separately.",
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

// spareLeases is the number of lease numbers for each lease that exists: a lease may be granted
// again before the answer to the revocation that frees its number.
const spareLeases = 2

func (d *leaseRevokeDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.keySize, "key-size", 48, "length of a key in bytes, prefix included")
	d.values.addFlags(fs)
	fs.IntVar(&d.leases, "leases", 1000, "leases that exist at the start")
	fs.IntVar(&d.each, "keys-per-lease", 10, "keys that share a lease (txn-cas: 0 for no leases)")
	fs.DurationVar(&d.ttl, "ttl", time.Hour, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
}

// putsAtOnce implements [severalWriter].
func (d *leaseRevokeDefinition) putsAtOnce() int { return d.each }

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
	if d.each*(d.keys.Size+d.values.choice.High+requestOverhead) > maxRequest {
		return fmt.Errorf("--keys-per-lease %d with values of %s bytes are above etcd's request limit of %d bytes", d.each, d.values.Size,
			maxRequest)
	}
	return checkStock(spareLeases * int64(d.leases))
}

// removes implements [remover]: keys go with their leases.
func (d *leaseRevokeDefinition) removes() (Keys, bool) { return d.keys, true }

func (d *leaseRevokeDefinition) New(t Target) (bench.Workload, error) {
	return &leaseRevokeWorkload{
		definition: *d, target: t, pool: d.values.source(t.Seed), book: newLeaseBook(t),
		ids: make([]atomic.Int64, spareLeases*d.leases),
	}, nil
}

type leaseRevokeWorkload struct {
	noSetup
	definition leaseRevokeDefinition
	target     Target
	pool       *values.Source
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

// Open implements [bench.Opener]: each share has leases of its own.
func (w *leaseRevokeWorkload) Open(ctx context.Context, progress func(done, total int)) error {
	if err := w.book.revokeAll(ctx, w.target); err != nil {
		return err
	}
	leases := int64(w.definition.leases)
	w.stock = newStock(w.target, spareLeases*leases, func(n int64) bool { return n < leases })
	own := w.target.Share.Below(uint64(leases))
	var next, done atomic.Uint64
	st := w.target.begin(ctx, func() string { return fmt.Sprintf("%d of %d leases granted", done.Load(), own) })
	g, gctx := errgroup.WithContext(st.ctx)
	for i := range leaseWorkers {
		g.Go(func() error {
			worker := w.newWorker(i)
			script := worker.script.(*leaseRevokeScript)
			for k := next.Add(1) - 1; k < own; k = next.Add(1) - 1 {
				n := w.target.Share.Number(k)
				script.keys.reseed(-1, n)
				worker.script = initial{script, int64(n)}
				if err := worker.Do(gctx, &bench.Op{}); err != nil {
					return err
				}
				st.progress()
				if n := done.Add(1); i == 0 && progress != nil {
					progress(int(n), int(own))
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

func (w *leaseRevokeWorkload) newWorker(client int) *scripted {
	s := &leaseRevokeScript{
		writer:              newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{Expiry: true, Deletion: true}),
		leaseRevokeWorkload: w, txn: newPutTxn(w.definition.each),
	}
	s.grantMessage.TTL = int64(w.definition.ttl / time.Second)
	return newScripted(w.target.link(client), s)
}

// leaseRevokeScript is an operation that revokes a lease, or that grants one and writes
// its keys.
type leaseRevokeScript struct {
	*writer
	*leaseRevokeWorkload
	txn           *putTxn
	revokeMessage pb.LeaseRevokeRequest
	grantMessage  pb.LeaseGrantRequest
	number        int64 // of the lease
	granted       bool
}

func (s *leaseRevokeScript) first(op *bench.Op) (request, error) {
	if op.N%2 == revokeAttach {
		return s.attach(op)
	}
	number, err := take(s.stock.present)
	if err != nil {
		return request{}, err
	}
	s.number, s.revokeMessage.ID = number, s.ids[number].Load()
	s.send(op)
	return request{methodLeaseRevoke, &s.revokeMessage}, nil
}

func (s *leaseRevokeScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if op.N%2 == revokeAttach {
		return s.attached(op, reply, err)
	}
	if err == nil {
		s.book.ended(s.revokeMessage.ID)
	}
	s.stock.absent <- s.number
	for i := range int64(s.definition.each) {
		if key := s.number*int64(s.definition.each) + i; err != nil {
			s.space.Failed(key, err)
		} else {
			s.space.Deleted(key, reply.(*pb.LeaseRevokeResponse).GetHeader().GetRevision())
		}
	}
	return request{}, err
}

// attach grants a lease, whose keys follow.
func (s *leaseRevokeScript) attach(op *bench.Op) (request, error) {
	number, err := take(s.stock.absent)
	if err != nil {
		return request{}, err
	}
	s.keys.reseed(op.Phase, op.N)
	return s.grantTo(op, number), nil
}

func (s *leaseRevokeScript) grantTo(op *bench.Op, number int64) request {
	s.number, s.granted, s.txn.numbers = number, false, s.txn.numbers[:0]
	for i, put := range s.txn.puts {
		key := number*int64(len(s.txn.puts)) + int64(i)
		s.txn.numbers = append(s.txn.numbers, key)
		put.Key, put.Value = s.keys.appendKey(put.Key, key), s.value(i)
		s.txn.values[i] = put.Value
	}
	s.send(op, s.txn.values...)
	s.grantMessage.ID = s.book.id()
	return request{methodLeaseGrant, &s.grantMessage}
}

// attached handles the answer to the grant, and then the answer to the writes.
func (s *leaseRevokeScript) attached(op *bench.Op, reply proto.Message, err error) (request, error) {
	if !s.granted {
		if err != nil {
			s.book.failed(s.grantMessage.ID, err)
			s.stock.absent <- s.number
			return request{}, err
		}
		s.granted = true
		id := reply.(*pb.LeaseGrantResponse).ID
		s.ids[s.number].Store(id)
		for _, put := range s.txn.puts {
			put.Lease = id
		}
		return s.txn.request(), nil
	}
	if err = s.txn.answered(op, s.writer, reply, err); err != nil {
		s.stock.absent <- s.number
		return request{}, err
	}
	s.stock.present <- s.number
	return request{}, nil
}

// initial is the script of the leases that exist at the start. Their numbers do not come from
// the stock.
type initial struct {
	*leaseRevokeScript
	number int64
}

func (i initial) first(op *bench.Op) (request, error) { return i.grantTo(op, i.number), nil }

func (i initial) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if i.granted {
		return request{}, i.txn.answered(op, i.writer, reply, err)
	}
	return i.attached(op, reply, err)
}
