package workloads

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/workloads/claim"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// leaseIDs numbers the leases of one process of a run. The upper half of the IDs, the tag, is
// random, so that no other client and no earlier run uses it.
type leaseIDs struct {
	tag  int64
	last atomic.Uint32
}

// newLeaseIDs returns the IDs with a tag; 0 means a random tag.
func newLeaseIDs(tag uint32) *leaseIDs {
	if tag == 0 {
		tag = claim.NewLeaseTags(1).First
	}
	return &leaseIDs{tag: int64(tag) << 32}
}

// leaseBook assigns the IDs of a workload's leases and records which of them may exist, so that
// exactly these can be revoked.
type leaseBook struct {
	*leaseIDs
	// open has the lower halves of the IDs that were requested and have not ended.
	open bits
	// unsure has those of the grants of unknown outcome, which a member may carry out late.
	unsure bits
}

// newLeaseBook returns a book whose IDs no other book of the run has.
func newLeaseBook(t Target) *leaseBook {
	if t.shared == nil || t.shared.leaseIDs == nil {
		return &leaseBook{leaseIDs: newLeaseIDs(t.LeaseTag)}
	}
	return &leaseBook{leaseIDs: t.shared.leaseIDs}
}

// id returns the ID of the next lease.
func (b *leaseBook) id() int64 {
	n := b.last.Add(1)
	b.open.add(n)
	return b.tag | int64(n)
}

// ended records that a lease of the book has ended.
func (b *leaseBook) ended(id int64) { b.open.remove(uint32(id)) }

// failed records that a grant has failed. A lease that was refused does not belong to the book,
// for example if another client uses its ID.
func (b *leaseBook) failed(id int64, err error) {
	if ledger.Refused(err) {
		b.ended(id)
	} else {
		b.unsure.add(uint32(id))
	}
}

// grant makes a lease with an ID of the book.
func (b *leaseBook) grant(ctx context.Context, conn grpc.ClientConnInterface, ttl time.Duration) (*pb.LeaseGrantResponse, error) {
	id := b.id()
	r, err := pb.NewLeaseClient(conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: id, TTL: int64(ttl / time.Second)})
	if err != nil {
		b.failed(id, err)
	}
	return r, err
}

// leaseWorkers is the number of leases that are granted or revoked concurrently beside the
// load.
const leaseWorkers = 64

// revokeAll revokes the leases of the book that may exist, with their keys. It revokes those
// whose grants have an unknown outcome again after some time.
func (b *leaseBook) revokeAll(ctx context.Context, t Target) error {
	if err := b.revokeOpen(ctx, t); err != nil {
		return err
	}
	if b.unsure.count() == 0 {
		return nil
	}
	b.unsure.each(func(n uint32) bool {
		b.open.add(n)
		return true
	})
	if !sleep(ctx, latePause) {
		return fmt.Errorf("revoke leases that were granted late: %w", ctx.Err())
	}
	return b.revokeOpen(ctx, t)
}

func (b *leaseBook) revokeOpen(ctx context.Context, t Target) error {
	st := t.begin(ctx, func() string { return "revoking leases" })
	g, gctx := errgroup.WithContext(st.ctx)
	g.SetLimit(leaseWorkers)
	i := 0
	b.open.each(func(n uint32) bool {
		conn := t.conn(i)
		i++
		g.Go(func() error {
			id := b.tag | int64(n)
			_, err := pb.NewLeaseClient(conn).LeaseRevoke(gctx, &pb.LeaseRevokeRequest{ID: id})
			if err != nil && rpctypes.Error(err) != rpctypes.ErrLeaseNotFound {
				return err
			}
			b.ended(id)
			if err == nil {
				b.unsure.remove(n) // otherwise a member may still grant it
			}
			st.progress()
			return nil
		})
		return gctx.Err() == nil
	})
	if err := st.end(g.Wait()); err != nil {
		return fmt.Errorf("revoke leases (%d are left, and end with their TTL): %w", b.open.count(), err)
	}
	return ctx.Err()
}

// tearDown is like revokeAll, for the end of a run. It also returns an error if a member may
// still execute a grant.
func (b *leaseBook) tearDown(ctx context.Context, t Target) error {
	if t.Disposable || b.open.count()+b.unsure.count() == 0 {
		return nil
	}
	if err := b.revokeAll(ctx, t.reachable(ctx)); err != nil {
		return err
	}
	if n := b.unsure.count(); n > 0 {
		return fmt.Errorf("the outcome of %d of the run's lease grants is unknown, and a member may still apply them", n)
	}
	return nil
}

// validateTTL returns an error unless the TTL is a number of whole seconds that etcd accepts.
func validateTTL(ttl time.Duration) error {
	if ttl < time.Second || ttl%time.Second != 0 {
		return fmt.Errorf("--ttl must be a whole number of seconds, not %v", ttl)
	}
	if ttl > maxTTL {
		return fmt.Errorf("--ttl must not be above etcd's limit of %v", maxTTL)
	}
	return nil
}

// maxTTL is etcd's limit of 9,000,000,000 s, which a time.Duration can represent.
const maxTTL = 9_000_000_000 * time.Second

// sharedLeases assigns leases to keys, several keys to each lease, as Kubernetes does for its
// events: a lease is used for a number of keys or for a time, whichever ends first. The client
// that finds a lease used up grants the next one while other clients wait.
type sharedLeases struct {
	book  *leaseBook
	ttl   time.Duration
	keys  int
	reuse time.Duration // 0: until it has its number of keys

	mu    sync.Mutex
	id    int64
	used  int
	since time.Time
}

// take returns a lease for one more key, and reports whether this call has granted it.
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
