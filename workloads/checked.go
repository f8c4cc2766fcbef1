package workloads

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/workloads/consistency"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// checkedConn is a connection on which every answer to every workload is checked.
type checkedConn struct {
	grpc.ClientConnInterface
	checker *consistency.Checker
	number  int
	// serving is the TCP connection and the member behind it.
	serving atomic.Pointer[serving]
	peers   *sync.Pool
}

// serving is one TCP connection, on which one member answers.
type serving struct {
	carrier any // stands for the connection
	member  uint64
	highest atomic.Int64
}

// checkConns returns the connections, whose answers are checked from now on.
func checkConns(c *consistency.Checker, conns []grpc.ClientConnInterface) []grpc.ClientConnInterface {
	checked := make([]grpc.ClientConnInterface, len(conns))
	peers := &sync.Pool{New: func() any { return newPeerOption() }}
	for i, conn := range conns {
		checked[i] = &checkedConn{ClientConnInterface: conn, checker: c, number: i, peers: peers}
	}
	return checked
}

// peerOption learns the transport connection that carried a request.
type peerOption struct {
	peer    peer.Peer
	options []grpc.CallOption
}

func newPeerOption() *peerOption {
	p := &peerOption{}
	p.options = []grpc.CallOption{grpc.Peer(&p.peer)}
	return p
}

// Invoke implements [grpc.ClientConnInterface].
func (c *checkedConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	var via *peerOption
	if mayLag(args) && len(opts) == 0 {
		via = c.peers.Get().(*peerOption)
		defer c.peers.Put(via)
		via.peer = peer.Peer{}
		opts = via.options
	}
	q := c.begin(args)
	q.Sent = c.checker.Now()
	err := c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	var carrier any
	if via != nil && via.peer.LocalAddr != nil {
		carrier = via.peer.LocalAddr
	}
	c.end(q, args, reply, err, carrier)
	return err
}

// AsStarter returns the starter of the connection, for [lean.StarterOf]. The starter of calls
// calls begin and end.
func (c *checkedConn) AsStarter() lean.Starter { return lean.StarterOf(c.ClientConnInterface) }

// inquiry is a request that was sent.
type inquiry struct {
	consistency.Call
	// key is the followed key that the request writes or reads, if there is one.
	key consistency.Key
	// id is the ID of a request that writes.
	id uint64
	// serving and floor are for a request whose answer may lag.
	serving *serving
	floor   int64
	// answered counts from the checker's start; 0 is now.
	answered time.Duration
	request  any
}

// mayLag reports whether a member may answer a request without asking the others.
func mayLag(request any) bool {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return r.Serializable
	case *pb.TxnRequest:
		return onlyLocalReads(r.Success) && onlyLocalReads(r.Failure)
	}
	return false
}

func onlyLocalReads(ops []*pb.RequestOp) bool {
	for _, op := range ops {
		if r := op.GetRequestRange(); r == nil || !r.Serializable {
			return false
		}
	}
	return true
}

// begin is called right before a request is sent.
func (c *checkedConn) begin(request any) (q inquiry) {
	switch r := request.(type) {
	case *pb.PutRequest:
		q.Call = c.checker.Send()
		if q.key = c.checker.Claim(r.Key); q.key != 0 {
			q.id = c.checker.ID(c.number)
			c.checker.Sending(q.key, q.id, q.Call, c.number, putOf(r))
		}
	case *pb.RangeRequest:
		q = c.beginRead(r.Serializable)
		if oneKey(r) {
			q.key = c.checker.Find(r.Key)
		}
	case *pb.DeleteRangeRequest:
		q.Call = c.checker.Send()
		q.id = c.checker.ID(c.number)
		c.beginDeletion(q, q.id, r)
	case *pb.TxnRequest:
		if mayLag(r) {
			return c.beginRead(true)
		}
		q.Call = c.checker.Send()
		q.id = c.checker.ID(c.number)
		c.beginOps(q, q.id, r.Success)
		c.beginOps(q, q.id+1, r.Failure)
	case *pb.LeaseRevokeRequest, *pb.LeaseGrantRequest, *pb.CompactionRequest:
		q.Call = c.checker.Send()
	}
	return q
}

func (c *checkedConn) beginRead(serializable bool) (q inquiry) {
	q.Call = c.checker.Send()
	if serializable {
		if q.serving = c.serving.Load(); q.serving != nil {
			q.floor = q.serving.highest.Load()
		}
	}
	return q
}

func putOf(r *pb.PutRequest) consistency.Write {
	w := consistency.Write{Value: r.Value, Leased: r.Lease != 0 || r.IgnoreLease}
	if r.IgnoreValue {
		w.Value = nil
	} else if w.Value == nil {
		w.Value = []byte{}
	}
	return w
}

// oneKey reports whether an answer has the key or says that there is none.
func oneKey(r *pb.RangeRequest) bool { return len(r.RangeEnd) == 0 && unfiltered(r) }

// unfiltered reports whether an answer has each key of the range that exists, up to the limit.
func unfiltered(r *pb.RangeRequest) bool {
	return !r.CountOnly && r.MinModRevision == 0 && r.MaxModRevision == 0 && r.MinCreateRevision == 0 && r.MaxCreateRevision == 0
}

func (c *checkedConn) beginDeletion(q inquiry, id uint64, r *pb.DeleteRangeRequest) {
	if len(r.RangeEnd) > 0 {
		c.checker.Widely()
	} else if k := c.checker.Claim(r.Key); k != 0 {
		c.checker.Sending(k, id, q.Call, c.number, consistency.Write{Deletion: true})
	}
}

func (c *checkedConn) beginOps(q inquiry, id uint64, ops []*pb.RequestOp) {
	for _, op := range ops {
		switch r := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			if k := c.checker.Claim(r.RequestPut.Key); k != 0 {
				c.checker.Sending(k, id, q.Call, c.number, putOf(r.RequestPut))
			}
		case *pb.RequestOp_RequestDeleteRange:
			c.beginDeletion(q, id, r.RequestDeleteRange)
		case *pb.RequestOp_RequestTxn:
			c.checker.Widely()
		}
	}
}

// end is called when a request was answered. carrier identifies the TCP connection of the
// answer, nil if it is not known.
func (c *checkedConn) end(q inquiry, request, reply any, err error, carrier any) {
	q.request = request
	outcome := consistency.Done
	if err != nil {
		if outcome = consistency.Unknown; ledger.Refused(err) {
			outcome = consistency.Refused
		}
	}
	switch r := request.(type) {
	case *pb.PutRequest:
		c.endPut(q, reply, outcome)
	case *pb.RangeRequest:
		if answer, ok := reply.(*pb.RangeResponse); ok && err == nil {
			c.endRange(q, r, answer, carrier)
		}
	case *pb.DeleteRangeRequest:
		c.endDeletion(q, r, reply, outcome)
	case *pb.TxnRequest:
		c.endTxn(q, r, reply, outcome, carrier)
	case *pb.LeaseRevokeRequest:
		if answer, ok := reply.(*pb.LeaseRevokeResponse); ok && err == nil {
			c.checker.Answered(q.Call, c.answer(q, consistency.OperationLease, answer.Header), false)
			c.checker.Revoked(r.ID, answer.GetHeader().GetRevision())
		}
	case *pb.LeaseGrantRequest:
		if answer, ok := reply.(*pb.LeaseGrantResponse); ok && err == nil {
			c.checker.Answered(q.Call, c.answer(q, consistency.OperationLease, answer.Header), false)
		}
	}
}

func (c *checkedConn) answer(q inquiry, operation consistency.Operation, h *pb.ResponseHeader) consistency.Answer {
	return consistency.Answer{
		Operation: operation, Conn: c.number, Revision: h.GetRevision(), Member: h.GetMemberId(), Answered: q.answered,
		Request: q.request,
	}
}

func (c *checkedConn) endPut(q inquiry, reply any, outcome consistency.Outcome) {
	answer, ok := reply.(*pb.PutResponse)
	if !ok {
		outcome = consistency.Unknown
	}
	a := c.answer(q, consistency.OperationPut, answer.GetHeader())
	if outcome == consistency.Done {
		c.checker.Answered(q.Call, a, true)
	}
	if q.key != 0 {
		c.checker.Settled(q.key, q.id, q.Call, a, outcome)
	}
}

// recency checks the revision of an answer that is no write.
func (c *checkedConn) recency(q inquiry, a consistency.Answer, lags bool, carrier any) {
	if !lags {
		c.checker.Answered(q.Call, a, false)
		return
	}
	s := c.serving.Load()
	if carrier == nil {
		return
	}
	if s == nil || s.carrier != carrier {
		s = &serving{carrier: carrier, member: a.Member}
		s.highest.Store(a.Revision)
		c.serving.Store(s)
		return
	}
	if s != q.serving || s.member != a.Member {
		return
	}
	c.checker.AnsweredBehind(q.Call, a, q.floor)
	for old := s.highest.Load(); old < a.Revision && !s.highest.CompareAndSwap(old, a.Revision); {
		old = s.highest.Load()
	}
}

func (c *checkedConn) endRange(q inquiry, r *pb.RangeRequest, answer *pb.RangeResponse, carrier any) {
	a := c.answer(q, consistency.OperationRead, answer.Header)
	c.recency(q, a, r.Serializable, carrier)
	c.content(q, r, answer, a)
}

func (c *checkedConn) endDeletion(q inquiry, r *pb.DeleteRangeRequest, reply any, outcome consistency.Outcome) {
	answer, ok := reply.(*pb.DeleteRangeResponse)
	if !ok {
		outcome = consistency.Unknown
	}
	a := c.answer(q, consistency.OperationDelete, answer.GetHeader())
	if outcome == consistency.Done {
		c.checker.Answered(q.Call, a, answer.Deleted > 0)
	}
	c.deletion(q, q.id, r, answer, a, outcome, true)
}

// deletion settles the deletion of one key. alone says that the request does nothing else.
func (c *checkedConn) deletion(
	q inquiry, id uint64, r *pb.DeleteRangeRequest, answer *pb.DeleteRangeResponse, a consistency.Answer,
	outcome consistency.Outcome, alone bool,
) {
	if len(r.RangeEnd) > 0 {
		return
	}
	k := c.checker.Find(r.Key)
	if k == 0 {
		return
	}
	if outcome == consistency.Done && answer.GetDeleted() == 0 {
		outcome = consistency.Refused
		if alone {
			c.checker.Read(k, q.Call, a, consistency.Read{Revision: a.Revision})
		}
	}
	c.checker.Settled(k, id, q.Call, a, outcome)
}
