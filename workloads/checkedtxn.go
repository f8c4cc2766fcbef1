package workloads

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// endTxn checks the answer of a transaction.
func (c *checkedConn) endTxn(q inquiry, r *pb.TxnRequest, reply any, outcome consistency.Outcome, carrier any) {
	answer, ok := reply.(*pb.TxnResponse)
	if !ok {
		outcome = consistency.Unknown
	}
	a := c.answer(q, consistency.OperationTxn, answer.GetHeader())
	done, other, id, otherID := r.Success, r.Failure, q.id, q.id+1
	if outcome == consistency.Done {
		if !answer.Succeeded {
			done, other, id, otherID = other, done, otherID, id
		}
		if len(answer.Responses) != len(done) {
			outcome = consistency.Unknown // an answer that no etcd gives
		}
	}
	if outcome != consistency.Done {
		c.settleOps(q, id, done, nil, a, outcome, false)
		c.settleOps(q, otherID, other, nil, a, outcome, false)
		return
	}
	wrote := hasPut(answer.Responses) || hasDeleted(answer.Responses)
	if wrote {
		c.checker.Answered(q.Call, a, true)
	} else {
		c.recency(q, a, mayLag(r), carrier)
	}
	c.compare(q, r, answer, a, wrote)
	if !mayLag(r) {
		c.settleOps(q, otherID, other, nil, a, consistency.Refused, false)
		c.settleOps(q, id, done, answer.Responses, a, outcome, !wrote)
	}
	if wrote {
		return // and what was read may be from before or after
	}
	for i, op := range done {
		read, found := op.GetRequestRange(), answer.Responses[i].GetResponseRange()
		if read != nil && found != nil {
			one := q
			if one.key = 0; oneKey(read) {
				one.key = c.checker.Find(read.Key)
			}
			c.content(one, read, found, a)
		}
	}
}

func hasDeleted(responses []*pb.ResponseOp) bool {
	for _, r := range responses {
		if r.GetResponseDeleteRange().GetDeleted() > 0 || hasDeleted(r.GetResponseTxn().GetResponses()) {
			return true
		}
	}
	return false
}

// settleOps settles the writes of one branch of a transaction.
func (c *checkedConn) settleOps(
	q inquiry, id uint64, ops []*pb.RequestOp, responses []*pb.ResponseOp, a consistency.Answer, outcome consistency.Outcome, alone bool,
) {
	for i, op := range ops {
		switch r := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			if k := c.checker.Find(r.RequestPut.Key); k != 0 {
				c.checker.Settled(k, id, q.Call, a, outcome)
			}
		case *pb.RequestOp_RequestDeleteRange:
			var answer *pb.DeleteRangeResponse
			if i < len(responses) {
				answer = responses[i].GetResponseDeleteRange()
			}
			c.deletion(q, id, r.RequestDeleteRange, answer, a, outcome, alone)
		}
	}
}
