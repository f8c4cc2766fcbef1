package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Postponer is a gRPC proxy in front of a member of etcd. Some requests of a method are
// answered as if the connection were lost, and are carried out later.
type Postponer struct {
	Address string
	method  string
	chosen  func(request []byte) bool
	member  *grpc.ClientConn
	server  *grpc.Server

	mu        sync.Mutex
	postponed [][]byte
}

// NewPostponer starts a proxy on a free loopback port. It postpones the requests of a method
// with a single request and reply that are chosen.
func NewPostponer(target, method string, chosen func(request []byte) bool) (*Postponer, error) {
	member, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start proxy: %w", err), member.Close())
	}
	p := &Postponer{Address: l.Addr().String(), method: method, chosen: chosen, member: member}
	p.server = grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.handle))
	go func() { _ = p.server.Serve(l) }() // ends with Stop
	return p, nil
}

// Stop closes the proxy and its connections.
func (p *Postponer) Stop() {
	p.server.Stop()
	_ = p.member.Close()
}

// handle serves one call of any method.
func (p *Postponer) handle(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	if method != p.method {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		return forward(ctx, s, p.member, method, func(m []byte) ([]byte, bool) { return m, true })
	}
	var request []byte
	if err := s.RecvMsg(&request); err != nil {
		return err
	}
	if !p.chosen(request) {
		var reply []byte
		if err := p.member.Invoke(s.Context(), method, &request, &reply); err != nil {
			return err
		}
		return s.SendMsg(&reply)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.postponed = append(p.postponed, request)
	return status.Error(codes.Unavailable, "the connection is lost")
}

// CarryOut has the member carry out what was postponed. It returns how many requests the
// member has acknowledged.
func (p *Postponer) CarryOut(ctx context.Context) (acknowledged int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, request := range p.postponed {
		var reply []byte
		if p.member.Invoke(ctx, p.method, &request, &reply) == nil {
			acknowledged++
		}
	}
	p.postponed = nil
	return acknowledged
}
