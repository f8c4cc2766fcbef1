package transporttest

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// revoke serves a revocation of a lease, and notes its revision.
func (p *Liar) revoke(ctx context.Context, s grpc.ServerStream) error {
	request, reply, err := p.ask(ctx, s, pb.Lease_LeaseRevoke_FullMethodName)
	if err != nil {
		return err
	}
	var r pb.LeaseRevokeRequest
	var answer pb.LeaseRevokeResponse
	if proto.Unmarshal(request, &r) == nil && proto.Unmarshal(reply, &answer) == nil {
		p.mu.Lock()
		p.revoked[r.ID] = answer.GetHeader().GetRevision()
		p.mu.Unlock()
	}
	return s.SendMsg(&reply)
}

// revokedBy is how many revisions ago a lease must have been revoked for its client to have the
// answer, for any number of clients.
const revokedBy = 50

// readRevoked serves a read of one key.
func (p *Liar) readRevoked(ctx context.Context, s grpc.ServerStream) error {
	request, reply, err := p.ask(ctx, s, pb.KV_Range_FullMethodName)
	if err != nil {
		return err
	}
	var now pb.RangeResponse
	if proto.Unmarshal(reply, &now) != nil {
		return s.SendMsg(&reply)
	}
	before := p.leased(request, reply, &now)
	if due := p.due(); len(now.Kvs) > 0 || before == nil || !due {
		return s.SendMsg(&reply)
	}
	p.noteLie()
	before.Header = now.Header
	return p.send(s, before)
}

// leased returns an earlier answer of a read, with a key whose lease is revoked now. An answer that
// has a key is kept for later.
func (p *Liar) leased(request, reply []byte, now *pb.RangeResponse) *pb.RangeResponse {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(now.Kvs) == 1 && now.Kvs[0].Lease != 0 {
		p.earlier[string(request)] = reply
		return nil
	}
	var r pb.RangeResponse
	old, ok := p.earlier[string(request)]
	if !ok || proto.Unmarshal(old, &r) != nil {
		return nil
	}
	if at := p.revoked[r.Kvs[0].Lease]; at == 0 || at > now.GetHeader().GetRevision()-revokedBy {
		return nil
	}
	return &r
}

// lock serves a transaction. One that puts the key of a client that waits for a lock, and reads the
// one of the holder, is answered as if there were no holder. There must be one who waits longer.
func (p *Liar) lock(ctx context.Context, s grpc.ServerStream) error {
	request, reply, err := p.ask(ctx, s, pb.KV_Txn_FullMethodName)
	if err != nil {
		return err
	}
	var txn pb.TxnRequest
	var answer pb.TxnResponse
	if proto.Unmarshal(request, &txn) != nil || proto.Unmarshal(reply, &answer) != nil || !answer.Succeeded || len(answer.Responses) != 2 {
		return s.SendMsg(&reply)
	}
	owner := txn.Success[1].GetRequestRange()
	if owner == nil || len(owner.RangeEnd) == 0 {
		return s.SendMsg(&reply)
	}
	waiting, err := pb.NewKVClient(protoConn{p.member}).Range(ctx, &pb.RangeRequest{
		Key: owner.Key, RangeEnd: owner.RangeEnd, Revision: answer.Header.Revision, CountOnly: true,
	})
	if err != nil {
		return err
	}
	const holderWaiterAndOurs = 3
	if due := p.due(); waiting.Count < holderWaiterAndOurs || !due {
		return s.SendMsg(&reply)
	}
	p.noteLie()
	answer.Responses[1] = &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{Header: answer.Header}}}
	return p.send(s, &answer)
}
