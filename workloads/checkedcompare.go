package workloads

import (
	"bytes"
	"cmp"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// compare checks the comparisons of a transaction. A transaction succeeds if and only if all
// comparisons hold right before it.
func (c *checkedConn) compare(q inquiry, r *pb.TxnRequest, answer *pb.TxnResponse, a consistency.Answer, wrote bool) {
	a.Operation = consistency.OperationCompare
	if !answer.Succeeded {
		if !wrote && len(r.Compare) > 0 {
			c.conflict(q, r, answer, a)
		}
		return
	}
	at := a.Revision
	if wrote {
		at--
	}
	for _, comparison := range r.Compare {
		c.held(q, comparison, a, at)
	}
}

// held records what a comparison that held shows about a followed key at a revision.
func (c *checkedConn) held(q inquiry, comparison *pb.Compare, a consistency.Answer, at int64) {
	if comparison.Result != pb.Compare_EQUAL || len(comparison.RangeEnd) > 0 {
		return
	}
	k := c.checker.Find(comparison.Key)
	if k == 0 {
		return
	}
	switch target := comparison.TargetUnion.(type) {
	case *pb.Compare_ModRevision:
		c.checker.Read(k, q.Call, a, consistency.Read{Revision: at, Modified: target.ModRevision})
	case *pb.Compare_CreateRevision:
		if target.CreateRevision == 0 {
			c.checker.Read(k, q.Call, a, consistency.Read{Revision: at})
		} else {
			c.checker.Existed(k, q.Call, a, at, target.CreateRevision)
		}
	case *pb.Compare_Version:
		if target.Version == 0 {
			c.checker.Read(k, q.Call, a, consistency.Read{Revision: at})
		}
	}
}

// conflict checks a transaction that did not succeed. At least one comparison does not hold, so
// the returned keys cannot all satisfy their comparisons.
func (c *checkedConn) conflict(q inquiry, r *pb.TxnRequest, answer *pb.TxnResponse, a consistency.Answer) {
	var modified int64
	for i, comparison := range r.Compare {
		kv, found := returned(comparison.Key, r.Failure, answer.Responses)
		if !found || !holds(comparison, kv) {
			return
		}
		if i == 0 {
			modified = kv.GetModRevision()
		}
	}
	c.checker.Contradicts(r.Compare[0].Key, q.Call, a, modified, len(r.Compare))
}

// returned returns the key as one of the operations has read it, at the revision of the
// transaction. A nil kv means that the key does not exist.
func returned(key []byte, ops []*pb.RequestOp, responses []*pb.ResponseOp) (kv *mvccpb.KeyValue, found bool) {
	for i, op := range ops {
		read, answer := op.GetRequestRange(), responses[i].GetResponseRange()
		if read == nil || answer == nil || !oneKey(read) || read.Revision > 0 || !bytes.Equal(read.Key, key) {
			continue
		}
		if len(answer.Kvs) > 0 {
			kv = answer.Kvs[0]
		}
		return kv, true
	}
	return nil, false
}

// holds reports whether a comparison certainly holds for a key. A nil kv means that the key
// does not exist.
func holds(comparison *pb.Compare, kv *mvccpb.KeyValue) bool {
	if len(comparison.RangeEnd) > 0 {
		return false
	}
	var order int
	switch target := comparison.TargetUnion.(type) {
	case *pb.Compare_ModRevision:
		order = cmp.Compare(kv.GetModRevision(), target.ModRevision)
	case *pb.Compare_CreateRevision:
		order = cmp.Compare(kv.GetCreateRevision(), target.CreateRevision)
	case *pb.Compare_Version:
		order = cmp.Compare(kv.GetVersion(), target.Version)
	default:
		return false
	}
	switch comparison.Result {
	case pb.Compare_EQUAL:
		return order == 0
	case pb.Compare_GREATER:
		return order > 0
	case pb.Compare_LESS:
		return order < 0
	case pb.Compare_NOT_EQUAL:
		return order != 0
	}
	return false
}
