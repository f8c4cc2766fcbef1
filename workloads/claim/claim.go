// Package claim marks a prefix of a cluster as used by a run, so that two runs do not
// use the same one at the same time, and so that what a killed run has left can be
// found.
//
// A claim consists of two keys below the prefix. The first is attached to a lease that
// is kept alive while the run uses the prefix: it expires soon after a run that is
// killed. The second has no lease. It contains the revision at which the run began and
// the IDs of the run's leases, and stays until the run has removed its keys and leases.
package claim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// The names of the two keys, below the prefix.
const (
	leasedKey = ".etcdbench-claim"
	recordKey = ".etcdbench-run"
)

// IsMarker reports whether a key belongs to a claim.
func IsMarker(key []byte) bool {
	return strings.HasSuffix(string(key), leasedKey) || strings.HasSuffix(string(key), recordKey)
}

const (
	// ttl is the time after which a claim expires when its run has died.
	ttl = 60 * time.Second
	// requestTime bounds each request of a claim.
	requestTime = 5 * time.Second
)

// A Claim is held until Release.
type Claim struct {
	conns  []grpc.ClientConnInterface
	prefix string
	lease  int64
	// record is the revision at which the record was written. rest is the record that an
	// earlier run has left; it is nil if there is none.
	record int64
	rest   *Owner
	// lost means that the lease has expired before Release.
	lost atomic.Bool
	stop context.CancelFunc
	done chan struct{}
}

// InUseError reports that a run uses a prefix, or one above or below it.
type InUseError struct {
	Prefix string
	Owner  Owner
}

// Error implements error.
func (e *InUseError) Error() string {
	return fmt.Sprintf("the prefix %q is in use by %v: wait for its end, or choose another --prefix "+
		"(the claim of a killed run ends within %v)", e.Prefix, e.Owner, ttl)
}

// Take claims a prefix, and keeps the claim alive until Release is called. Requests go
// through the first of the connections that answers. rest is the owner of the record that
// an earlier run has left, or nil. That record is extended by the run, and restored at
// the end. Take returns an [InUseError] if another run was faster.
func Take(ctx context.Context, conns []grpc.ClientConnInterface, prefix string, o Owner, rest *Owner) (*Claim, error) {
	c := &Claim{conns: conns, prefix: prefix, done: make(chan struct{}), rest: rest}
	grant := &pb.LeaseGrantRequest{TTL: int64(ttl / time.Second)}
	err := ask(ctx, c.conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := pb.NewLeaseClient(conn).LeaseGrant(ctx, grant)
		c.lease = r.GetID()
		return err
	})
	if err == nil {
		err = c.put(ctx, o)
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
		defer cancel()
		_ = c.revoke(undo)
		if inUse, ok := errors.AsType[*InUseError](err); ok {
			return nil, inUse
		}
		return nil, fmt.Errorf("claim the prefix %q: %w", prefix, err)
	}
	hold, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.hold(hold)
	return c, nil
}

// put writes the two keys, unless the prefix is claimed.
func (c *Claim) put(ctx context.Context, o Owner) error {
	leased, record := []byte(c.prefix+leasedKey), o
	if c.rest != nil {
		record = o.after(*c.rest)
		c.rest.KeepData = record.KeepData
	}
	success := []*pb.RequestOp{
		putOp(&pb.PutRequest{Key: leased, Value: o.encode(), Lease: c.lease}),
		putOp(&pb.PutRequest{Key: []byte(c.prefix + recordKey), Value: record.encode()}),
	}
	return ask(ctx, c.conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := pb.NewKVClient(conn).Txn(ctx, &pb.TxnRequest{
			Compare: []*pb.Compare{{Key: leased, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 0}}},
			Success: success,
			Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: leased}}}},
		})
		if err != nil {
			return err
		}
		if !r.Succeeded {
			return c.refused(r)
		}
		c.record = r.GetHeader().GetRevision()
		return nil
	})
}

// refused returns the reason why a claim was not made. It returns nil if it was made by an
// earlier attempt whose answer was lost.
func (c *Claim) refused(r *pb.TxnResponse) error {
	if len(r.Responses) == 0 || len(r.Responses[0].GetResponseRange().GetKvs()) == 0 {
		return errors.New("the server answers a transaction without its content")
	}
	kv := r.Responses[0].GetResponseRange().Kvs[0]
	if kv.Lease == c.lease {
		c.record = kv.ModRevision
		return nil
	}
	return &InUseError{Prefix: c.prefix, Owner: decodeOwner(kv.Value)}
}

func putOp(p *pb.PutRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: p}}
}

// ask tries one connection after the other until one answers. It stops when the server rejects
// the request.
func ask(
	ctx context.Context, conns []grpc.ClientConnInterface, request func(context.Context, grpc.ClientConnInterface) error,
) (err error) {
	for _, conn := range conns {
		try, cancel := context.WithTimeout(ctx, requestTime)
		err = request(try, conn)
		unanswered := try.Err() != nil
		cancel()
		if err == nil || !unanswered || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// hold keeps the lease alive.
func (c *Claim) hold(ctx context.Context) {
	defer close(c.done)
	t := time.NewTicker(ttl / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		_ = ask(ctx, c.conns, c.keepAlive)
	}
}

func (c *Claim) keepAlive(ctx context.Context, conn grpc.ClientConnInterface) error {
	stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.CloseSend() }()
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: c.lease}); err != nil {
		return err
	}
	r, err := stream.Recv()
	if err == nil && r.TTL <= 0 {
		c.lost.Store(true)
	}
	return err
}

// Release ends the claim and removes its keys. The record stays if keys or leases of the run
// are left. It returns an error if keys of the claim may be left, or if the claim had expired.
// It may be called on a nil *Claim.
func (c *Claim) Release(ctx context.Context, left bool) error {
	if c == nil {
		return nil
	}
	c.stop()
	<-c.done
	var err error
	if !left {
		err = ask(ctx, c.conns, c.removeRecord)
	}
	err = errors.Join(err, c.revoke(ctx))
	switch {
	case err != nil:
		return fmt.Errorf("release the claim of the prefix %q, which ends within %v: %w", c.prefix, ttl, err)
	case c.lost.Load():
		return fmt.Errorf("the claim of the prefix %q ended during the run, because the cluster was not reached for %v: "+
			"another run may have used the prefix", c.prefix, ttl)
	}
	return nil
}

// removeRecord deletes the record, or restores the record of an earlier run, unless the record
// has changed meanwhile.
func (c *Claim) removeRecord(ctx context.Context, conn grpc.ClientConnInterface) error {
	key := c.prefix + recordKey
	op := deleteOp(key)
	if c.rest != nil {
		op = putOp(&pb.PutRequest{Key: []byte(key), Value: c.rest.encode()})
	}
	return unlessChanged(ctx, conn, key, c.record, op)
}

func deleteOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
}

// unlessChanged carries out an operation unless a key was written after a revision.
func unlessChanged(ctx context.Context, conn grpc.ClientConnInterface, key string, revision int64, op *pb.RequestOp) error {
	_, err := pb.NewKVClient(conn).Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte(key), Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: revision}}},
		Success: []*pb.RequestOp{op},
	})
	return err
}

// revoke ends the lease, and the leased key with it.
func (c *Claim) revoke(ctx context.Context) error {
	if c.lease == 0 || c.lost.Load() {
		return nil
	}
	return ask(ctx, c.conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		_, err := pb.NewLeaseClient(conn).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: c.lease})
		if errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
			c.lost.Store(true)
			return nil
		}
		return err
	})
}
