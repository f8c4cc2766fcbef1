package workloads

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// leaseBook hands out lease IDs by which a workload's leases can be told from
// all others, so that they can be found and revoked without keeping a list: the
// upper half comes from the prefix.
type leaseBook struct {
	tag  int64
	next atomic.Int64
}

func newLeaseBook(prefix string) *leaseBook {
	h := fnv.New32a()
	h.Write([]byte(prefix))
	return &leaseBook{tag: int64(h.Sum32()|1) & 0x7fffffff << 32}
}

func (b *leaseBook) id() int64 { return b.tag | (b.next.Add(1) & 0xffffffff) }

func (b *leaseBook) owns(id int64) bool { return id&^0xffffffff == b.tag }

// grant makes a lease with an ID of the book.
func (b *leaseBook) grant(ctx context.Context, conn grpc.ClientConnInterface, ttl time.Duration) (*pb.LeaseGrantResponse, error) {
	return pb.NewLeaseClient(conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: b.id(), TTL: int64(ttl / time.Second)})
}

// leaseWorkers is how many leases are granted or revoked at once beside the load.
const leaseWorkers = 64

// revokeAll revokes every lease of the book, with its keys.
func (b *leaseBook) revokeAll(ctx context.Context, t Target) error {
	for {
		r, err := pb.NewLeaseClient(t.conn(0)).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
		if err != nil {
			return fmt.Errorf("list leases: %w", err)
		}
		var ours []int64
		for _, l := range r.Leases {
			if b.owns(l.ID) {
				ours = append(ours, l.ID)
			}
		}
		if len(ours) == 0 {
			return nil
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(leaseWorkers)
		for i, id := range ours {
			g.Go(func() error {
				_, err := pb.NewLeaseClient(t.conn(i)).LeaseRevoke(gctx, &pb.LeaseRevokeRequest{ID: id})
				if err != nil && rpctypes.Error(err) != rpctypes.ErrLeaseNotFound {
					return fmt.Errorf("revoke leases (%d are left, and end with their TTL): %w", len(ours)-i, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

// tearDown is revokeAll for the end of a run.
func (b *leaseBook) tearDown(ctx context.Context, t Target) error {
	if t.Disposable || b.next.Load() == 0 {
		return nil
	}
	return b.revokeAll(ctx, t.reachable(ctx))
}

// validateTTL wants whole seconds, as etcd does.
func validateTTL(ttl time.Duration) error {
	if ttl < time.Second || ttl%time.Second != 0 {
		return fmt.Errorf("--ttl must be a whole number of seconds, not %v", ttl)
	}
	if ttl > maxTTL {
		return fmt.Errorf("--ttl must not be above etcd's limit of %v", maxTTL)
	}
	return nil
}

// maxTTL is etcd's limit of 9,000,000,000 s, as far as a duration reaches.
const maxTTL = 9_000_000_000 * time.Second

// sharedLeases gives keys their leases, some keys to a lease, as Kubernetes does
// for its events: a lease is used for so many keys, or for so long, whichever
// ends first. Whoever finds it used up grants the next one while others wait.
type sharedLeases struct {
	book  *leaseBook
	ttl   time.Duration
	keys  int
	reuse time.Duration // 0: as long as its keys last

	mu    sync.Mutex
	id    int64
	used  int
	since time.Time
}

// take returns a lease for one more key, and whether it was granted now.
func (l *sharedLeases) take(ctx context.Context, conn grpc.ClientConnInterface) (id int64, granted bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id == 0 || l.used >= l.keys || l.reuse > 0 && time.Since(l.since) >= l.reuse {
		r, err := l.book.grant(ctx, conn, l.ttl)
		if err != nil {
			return 0, false, err
		}
		l.id, l.used, l.since, granted = r.ID, 0, time.Now(), true
	}
	l.used++
	return l.id, granted, nil
}
