package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/api/v3/version"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/bench/transport/reply"
)

// leanConn sends unary calls itself, and opens a connection of grpc-go for the first stream.
type leanConn struct {
	conn    *lean.Conn
	streams *grpcConn
}

func newLeanConn(ctx context.Context, o Options, p *Pool, endpoint string) (*leanConn, error) {
	c := &leanConn{}
	lo := lean.Options{
		Address: endpoint, TLS: o.TLS, Credentials: anonymous{versionHeader()}, Yield: o.Yield,
		Keepalive: keepaliveTime, Poller: p.poller, Check: reply.Check,
		Streams: func() (grpc.ClientConnInterface, error) {
			client, err := newClient(ctx, o, p.login, endpoint)
			if err != nil {
				return nil, err
			}
			c.streams = &grpcConn{client}
			return c.streams.calls(), nil
		},
	}
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, err
		}
		switch lo.Address = u.Host; {
		case u.Scheme == "http":
			lo.TLS = nil
		case lo.TLS == nil: // with the authorities of the system
			lo.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	if p.login != nil {
		lo.Credentials = p.login
	}
	if o.dialer != nil {
		lo.Dial = func(ctx context.Context, _, address string) (net.Conn, error) { return o.dialer(ctx, address) }
	}
	c.conn = lean.New(lo)
	return c, nil
}

func (c *leanConn) calls() grpc.ClientConnInterface { return c.conn }
func (c *leanConn) ready(ctx context.Context)       { _ = c.conn.Ready(ctx) } // an error is that of ctx

func (c *leanConn) close() {
	_ = c.conn.Close() // no request is in flight
	if c.streams != nil {
		c.streams.close()
	}
}

func versionHeader() *lean.Header {
	return lean.NewHeader(metadata.Pairs(rpctypes.MetadataClientAPIVersionKey, version.APIVersion))
}

// anonymous are the credentials without a user.
type anonymous struct{ header *lean.Header }

func (a anonymous) Header(string) *lean.Header { return a.header }
func (anonymous) Accepted(*lean.Header)        {}
func (anonymous) Refused(error) bool           { return false }

func (anonymous) Renew(context.Context, grpc.ClientConnInterface, *lean.Header, error) error {
	return rpctypes.ErrUserEmpty
}
