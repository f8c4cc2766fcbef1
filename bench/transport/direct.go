package transport

import (
	"context"

	"google.golang.org/grpc"
)

// Direct returns a pool whose connections are all c, which carries requests out by itself
// and which the pool does not close.
func Direct(c grpc.ClientConnInterface, conns int) *Pool {
	p := &Pool{endpoints: 1}
	for range conns {
		p.conns = append(p.conns, directConn{c})
	}
	return p
}

type directConn struct{ conn grpc.ClientConnInterface }

func (c directConn) calls() grpc.ClientConnInterface { return c.conn }
func (directConn) ready(context.Context)             {}
func (directConn) close()                            {}
