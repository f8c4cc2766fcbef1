package workloads

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
)

// facade is a clientv3.Client over one connection of the run, for the recipes of
// clientv3/concurrency. It does not retry.
type facade struct {
	*clientv3.Client
	conn   grpc.ClientConnInterface
	cancel context.CancelFunc
}

// newFacades returns one facade for each connection.
func newFacades(t Target) []*facade {
	var list []*facade
	for _, conn := range t.Conns {
		ctx, cancel := context.WithCancel(context.Background())
		bounded := boundedConn{conn}
		c := clientv3.NewCtxClient(ctx)
		c.KV = clientv3.NewKVFromKVClient(pb.NewKVClient(bounded), c)
		c.Lease = clientv3.NewLeaseFromLeaseClient(pb.NewLeaseClient(bounded), c, firstKeepalive)
		c.Watcher = clientv3.NewWatchFromWatchClient(pb.NewWatchClient(bounded), c)
		list = append(list, &facade{Client: c, conn: conn, cancel: cancel})
	}
	return list
}

// firstKeepalive is how long a session's first renewal may take before clientv3 treats the
// session as lost.
const firstKeepalive = 5 * time.Second

func (f *facade) close() {
	_ = f.Watcher.Close()
	_ = f.Lease.Close()
	f.cancel()
}

// cleanUpTime bounds the clean-up of a recipe whose context has ended, such as the release of
// a lock that is not held yet.
const cleanUpTime = 500 * time.Millisecond

// boundedConn sets a deadline for every unary call without one: the recipes clean up without a
// bound, and would hang on a member that does not answer.
type boundedConn struct{ grpc.ClientConnInterface }

// Invoke implements [grpc.ClientConnInterface].
func (b boundedConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cleanUpTime)
		defer cancel()
	}
	return b.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}

// newSession makes a session with a lease of the book; closing it revokes the lease.
func (f *facade) newSession(ctx context.Context, book *leaseBook, ttl time.Duration) (*concurrency.Session, error) {
	grant, cancel := Target{}.patient(ctx)
	defer cancel()
	lease, err := book.grant(grant, f.conn, ttl)
	if err != nil {
		return nil, err
	}
	return concurrency.NewSession(f.Client, concurrency.WithLease(clientv3.LeaseID(lease.ID)))
}

// sessions are the workers' sessions of one workload, one for each client.
type sessions struct {
	facades []*facade
	book    *leaseBook
	ttl     time.Duration
	closers closers
}

func newSessions(t Target, ttl time.Duration) *sessions {
	t.shared.ledger.Beside("locks and elections write")
	return &sessions{book: newLeaseBook(t), ttl: ttl}
}

// open creates the clients of the connections. It may be called more than once.
func (s *sessions) open(t Target) {
	if s.facades == nil {
		s.facades = newFacades(t)
	}
}

var errSession = errors.New("the client's session ended while it waited")

// alive returns an error if a session has ended: then a lock or a leadership that a recipe
// reports is already lost.
func alive(s *concurrency.Session) error {
	select {
	case <-s.Done():
		return errSession
	default:
		return nil
	}
}

func (s *sessions) of(ctx context.Context, client int) (*concurrency.Session, error) {
	session, err := s.facades[client%len(s.facades)].newSession(ctx, s.book, s.ttl)
	if err == nil {
		s.closers.add(session.Orphan)
	}
	return session, err
}

// close ends the sessions and revokes their leases.
func (s *sessions) close(ctx context.Context, t Target) error {
	s.closers.closeAll()
	for _, f := range s.facades {
		f.close()
	}
	s.facades = nil
	return s.book.tearDown(ctx, t)
}
