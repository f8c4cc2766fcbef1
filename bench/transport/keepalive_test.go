package transport

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// wire is the client's end of a connection in memory. Once it is cut, what is written
// is lost and nothing comes any more, without a word, until it is closed.
type wire struct {
	net.Conn
	cut    *atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.cut.Load() {
		<-w.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.cut.Load() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

// inMemory is a listener for connections in memory.
type inMemory struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *inMemory) Close() error { l.once.Do(func() { close(l.done) }); return nil }
func (*inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// quiet has watches without events.
type quiet struct{ pb.UnimplementedWatchServer }

func (quiet) Watch(s pb.Watch_WatchServer) error { <-s.Context().Done(); return s.Context().Err() }

// A peer that is gone without a word is noticed; one that is only quiet keeps its
// connection, also under etcd's rules for pings.
func TestDeadPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		listener := &inMemory{conns: make(chan net.Conn), done: make(chan struct{})}
		// As etcd sets them by default.
		server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Hour, Timeout: 20 * time.Second}))
		pb.RegisterWatchServer(server, quiet{})
		go func() { _ = server.Serve(listener) }()
		var dials atomic.Int64
		pool, err := Dial(t.Context(), Options{
			Endpoints: []string{"10.0.0.1:2379"}, Conns: 1, Timeout: time.Second, Kind: GRPC,
			dialer: func(context.Context, string) (net.Conn, error) {
				dials.Add(1)
				client, peer := net.Pipe()
				select {
				case listener.conns <- peer:
				case <-listener.done: // a connection after the dead one, when nobody accepts it any more
					return nil, net.ErrClosed
				}
				return &wire{Conn: client, cut: &cut, closed: make(chan struct{})}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := pb.NewWatchClient(pool.Conns()[0]).Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { _, err := stream.Recv(); ended <- err }()
		select {
		case err := <-ended:
			t.Errorf("a quiet stream ended: %v", err)
		case <-time.After(time.Hour):
		}
		if n := dials.Load(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		cut.Store(true)
		select {
		case <-ended:
		case <-time.After(keepaliveTime + keepaliveTimeout + time.Second):
			t.Error("the dead peer was not noticed")
		}
		pool.Close()
		server.Stop()
		_ = listener.Close()
	})
}
