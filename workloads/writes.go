package workloads

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// Writes records the writes of one run to a cluster that other clients use, from all
// workloads, so that the run can delete its own keys and no others. It observes
// the requests on the connections of [Writes.Conns].
//
// An acknowledged write is identified by its revision, which no other write has.
// A write with an unknown outcome is identified by its key and value. Keys that are
// as old as the run, or older, are never the run's.
type Writes struct {
	start int64 // the store's revision before the first write
	// revisions holds the revisions of acknowledged writes minus start.
	revisions bits
	written   atomic.Bool
	// largest is the size of the largest value that was written.
	largest atomic.Int64

	mu sync.Mutex
	// unsureKeys holds the hashes of the keys of writes with an unknown outcome. unsure holds
	// the hashes of these keys with their values, and whether the write was found in the store.
	unsureKeys map[uint64]struct{}
	unsure     map[uint64]bool
}

// NewWrites returns an empty record for a run that has not written yet. start is the
// revision of the store, read linearizably.
func NewWrites(start int64) *Writes {
	return &Writes{start: start, unsureKeys: map[uint64]struct{}{}, unsure: map[uint64]bool{}}
}

// Start returns the revision of the store before the first write.
func (w *Writes) Start() int64 { return w.start }

// maxUnsure bounds the number of recorded writes with an unknown outcome. The keys of further
// ones stay in the cluster.
const maxUnsure = 1 << 20

// Conns returns the connections, whose writes are recorded from now on.
func (w *Writes) Conns(conns []grpc.ClientConnInterface) []grpc.ClientConnInterface {
	recorded := make([]grpc.ClientConnInterface, len(conns))
	for i, c := range conns {
		r := writesConn{ClientConnInterface: c, writes: w}
		if starter := lean.StarterOf(c); starter != nil {
			r.starter = &writesStarter{Starter: starter, writes: w}
		}
		recorded[i] = r
	}
	return recorded
}

type writesConn struct {
	grpc.ClientConnInterface
	writes  *Writes
	starter lean.Starter // nil if the connection cannot start calls
}

// Invoke implements [grpc.ClientConnInterface].
func (c writesConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	err := c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	c.writes.answered(args, reply, err)
	return err
}

// answered records the outcome of a request, if it writes.
func (w *Writes) answered(args, reply any, err error) {
	switch request := args.(type) {
	case *pb.PutRequest:
		if r, ok := reply.(*pb.PutResponse); ok && err == nil {
			w.acknowledged(r.GetHeader().GetRevision())
		}
		w.put(request, err)
	case *pb.TxnRequest:
		if r, ok := reply.(*pb.TxnResponse); ok && err == nil && hasPut(r.Responses) {
			w.acknowledged(r.GetHeader().GetRevision())
		}
		w.puts(request.Success, err)
		w.puts(request.Failure, err)
	}
}

// AsStarter returns the starter of the connection, for [lean.StarterOf].
func (c writesConn) AsStarter() lean.Starter { return c.starter }

// writesStarter records the outcome of the calls that it starts.
type writesStarter struct {
	lean.Starter
	writes *Writes
	noted  sync.Pool
}

// noted is a call in flight whose outcome must be recorded.
type noted struct {
	starter *writesStarter
	handler lean.Handler // the call's own
	put     pb.PutResponse
	txn     pb.TxnResponse
}

// Start implements [lean.Starter].
func (s *writesStarter) Start(call *lean.Call) {
	n, _ := s.noted.Get().(*noted)
	if n == nil {
		n = &noted{starter: s}
	}
	n.handler, call.Handler = call.Handler, n
	s.Starter.Start(call)
}

// writes records the outcome of a call that writes.
func (n *noted) writes(call *lean.Call, reply proto.Message, err error) {
	if err == nil {
		err = decodeReply(call.Reply, reply)
	}
	n.starter.writes.answered(call.Request, reply, err)
}

// Done implements [lean.Handler].
func (n *noted) Done(call *lean.Call, err error) {
	switch call.Request.(type) {
	case *pb.PutRequest:
		n.writes(call, &n.put, err)
	case *pb.TxnRequest:
		n.writes(call, &n.txn, err)
	}
	call.Handler, n.handler = n.handler, nil
	n.starter.noted.Put(n)
	call.Handler.Done(call, err)
}

// hasPut reports whether a transaction wrote a key: the revision of a transaction that only
// read or deleted identifies no key.
func hasPut(responses []*pb.ResponseOp) bool {
	for _, r := range responses {
		if r.GetResponsePut() != nil || hasPut(r.GetResponseTxn().GetResponses()) {
			return true
		}
	}
	return false
}

// acknowledged records the revision of a write.
func (w *Writes) acknowledged(revision int64) {
	if !w.written.Load() {
		w.written.Store(true)
	}
	if n := revision - w.start; n > 0 && n <= math.MaxUint32 {
		w.revisions.add(uint32(n))
	}
}

// has reports whether the run has an acknowledged write at a revision.
func (w *Writes) has(revision int64) bool {
	n := revision - w.start
	return n > 0 && n <= math.MaxUint32 && w.revisions.has(uint32(n))
}

func (w *Writes) puts(ops []*pb.RequestOp, err error) {
	for _, op := range ops {
		if put := op.GetRequestPut(); put != nil {
			w.put(put, err)
		} else if txn := op.GetRequestTxn(); txn != nil {
			w.puts(txn.Success, err)
			w.puts(txn.Failure, err)
		}
	}
}

// put records the size of a value and, if the outcome of the request is unknown, the key and
// the value.
func (w *Writes) put(p *pb.PutRequest, err error) {
	size := int64(len(p.Value))
	for old := w.largest.Load(); size > old && !w.largest.CompareAndSwap(old, size); {
		old = w.largest.Load()
	}
	if err == nil || ledger.Refused(err) {
		return
	}
	w.written.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unsure) < maxUnsure {
		w.unsureKeys[xxhash.Sum64(p.Key)] = struct{}{}
		w.unsure[w.hash(p.Key, p.Value)] = false
	}
}

// hash returns the hash of a key with its value.
func (w *Writes) hash(key, value []byte) uint64 {
	var h xxhash.Digest
	h.Reset()
	_, _ = h.Write(key)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(value)
	return h.Sum64()
}

// isUnsure reports whether a key has writes of unknown outcome.
func (w *Writes) isUnsure(key []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.unsureKeys[xxhash.Sum64(key)]
	return ok
}

// find reports whether a key with a value is a write with an unknown outcome, and records that
// it took effect.
func (w *Writes) find(key, value []byte) bool {
	hash := w.hash(key, value)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.unsure[hash]
	if ok {
		w.unsure[hash] = true
	}
	return ok
}

// Unresolved returns the number of writes with an unknown outcome that were not found in the
// store: a member may still carry them out.
func (w *Writes) Unresolved() (count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, found := range w.unsure {
		if !found {
			count++
		}
	}
	return count
}

// Delete deletes the keys under a prefix that the run has created and that no other client
// has written since. Each deletion is a transaction that compares revisions, so that a
// key that another client writes meanwhile stays. Requests go through the first of the
// connections whose member answers. foreign counts the keys younger than
// the run's start that stay because they are not known to be the run's. Where writes are of
// unknown outcome, it looks again, a second apart, until there is nothing to delete.
//
// A run that has written nothing sends no request. Errors are those of requests; keys
// may be left then.
func (w *Writes) Delete(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) (foreign int, err error) {
	if !w.written.Load() {
		return 0, nil
	}
	reachable := Target{Conns: conns, Prefix: prefix}.reachable(ctx)
	o := ownKeys{Writes: w, kv: pb.NewKVClient(reachable.conn(0))}
	created := func(kv *keyValue) bool { return kv.CreateRevision > w.start }
	d := deletion{kv: o.kv, own: o.own, counted: created}
	if w.hasUnsure() {
		return d.runLate(ctx, prefix, w.batch())
	}
	_, foreign, err = d.run(ctx, prefix, w.batch())
	return foreign, err
}

// hasUnsure reports whether there are writes of unknown outcome.
func (w *Writes) hasUnsure() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsure) > 0
}

func (w *Writes) batch() int64 {
	return min(deleteBatch, max(1, deleteBytes/max(1, w.largest.Load())))
}

// ownKeys distinguishes the keys of the run from those of other clients.
type ownKeys struct {
	*Writes
	kv pb.KVClient
}

// own reports whether the run has created a key and written its present value.
func (d ownKeys) own(ctx context.Context, kv *keyValue) (bool, error) {
	if kv.CreateRevision <= d.start {
		return false, nil
	}
	created, written := d.has(kv.CreateRevision), d.has(kv.ModRevision)
	if created && written || !d.isUnsure(kv.Key) {
		return created && written, nil
	}
	// A write of unknown outcome may have created the key, or have been its last one.
	if !written {
		r, err := d.kv.Range(ctx, &pb.RangeRequest{Key: kv.Key})
		if err != nil || !d.wrote(r, kv.ModRevision) {
			return false, err
		}
	}
	if created || kv.CreateRevision == kv.ModRevision {
		return true, nil
	}
	r, err := d.kv.Range(ctx, &pb.RangeRequest{Key: kv.Key, Revision: kv.CreateRevision})
	if errors.Is(rpctypes.Error(err), rpctypes.ErrCompacted) {
		return false, nil // the outcome is unknown
	}
	return err == nil && d.wrote(r, kv.CreateRevision), err
}

// wrote reports whether what was read of a key is a write of unknown outcome of the
// run, made at a revision.
func (d ownKeys) wrote(r *pb.RangeResponse, revision int64) bool {
	return len(r.Kvs) > 0 && r.Kvs[0].ModRevision == revision && d.find(r.Kvs[0].Key, r.Kvs[0].Value)
}
