package transporttest

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// keepSilent serves a put, which is forwarded and answered unless a lie is due.
func (p *Liar) keepSilent(ctx context.Context, s grpc.ServerStream) error {
	var request, reply []byte
	if err := s.RecvMsg(&request); err != nil {
		return err
	}
	var put pb.PutRequest
	if proto.Unmarshal(request, &put) == nil && p.due() {
		p.noteLie()
		p.mu.Lock()
		p.phantoms[string(put.Key)] = put.Value
		p.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	if err := p.member.Invoke(ctx, pb.KV_Put_FullMethodName, &request, &reply); err != nil {
		return err
	}
	return s.SendMsg(&reply)
}

// readPhantom serves a read of one key.
func (p *Liar) readPhantom(ctx context.Context, s grpc.ServerStream) error {
	_, reply, err := p.ask(ctx, s, pb.KV_Range_FullMethodName)
	if err != nil {
		return err
	}
	var now pb.RangeResponse
	if proto.Unmarshal(reply, &now) != nil || len(now.Kvs) != 1 {
		return s.SendMsg(&reply)
	}
	kv := now.Kvs[0]
	p.mu.Lock()
	value, ok := p.phantoms[string(kv.Key)]
	delete(p.phantoms, string(kv.Key))
	p.mu.Unlock()
	if !ok {
		return s.SendMsg(&reply)
	}
	kv.Value, kv.ModRevision, kv.Version = value, now.Header.Revision, kv.Version+1
	return p.send(s, &now)
}
