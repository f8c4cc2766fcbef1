// Package transport carries requests: it makes connections to etcd's endpoints, with TLS and
// authentication. Senders use a grpc.ClientConnInterface and nothing else, so that anything
// that carries gRPC can replace it.
//
// One connection is one TCP connection to one endpoint; connections are spread over the
// endpoints in turn, as in etcd's own benchmark. A request is tried once: retries would hide
// failures inside a latency. Only a request whose token has ended, which a member refuses
// before it takes effect, is sent once more with a new token. While an endpoint is down,
// requests wait for it until their timeout.
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/results"
)

// Options configure a pool.
type Options struct {
	// Endpoints are host:port or URLs.
	Endpoints []string
	Conns     int
	TLS       *tls.Config
	User      string
	Password  string
	// Timeout bounds the authentication.
	Timeout time.Duration
	// Kind is the transport of unary calls: [Lean] or [GRPC]; empty means Lean.
	Kind string
	// Yield is Yield of [lean.Options].
	Yield bool
	// Poll makes one goroutine read all lean connections, if the system supports it.
	Poll bool

	// dialer replaces gRPC's own in tests.
	dialer func(ctx context.Context, address string) (net.Conn, error)
}

// The kinds of connection.
const (
	// Lean is package lean for unary calls, and grpc-go for streams.
	Lean = results.TransportLean
	// GRPC is grpc-go, as in etcd's Go client.
	GRPC = results.TransportGRPC
)

// Pool is a fixed number of connections.
type Pool struct {
	conns     []conn
	endpoints []string
	login     *login       // nil without a user
	poller    *lean.Poller // nil if each connection is read by itself
}

// Poller reads the connections of the pool; nil if each is read by itself.
func (p *Pool) Poller() *lean.Poller { return p.poller }

// conn is one connection of a pool.
type conn interface {
	// calls sends requests.
	calls() grpc.ClientConnInterface
	// ready waits until there is a connection, or ctx ends.
	ready(ctx context.Context)
	close()
}

// Dial makes the connections. They connect in the background: send a request to find out
// whether an endpoint answers.
func Dial(ctx context.Context, o Options) (*Pool, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("dial: no endpoints")
	}
	p := &Pool{endpoints: slices.Clone(o.Endpoints)}
	if o.User != "" && o.Password != "" {
		p.login = newLogin(o)
	}
	if o.Poll && o.Kind != GRPC {
		p.poller, _ = lean.NewPoller() // without it, connections are read by themselves
	}
	for i := range o.Conns {
		c, err := p.newConn(ctx, o, o.Endpoints[i%len(o.Endpoints)])
		if err != nil {
			p.Close()
			return nil, err
		}
		p.conns = append(p.conns, c)
	}
	if p.login == nil || len(p.conns) == 0 {
		return p, nil
	}
	loginCtx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conns := p.Conns()
	if err := p.login.renew(loginCtx, conns[0], p.login.current.Load()); err != nil {
		p.Close()
		return nil, fmt.Errorf("connect to %s: %w", o.Endpoints[0], rpctypes.Error(err))
	}
	p.login.keep(ctx, conns)
	return p, nil
}

// A silent failure of a peer, such as a power failure, is detected when nothing has come from
// it for keepaliveTime and it does not answer for keepaliveTimeout. gRPC pings no earlier,
// etcd refuses pings every 5 s or more often (--grpc-keepalive-min-time), and there are no
// pings without an open stream or request.
const (
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 10 * time.Second
)

func (p *Pool) newConn(ctx context.Context, o Options, endpoint string) (conn, error) {
	if o.Kind != GRPC {
		return newLeanConn(ctx, o, p, endpoint)
	}
	c, err := newClient(ctx, o, p.login, endpoint)
	if err != nil { // a nil pointer would make an interface that is not nil
		return nil, err
	}
	return grpcConn{c}, nil
}

// Close closes every connection.
func (p *Pool) Close() {
	if p.login != nil {
		p.login.close()
	}
	for _, c := range p.conns {
		c.close()
	}
	if p.poller != nil {
		p.poller.Close()
	}
}

// Conns returns the connections, in the order of the endpoints.
func (p *Pool) Conns() []grpc.ClientConnInterface {
	conns := make([]grpc.ClientConnInterface, len(p.conns))
	for i, c := range p.conns {
		conns[i] = c.calls()
	}
	return conns
}

// CheckEndpoint returns an error if the form of an endpoint is invalid.
func CheckEndpoint(endpoint string) error {
	address := endpoint
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		switch {
		case err != nil:
			return fmt.Errorf("endpoint %q is not a URL", endpoint)
		case u.User != nil:
			return errors.New("an endpoint must not contain a user or password: use --user and ETCDBENCH_PASSWORD")
		case u.Scheme != "http" && u.Scheme != "https":
			return fmt.Errorf("endpoint %q: the scheme must be http or https", endpoint)
		}
		address = u.Host
	}
	host, port, ok := strings.Cut(address, ":")
	if i := strings.LastIndex(address, ":"); i >= 0 {
		host, port = address[:i], address[i+1:]
	}
	if !ok || host == "" || port == "" || strings.ContainsAny(address, " /@") {
		return fmt.Errorf("endpoint %q is not host:port", endpoint)
	}
	return nil
}
