package transport

import (
	"context"

	"google.golang.org/grpc"
)

// Direct returns a pool whose connections are all c, which executes requests itself. The pool
// does not close c.
func Direct(c grpc.ClientConnInterface, conns int) *Pool {
	p := &Pool{endpoints: []string{""}}
	for range conns {
		p.conns = append(p.conns, directConn{c})
	}
	return p
}

type directConn struct{ conn grpc.ClientConnInterface }

func (c directConn) calls() grpc.ClientConnInterface { return c.conn }
func (directConn) ready(context.Context)             {}
func (directConn) close()                            {}
