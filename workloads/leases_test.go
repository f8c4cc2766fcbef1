package workloads

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lessor is a server of leases that answers as it is told to.
type lessor struct {
	grpc.ClientConnInterface
	grant   map[uint32]error // by the lower half of the ID
	mu      sync.Mutex
	revoked []uint32
	listed  int
}

func (l *lessor) Invoke(_ context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r := args.(type) {
	case *pb.LeaseGrantRequest:
		reply.(*pb.LeaseGrantResponse).ID = r.ID
		return l.grant[uint32(r.ID)]
	case *pb.LeaseRevokeRequest:
		l.revoked = append(l.revoked, uint32(r.ID))
	case *pb.LeaseLeasesRequest:
		l.listed++
	}
	return nil
}

// A lease that is granted after its client has given up, and after the first revocation, is
// revoked.
func TestLeaseBookRevokesLateLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lateLessor{after: 300 * time.Millisecond, leases: map[int64]bool{}}
		b := newLeaseBook(Target{})
		for range 8 {
			_, _ = b.grant(t.Context(), l, time.Minute)
		}
		if err := b.revokeAll(t.Context(), Target{Conns: []grpc.ClientConnInterface{l}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(l.after)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.leases) > 0 {
			t.Errorf("%d leases are left", len(l.leases))
		}
	})
}

// lateLessor is a server that grants leases a while after their clients have gone.
type lateLessor struct {
	grpc.ClientConnInterface
	after  time.Duration
	mu     sync.Mutex
	leases map[int64]bool
}

func (l *lateLessor) Invoke(_ context.Context, _ string, args, _ any, _ ...grpc.CallOption) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r := args.(type) {
	case *pb.LeaseGrantRequest:
		time.AfterFunc(l.after, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.leases[r.ID] = true
		})
		return status.Error(codes.Canceled, "the client has gone")
	case *pb.LeaseRevokeRequest:
		if !l.leases[r.ID] {
			return rpctypes.ErrGRPCLeaseNotFound
		}
		delete(l.leases, r.ID)
	}
	return nil
}

// A book revokes what it has been granted, or may have been, each lease once; never a
// lease of that ID which somebody else has.
func TestLeaseBookRevokesItsOwn(t *testing.T) {
	l := &lessor{grant: map[uint32]error{3: rpctypes.ErrGRPCLeaseExist, 5: status.Error(codes.Unavailable, "lost"), 6: context.DeadlineExceeded}}
	b := newLeaseBook(Target{})
	for range 8 {
		_, _ = b.grant(t.Context(), l, time.Minute)
	}
	b.ended(b.tag | 2)
	target := Target{Conns: []grpc.ClientConnInterface{l}}
	for range 2 {
		if err := b.revokeAll(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	got := map[uint32]int{}
	for _, n := range l.revoked {
		got[n]++
	}
	for n := range uint32(10) {
		want := 0
		if n == 1 || n >= 4 && n <= 8 {
			want = 1
		}
		if got[n] != want {
			t.Errorf("lease %d was revoked %d times, want %d", n, got[n], want)
		}
	}
	if l.listed > 0 {
		t.Error("the leases of the cluster were listed")
	}
	if other := newLeaseBook(Target{}); other.tag == b.tag {
		t.Error("two books have the same IDs")
	}
}
