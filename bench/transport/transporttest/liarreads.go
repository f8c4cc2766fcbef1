package transporttest

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// due counts a request that may be answered falsely, and reports whether a false answer is
// due, for this request or for an earlier one.
func (p *Liar) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.writes >= p.next {
		p.next = p.choose(p.writes/p.options.Every + 1)
		p.owed = true
	}
	return p.owed && !(p.options.Once && p.lies > 0)
}

// noteLie records that the false answer that was due has been given.
func (p *Liar) noteLie() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = false
	p.lies++
}

// ask receives a request and sends it to the member.
func (p *Liar) ask(ctx context.Context, s grpc.ServerStream, method string) (request, reply []byte, err error) {
	if err := s.RecvMsg(&request); err != nil {
		return nil, nil, err
	}
	err = p.member.Invoke(ctx, method, &request, &reply)
	return request, reply, err
}

// read serves a read of one key.
func (p *Liar) read(ctx context.Context, s grpc.ServerStream) error {
	var request, reply []byte
	if err := s.RecvMsg(&request); err != nil {
		return err
	}
	p.mu.Lock()
	latest := p.revision - staleBy
	p.mu.Unlock()
	if err := p.member.Invoke(ctx, pb.KV_Range_FullMethodName, &request, &reply); err != nil {
		return err
	}
	var now pb.RangeResponse
	if proto.Unmarshal(reply, &now) != nil || len(now.Kvs) != 1 {
		return s.SendMsg(&reply)
	}
	before := p.before(request, reply, latest)
	if p.due() && before != nil && before.Kvs[0].ModRevision < now.Kvs[0].ModRevision {
		p.noteLie()
		if !p.options.Stale {
			before.Header = now.Header
		}
		return p.send(s, before)
	}
	return s.SendMsg(&reply)
}

// staleBy is how many revisions an answer must be behind to be older than what was answered
// before the request was sent, for any number of clients.
const staleBy = 100

// before returns an answer of a read from before a revision, and keeps the present one for
// later.
func (p *Liar) before(request, reply []byte, latest int64) *pb.RangeResponse {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, ok := p.earlier[string(request)]
	var r pb.RangeResponse
	if !ok {
		p.earlier[string(request)] = reply
		return nil
	}
	if proto.Unmarshal(old, &r) != nil || r.Header.Revision > latest {
		return nil
	}
	p.earlier[string(request)] = reply
	return &r
}

func (*Liar) send(s grpc.ServerStream, m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return s.SendMsg(&data)
}

// compare serves a transaction. The answer is false if the transaction compares the revision
// of one key, puts the key on success, and reads it otherwise.
func (p *Liar) compare(ctx context.Context, s grpc.ServerStream) error {
	request, reply, err := p.ask(ctx, s, pb.KV_Txn_FullMethodName)
	if err != nil {
		return err
	}
	var txn pb.TxnRequest
	var answer pb.TxnResponse
	if proto.Unmarshal(request, &txn) != nil || proto.Unmarshal(reply, &answer) != nil ||
		len(txn.Compare) != 1 || len(txn.Success) != 1 || len(txn.Failure) != 1 || !p.due() {
		return s.SendMsg(&reply)
	}
	p.noteLie()
	key := txn.Compare[0].Key
	if !answer.Succeeded {
		answer.Succeeded = true
		answer.Responses = []*pb.ResponseOp{{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}}}
		if !p.options.Stale {
			answer.Header.Revision++
		}
		return p.send(s, &answer)
	}
	get := &pb.RangeRequest{Key: key}
	if p.options.Stale { // as it was before
		get.Revision = answer.Header.Revision - 1
	}
	found, err := pb.NewKVClient(protoConn{p.member}).Range(ctx, get)
	if err != nil {
		return err
	}
	answer.Succeeded = false
	answer.Responses = []*pb.ResponseOp{{Response: &pb.ResponseOp_ResponseRange{ResponseRange: found}}}
	return p.send(s, &answer)
}

// protoConn encodes messages for the proxy's connection.
type protoConn struct{ *grpc.ClientConn }

// Invoke implements [grpc.ClientConnInterface].
func (c protoConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	request, err := proto.Marshal(args.(proto.Message))
	if err != nil {
		return err
	}
	var answer []byte
	if err := c.ClientConn.Invoke(ctx, method, &request, &answer, opts...); err != nil {
		return err
	}
	return proto.Unmarshal(answer, reply.(proto.Message))
}

// swallow removes one event from a message of a watch if that is due. It reports whether no
// event is left.
func (p *Liar) swallow(message *[]byte) bool {
	var r pb.WatchResponse
	if proto.Unmarshal(*message, &r) != nil {
		return false
	}
	for i := range r.Events {
		if !p.due() {
			continue
		}
		p.noteLie()
		r.Events = append(r.Events[:i], r.Events[i+1:]...)
		if len(r.Events) == 0 {
			return true
		}
		if data, err := proto.Marshal(&r); err == nil {
			*message = data
		}
		return false
	}
	return false
}

// leaveOut removes one key from a part of an answer if that is due.
func (p *Liar) leaveOut(message []byte) []byte {
	var r pb.RangeStreamResponse
	if proto.Unmarshal(message, &r) != nil || len(r.GetRangeResponse().GetKvs()) == 0 || !p.due() {
		return message
	}
	p.mu.Lock()
	i := p.rand.IntN(len(r.RangeResponse.Kvs))
	p.mu.Unlock()
	r.RangeResponse.Kvs = append(r.RangeResponse.Kvs[:i], r.RangeResponse.Kvs[i+1:]...)
	data, err := proto.Marshal(&r)
	if err != nil {
		return message
	}
	p.noteLie()
	return data
}
