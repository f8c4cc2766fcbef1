package workloads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

func txnCASEntry() Entry {
	return Entry{
		Name:    "txn-cas",
		Summary: "optimistic writes as Kubernetes does them: compare the revision, then write, else read",
		Measures: "An operation is one object created, updated or deleted: Txn(If ModRevision = r Then Put or DeleteRange Else Range), " +
			"repeated with the revision that it read until it succeeds. Attempts and conflicts are counted.",
		Define: func() Definition { return new(txnCASDefinition) },
	}
}

type txnCASDefinition struct {
	keys     Keys
	values   Values
	verbs    []string
	initial  int64
	attempts int

	keysPerLease int
	leaseReuse   time.Duration
	ttl          time.Duration
}

// The verbs, which are the kinds' names too.
const (
	verbCreate = "create"
	verbUpdate = "update"
	verbDelete = "delete"
)

func (d *txnCASDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.StringSliceVar(&d.verbs, "verbs", []string{verbUpdate}, "what operations do, in turns: create, update, delete")
	fs.Int64Var(&d.initial, "initial-keys", -1, "keys that exist at first (-1: all, or half of them when there are creates or deletes)")
	fs.IntVar(&d.attempts, "attempts", 10, "attempts after which an operation has failed")
	fs.IntVar(&d.keysPerLease, "keys-per-lease", 0, "keys that share a lease (txn-cas: 0 for no leases)")
	fs.DurationVar(&d.leaseReuse, "lease-reuse", 0, "use a shared lease no longer than this (0: until its keys are used up)")
	fs.DurationVar(&d.ttl, "ttl", time.Hour, "time to live of the leases; etcd raises one below one and a half election timeouts")
}

func (d *txnCASDefinition) Validate(prefix string) error {
	switch {
	case len(d.verbs) == 0:
		return errors.New("--verbs is empty")
	case d.attempts < 1:
		return fmt.Errorf("--attempts must be at least 1, not %d", d.attempts)
	case d.keysPerLease < 0 || d.leaseReuse < 0:
		return errors.New("--keys-per-lease and --lease-reuse must not be negative")
	case d.initial < -1 || d.initial > d.keys.Space:
		return fmt.Errorf("--initial-keys must be between 0 and --key-space-size %d, not %d", d.keys.Space, d.initial)
	}
	for _, v := range d.verbs {
		if v != verbCreate && v != verbUpdate && v != verbDelete {
			return fmt.Errorf("--verbs %q is none of create, update, delete", v)
		}
	}
	if err := validateTTL(d.ttl); err != nil {
		return err
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := checkStock(d.keys.Space); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

// churns says that objects come and go; otherwise, clients share them all and
// may get into each other's way.
func (d *txnCASDefinition) churns() bool {
	return slices.ContainsFunc(d.verbs, func(v string) bool { return v != verbUpdate })
}

// there is how many objects exist at first.
func (d *txnCASDefinition) there() int64 {
	switch {
	case d.initial >= 0:
		return d.initial
	case d.churns():
		return d.keys.Space / 2
	}
	return d.keys.Space
}

// removes implements [remover].
func (d *txnCASDefinition) removes() (Keys, bool) {
	return d.keys, d.keysPerLease > 0 || slices.Contains(d.verbs, verbDelete)
}

func (d *txnCASDefinition) New(t Target) (bench.Workload, error) {
	w := &txnCASWorkload{
		definition: *d, target: t, pool: newValuePool(d.values, t.Seed),
		revisions: make([]atomic.Int64, d.keys.Space), leases: newLeaseBook(),
	}
	for _, v := range d.verbs {
		kind := slices.IndexFunc(w.kinds, func(k bench.Kind) bool { return k.Name == v })
		if kind < 0 {
			kind = len(w.kinds)
			w.kinds = append(w.kinds, bench.Kind{Name: v, Write: true, Counts: []bench.CountName{
				{Name: "attempts"}, {Name: "conflicts", Of: "attempts"}, {Name: "leases"},
			}})
		}
		w.kindOf = append(w.kindOf, kind)
	}
	if d.keysPerLease > 0 {
		w.shared = &sharedLeases{book: w.leases, ttl: d.ttl, keys: d.keysPerLease, reuse: d.leaseReuse}
	} else {
		for k := range w.kinds {
			w.kinds[k].Counts = w.kinds[k].Counts[:casLeases]
		}
	}
	return w, nil
}

// The counts of each kind.
const (
	casAttempts = iota
	casConflicts
	casLeases
)

type txnCASWorkload struct {
	definition txnCASDefinition
	target     Target
	pool       *valuePool
	kinds      []bench.Kind
	kindOf     []int // by place in the verbs
	leases     *leaseBook
	shared     *sharedLeases // nil without leases

	// revisions are the latest known of each object, 0 for those that do not exist.
	revisions []atomic.Int64
	stock     *stock
}

func (*txnCASWorkload) Name() string          { return "txn-cas" }
func (w *txnCASWorkload) Kinds() []bench.Kind { return w.kinds }

// KindOf implements [bench.Chooser].
func (w *txnCASWorkload) KindOf(_ int, n uint64) int { return w.kindOf[n%uint64(len(w.kindOf))] }

// Setup implements [bench.Workload].
func (w *txnCASWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	d := w.definition
	if err := populateFirst(ctx, w.target, d.keys, d.there(), populateOps, w.pool, progress); err != nil {
		return err
	}
	maker := newKeyMaker(d.keys, w.target)
	st := w.target.begin(ctx, func() string { return "reading keys back" })
	err := eachKey(st.ctx, w.target, 0, true, func(kv *keyValue, _ int64) {
		st.progress()
		if n, ok := maker.number(kv.Key); ok {
			w.revisions[n].Store(kv.ModRevision)
		}
	})
	w.stock = newStock(d.keys.Space, func(n int64) bool { return w.revisions[n].Load() > 0 })
	return st.end(err)
}

// Teardown implements [bench.Workload].
func (w *txnCASWorkload) Teardown(ctx context.Context) error {
	if w.shared == nil {
		return nil
	}
	return w.leases.tearDown(ctx, w.target)
}

func (w *txnCASWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	conn := w.target.conn(client)
	r := ledger.Removal{Deletion: w.definition.churns(), Expiry: w.shared != nil}
	c := &txnCASWorker{
		writer: newWriter(w.target, w.definition.keys, w.pool, r), txnCASWorkload: w, conn: conn, kv: pb.NewKVClient(conn),
	}
	c.compare = pb.Compare{Result: pb.Compare_EQUAL, Target: pb.Compare_MOD, TargetUnion: &c.revision}
	c.req.Compare = []*pb.Compare{&c.compare}
	c.putOp.Request = &pb.RequestOp_RequestPut{RequestPut: &c.putReq}
	c.deleteOp.Request = &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &c.deleteReq}
	c.getOp.Request = &pb.RequestOp_RequestRange{RequestRange: &c.getReq}
	c.req.Success, c.req.Failure = []*pb.RequestOp{nil}, []*pb.RequestOp{&c.getOp}
	return c, nil
}

type txnCASWorker struct {
	*writer
	*txnCASWorkload
	conn grpc.ClientConnInterface
	kv   pb.KVClient

	req       pb.TxnRequest
	compare   pb.Compare
	revision  pb.Compare_ModRevision
	putOp     pb.RequestOp
	putReq    pb.PutRequest
	deleteOp  pb.RequestOp
	deleteReq pb.DeleteRangeRequest
	getOp     pb.RequestOp
	getReq    pb.RangeRequest
}

var (
	errConflicts = errors.New("every attempt met a conflict")
	errExists    = errors.New("the object to create exists already")
	errGone      = errors.New("the object to change does not exist")
)

// Do implements [bench.Worker].
func (w *txnCASWorker) Do(ctx context.Context, op *bench.Op) error {
	verb := w.definition.verbs[op.N%uint64(len(w.definition.verbs))]
	number := w.keys.pick(op)
	if !w.definition.churns() {
		return w.change(ctx, op, verb, number)
	}
	from := w.stock.there
	if verb == verbCreate {
		from = w.stock.gone
	}
	number, err := take(from)
	if err != nil && verb == verbCreate && w.shared != nil {
		// Every name has been used: the oldest object should have gone with its lease.
		if number, err = take(w.stock.there); err == nil {
			w.revisions[number].Store(0)
		}
	}
	if err != nil {
		return err
	}
	err = w.change(ctx, op, verb, number)
	// Of an object whose change was not answered, the next taker finds out.
	if w.revisions[number].Load() > 0 {
		w.stock.there <- number
	} else {
		w.stock.gone <- number
	}
	return err
}

// change attempts to create, update or delete one object.
func (w *txnCASWorker) change(ctx context.Context, op *bench.Op, verb string, number int64) error {
	var value []byte
	if verb != verbDelete {
		value = w.value(0)
	}
	key := w.keys.appendKey(w.putReq.Key, number)
	w.putReq.Key, w.putReq.Value = key, value
	w.deleteReq.Key, w.getReq.Key, w.compare.Key = key, key, key
	w.req.Success[0] = &w.putOp
	if verb == verbDelete {
		w.req.Success[0] = &w.deleteOp
	}
	w.send(op, value)
	if err := w.takeLease(ctx, op, verb); err != nil {
		return err
	}
	for range w.definition.attempts {
		w.revision.ModRevision = w.revisions[number].Load()
		if verb == verbCreate {
			w.revision.ModRevision = 0
		}
		op.Count(casAttempts, 1)
		w.account.Send()
		r, err := w.kv.Txn(ctx, &w.req)
		if err != nil {
			w.failed(err, number)
			return err
		}
		if r.Succeeded && verb == verbDelete && w.revision.ModRevision == 0 {
			return errGone // it compared well with a key that is not there, and deleted nothing
		}
		if r.Succeeded {
			w.succeeded(op, verb, number, r.GetHeader().GetRevision(), value)
			return nil
		}
		op.Count(casConflicts, 1)
		if err := w.learn(verb, number, r); err != nil {
			return err
		}
	}
	return errConflicts
}

func (w *txnCASWorker) takeLease(ctx context.Context, op *bench.Op, verb string) error {
	if w.shared == nil || verb == verbDelete {
		return nil
	}
	id, granted, err := w.shared.take(ctx, w.conn)
	if granted {
		op.Count(casLeases, 1)
	}
	w.putReq.Lease = id
	return err
}

func (w *txnCASWorker) succeeded(op *bench.Op, verb string, number, revision int64, value []byte) {
	w.acked(op, revision, number)
	if verb == verbDelete {
		w.space.Deleted(number, revision)
		w.revisions[number].Store(0)
		return
	}
	w.space.Wrote(number, revision, value)
	// The highest wins: another client's answer may have come first.
	for r := &w.revisions[number]; ; {
		old := r.Load()
		if old >= revision || r.CompareAndSwap(old, revision) {
			return
		}
	}
}

// learn takes the object's revision from a conflict. An error says that another
// attempt would be no use.
func (w *txnCASWorker) learn(verb string, number int64, r *pb.TxnResponse) error {
	kvs := r.Responses[0].GetResponseRange().GetKvs()
	if len(kvs) == 0 {
		w.revisions[number].Store(0)
		if w.definition.churns() && verb != verbCreate {
			return errGone
		}
		return nil
	}
	w.revisions[number].Store(kvs[0].ModRevision)
	if verb == verbCreate {
		return errExists
	}
	return nil
}
