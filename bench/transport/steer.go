package transport

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
)

// Steer keeps requests away from one endpoint at a time, like a load balancer that detects
// failures at once. So the outage of the cluster is measured, without the time that a client
// needs to detect it. Requests under way stay at their endpoint.
type Steer struct {
	avoided atomic.Pointer[string]
}

// Avoid sends no more requests to an endpoint, which is named as in [Options]. Requests go to all
// endpoints again where it is none of them.
func (s *Steer) Avoid(endpoint string) { s.avoided.Store(&endpoint) }

// Clear sends requests to all endpoints again.
func (s *Steer) Clear() { s.avoided.Store(nil) }

// avoids reports whether requests are kept away from an endpoint.
func (s *Steer) avoids(endpoint string) bool {
	avoided := s.avoided.Load()
	return avoided != nil && *avoided == endpoint
}

// Steered returns the connections of the pool. Each of them uses the next endpoint while its
// own is avoided. Open streams stay where they are.
func (p *Pool) Steered(s *Steer) []grpc.ClientConnInterface {
	conns := p.Conns()
	steered := make([]grpc.ClientConnInterface, len(conns))
	for i, c := range conns {
		steered[i] = &steeredConn{ClientConnInterface: c, steer: s, home: p.endpoints[i%len(p.endpoints)], next: conns[p.after(i)]}
	}
	return steered
}

// after returns a connection to the next endpoint, if there is another one.
func (p *Pool) after(i int) int {
	if i+1 < len(p.conns) {
		return i + 1
	}
	return (i + 1) % min(len(p.endpoints), len(p.conns))
}

type steeredConn struct {
	grpc.ClientConnInterface
	steer *Steer
	home  string // its endpoint
	next  grpc.ClientConnInterface
}

// to returns the connection for the next request.
func (c *steeredConn) to() grpc.ClientConnInterface {
	if c.steer.avoids(c.home) {
		return c.next
	}
	return c.ClientConnInterface
}

// Invoke implements [grpc.ClientConnInterface].
func (c *steeredConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.to().Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements [grpc.ClientConnInterface].
func (c *steeredConn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return c.to().NewStream(ctx, desc, method, opts...)
}

// AsStarter implements the method that [lean.StarterOf] uses.
func (c *steeredConn) AsStarter() lean.Starter {
	home, next := lean.StarterOf(c.ClientConnInterface), lean.StarterOf(c.next)
	if home == nil || next == nil {
		return nil
	}
	return steeredStarter{c, home, next}
}

type steeredStarter struct {
	*steeredConn
	own, other lean.Starter
}

// Start implements [lean.Starter].
func (s steeredStarter) Start(call *lean.Call) {
	if s.steer.avoids(s.home) {
		s.other.Start(call)
	} else {
		s.own.Start(call)
	}
}

// Flush implements [lean.Starter].
func (s steeredStarter) Flush() { s.own.Flush(); s.other.Flush() }
