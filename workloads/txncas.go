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
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
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
	fs.StringSliceVar(&d.verbs, "verbs", []string{verbUpdate}, "kinds of operation, in turn: create, update, delete")
	addChoices(fs, "verbs", verbCreate, verbUpdate, verbDelete)
	fs.Int64Var(&d.initial, "initial-keys", -1, "keys that exist at the start (-1: all, or half of them with creates or deletes)")
	fs.IntVar(&d.attempts, "attempts", 10, "attempts after which an operation has failed")
	fs.IntVar(&d.keysPerLease, "keys-per-lease", 0, "keys that share a lease (txn-cas: 0 for no leases)")
	fs.DurationVar(&d.leaseReuse, "lease-reuse", 0, "use a shared lease no longer than this (0: until its keys are used up)")
	fs.DurationVar(&d.ttl, "ttl", time.Hour, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
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

// churns reports whether objects are created and deleted. Otherwise, clients share all
// objects and may conflict.
func (d *txnCASDefinition) churns() bool {
	return slices.ContainsFunc(d.verbs, func(v string) bool { return v != verbUpdate })
}

// initialObjects returns the number of objects at the start.
func (d *txnCASDefinition) initialObjects() int64 {
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
		definition: *d, target: t, pool: d.values.source(t.Seed),
		revisions: make([]atomic.Int64, d.keys.Space), leases: newLeaseBook(t),
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
	pool       *values.Source
	kinds      []bench.Kind
	kindOf     []int // by place in the verbs
	leases     *leaseBook
	shared     *sharedLeases // nil without leases

	// revisions holds the latest known revision of each object, or 0 for objects that do not
	// exist.
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
	return populateFirst(ctx, w.target, d.keys, d.initialObjects(), populateOps, w.pool, progress)
}

// Open implements [bench.Opener]: it reads the revisions of the objects.
func (w *txnCASWorkload) Open(ctx context.Context, _ func(done, total int)) error {
	d := w.definition
	maker := newKeyMaker(d.keys, w.target)
	st := w.target.begin(ctx, func() string { return "reading keys back" })
	err := eachKey(st.ctx, w.target, 0, true, func(kv *keyValue, _ int64) {
		st.progress()
		if n, ok := maker.number(kv.Key); ok {
			w.revisions[n].Store(kv.ModRevision)
		}
	})
	w.stock = newStock(w.target, d.keys.Space, func(n int64) bool { return w.revisions[n].Load() > 0 })
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
	r := ledger.Removal{Deletion: w.definition.churns(), Expiry: w.shared != nil}
	s := &txnCASScript{writer: newWriter(w.target, w.definition.keys, w.pool, r), txnCASWorkload: w}
	s.compare = pb.Compare{Result: pb.Compare_EQUAL, Target: pb.Compare_MOD, TargetUnion: &s.revision}
	s.message.Compare = []*pb.Compare{&s.compare}
	s.putOp.Request = &pb.RequestOp_RequestPut{RequestPut: &s.putReq}
	s.deleteOp.Request = &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &s.deleteReq}
	s.getOp.Request = &pb.RequestOp_RequestRange{RequestRange: &s.getReq}
	s.message.Success, s.message.Failure = []*pb.RequestOp{nil}, []*pb.RequestOp{&s.getOp}
	if w.shared != nil {
		return &leasedCASWorker{s, w.target.link(client)}, nil
	}
	return newScripted(w.target.link(client), s), nil
}

// txnCASScript is an operation that attempts a Txn until it succeeds.
type txnCASScript struct {
	*writer
	*txnCASWorkload

	message   pb.TxnRequest
	compare   pb.Compare
	revision  pb.Compare_ModRevision
	putOp     pb.RequestOp
	putReq    pb.PutRequest
	deleteOp  pb.RequestOp
	deleteReq pb.DeleteRangeRequest
	getOp     pb.RequestOp
	getReq    pb.RangeRequest

	verb     string
	number   int64 // of the object
	attempts int
}

var (
	errConflicts = errors.New("every attempt met a conflict")
	errExists    = errors.New("the object to create exists already")
	errGone      = errors.New("the object to change does not exist")
)

func (s *txnCASScript) first(op *bench.Op) (request, error) {
	if err := s.choose(op); err != nil {
		return request{}, err
	}
	return s.attempt(op), nil
}

// choose chooses an object, and fills in the request to change it.
func (s *txnCASScript) choose(op *bench.Op) (err error) {
	s.verb, s.attempts = s.definition.verbs[op.N%uint64(len(s.definition.verbs))], 0
	if s.number = s.keys.pick(op); s.definition.churns() {
		if s.number, err = s.takeObject(); err != nil {
			return err
		}
	}
	s.putReq.Value = nil
	if s.verb != verbDelete {
		s.putReq.Value = s.value(0)
	}
	key := s.keys.appendKey(s.putReq.Key, s.number)
	s.putReq.Key, s.deleteReq.Key, s.getReq.Key, s.compare.Key = key, key, key, key
	s.message.Success[0] = &s.putOp
	if s.verb == verbDelete {
		s.message.Success[0] = &s.deleteOp
	}
	s.send(op, s.putReq.Value)
	return nil
}

// takeObject takes an object that no other client changes.
func (s *txnCASScript) takeObject() (int64, error) {
	if s.verb != verbCreate {
		return take(s.stock.present)
	}
	number, err := take(s.stock.absent)
	if err != nil && s.shared != nil {
		// Every name has been used: the lease of the oldest object should have deleted it.
		if number, err = take(s.stock.present); err == nil {
			s.revisions[number].Store(0)
		}
	}
	return number, err
}

// putBack returns the object. The next client that takes it finds out the result of a change
// without an answer.
func (s *txnCASScript) putBack() {
	switch {
	case !s.definition.churns():
	case s.revisions[s.number].Load() > 0:
		s.stock.present <- s.number
	default:
		s.stock.absent <- s.number
	}
}

// attempt sets the revision of the comparison.
func (s *txnCASScript) attempt(op *bench.Op) request {
	s.attempts++
	s.revision.ModRevision = s.revisions[s.number].Load()
	if s.verb == verbCreate {
		s.revision.ModRevision = 0
	}
	op.Count(casAttempts, 1)
	s.account.Send()
	return request{methodTxn, &s.message}
}

func (s *txnCASScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	answer, _ := reply.(*pb.TxnResponse)
	retry, err := s.answered(op, answer, err)
	if retry {
		return s.attempt(op), nil
	}
	s.putBack()
	return request{}, err
}

// answered handles the answer to an attempt, and reports whether another attempt follows.
func (s *txnCASScript) answered(op *bench.Op, reply *pb.TxnResponse, err error) (retry bool, _ error) {
	switch {
	case err != nil:
		s.failed(err, s.number)
		return false, err
	case reply.Succeeded && s.verb == verbDelete && s.revision.ModRevision == 0:
		return false, errGone // the comparison held for a missing key, so nothing was deleted
	case reply.Succeeded:
		s.succeeded(op, reply.GetHeader().GetRevision())
		return false, nil
	}
	op.Count(casConflicts, 1)
	if err := s.learn(reply); err != nil {
		return false, err
	}
	if s.attempts == s.definition.attempts {
		return false, errConflicts
	}
	return true, nil
}

func (s *txnCASScript) succeeded(op *bench.Op, revision int64) {
	s.acked(op, revision, s.number)
	if s.verb == verbDelete {
		s.space.Deleted(s.number, revision)
		s.revisions[s.number].Store(0)
		return
	}
	s.space.Wrote(s.number, revision, s.putReq.Value)
	// The highest wins: another client's answer may have come first.
	for r := &s.revisions[s.number]; ; {
		old := r.Load()
		if old >= revision || r.CompareAndSwap(old, revision) {
			return
		}
	}
}

// learn takes the object's revision from a conflict. It returns an error if another attempt
// cannot succeed.
func (s *txnCASScript) learn(reply *pb.TxnResponse) error {
	kvs := reply.Responses[0].GetResponseRange().GetKvs()
	if len(kvs) == 0 {
		s.revisions[s.number].Store(0)
		if s.definition.churns() && s.verb != verbCreate {
			return errGone
		}
		return nil
	}
	s.revisions[s.number].Store(kvs[0].ModRevision)
	if s.verb == verbCreate {
		return errExists
	}
	return nil
}

// leasedCASWorker writes objects under shared leases, for which it may have to wait.
type leasedCASWorker struct {
	*txnCASScript
	link *link
}

// Do implements [bench.Worker].
func (w *leasedCASWorker) Do(ctx context.Context, op *bench.Op) error {
	if err := w.choose(op); err != nil {
		return err
	}
	if w.verb != verbDelete {
		id, granted, err := w.shared.take(ctx, w.link.conn)
		if granted {
			op.Count(casLeases, 1)
		}
		if w.putReq.Lease = id; err != nil {
			w.putBack()
			return err
		}
	}
	return w.link.follow(ctx, w, op, w.attempt(op))
}
