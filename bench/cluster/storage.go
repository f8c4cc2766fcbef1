package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/etcdserver/txn"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/transport/reply"
	"github.com/etcdbench/etcdbench/results"
)

// Storage is etcd's multi-version store and its backend in this process, without a server: no
// Raft, no WAL, no gRPC, no lessor and no watchers. It is a [Cluster] of one member without an
// address; its requests use [Storage.Conn].
//
// Writes are applied one at a time, as in etcd's apply loop. An acknowledged write is in the
// batch of the backend and reaches the disk when the batch is committed. A write waits for the
// ones before it until its context ends; the store does not interrupt a write.
type Storage struct {
	settings Settings
	backend  backend.Backend
	store    mvcc.KV
	logger   *zap.Logger

	// applying holds a value while a write is applied.
	applying chan struct{}
}

var (
	_ Cluster                  = (*Storage)(nil)
	_ grpc.ClientConnInterface = (*Storage)(nil)
)

// storageName is the name of the only member.
const storageName = "storage"

// StartStorage opens an empty store in the data directory of the settings. It uses the
// directory, the batch interval and limit, the quota and the omission of fsync; it ignores the
// other settings.
func StartStorage(s Settings) (_ *Storage, err error) {
	c := &Storage{settings: s, logger: zap.NewNop(), applying: make(chan struct{}, 1)}
	if err := os.MkdirAll(c.dir(), 0o700); err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	config := backend.DefaultBackendConfig(c.logger)
	config.Path, config.UnsafeNoFsync = c.File(), s.UnsafeNoFsync
	if s.BackendBatchInterval > 0 {
		config.BatchInterval = s.BackendBatchInterval
	}
	if s.BackendBatchLimit > 0 {
		config.BatchLimit = s.BackendBatchLimit
	}
	c.backend = backend.New(config)
	c.store = mvcc.NewStore(c.logger, c.backend, &lease.FakeLessor{}, mvcc.StoreConfig{})
	return c, nil
}

func (c *Storage) dir() string { return filepath.Join(c.settings.DataDir, storageName) }

// File returns the path of the database.
func (c *Storage) File() string { return filepath.Join(c.dir(), "db") }

// Members implements [Cluster].
func (c *Storage) Members() []Member { return []Member{{Name: storageName, Endpoint: storageName}} }

// TLS implements [Cluster].
func (c *Storage) TLS() *tls.Config { return nil }

// Describe implements [Cluster].
func (c *Storage) Describe() results.Cluster {
	interval, limit := c.settings.BackendBatchInterval, c.settings.BackendBatchLimit
	flags := map[string]string{"quota-backend-bytes": fmt.Sprint(c.settings.Quota)}
	if interval > 0 {
		flags["backend-batch-interval"] = interval.String()
	}
	if limit > 0 {
		flags["backend-batch-limit"] = fmt.Sprint(limit)
	}
	if c.settings.UnsafeNoFsync {
		flags["unsafe-no-fsync"] = "true"
	}
	return results.Cluster{Kind: results.ClusterStorage, Version: version.Version, Settings: flags}
}

// Stop implements [Cluster].
func (c *Storage) Stop() error {
	if c.backend == nil {
		return nil
	}
	err := c.store.Close()
	if closeErr := c.backend.Close(); err == nil {
		err = closeErr
	}
	c.backend = nil
	if rmErr := os.RemoveAll(c.dir()); err == nil {
		err = rmErr
	}
	return err
}

// Invoke implements [grpc.ClientConnInterface]: it executes requests of the KV service, and
// Status, with calls of the store. The request may be reused afterwards.
func (c *Storage) Invoke(ctx context.Context, method string, args, result any, _ ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	var err error
	switch request := args.(type) {
	case *pb.PutRequest:
		err = c.put(ctx, request, result.(*pb.PutResponse))
	case *pb.RangeRequest:
		err = c.list(ctx, request, result.(*pb.RangeResponse))
	case *pb.TxnRequest:
		err = c.txn(ctx, request, result.(*pb.TxnResponse))
	case *pb.CompactionRequest:
		err = c.compact(ctx, request, result.(*pb.CompactionResponse))
	case *pb.StatusRequest:
		c.status(result.(*pb.StatusResponse))
	default:
		return unimplemented(method)
	}
	if err != nil {
		return asStatus(err)
	}
	return reply.Check(method, args, result)
}

// Transport returns the name of the transport, for results.
func (*Storage) Transport() string { return results.TransportDirect }

// NewStream implements [grpc.ClientConnInterface]. The store has no streams.
func (c *Storage) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, unimplemented(method)
}

func unimplemented(method string) error {
	return status.Errorf(codes.Unimplemented, "%s is not available in the storage layer alone", method)
}

// asStatus converts an error of the store to the form that clients of a server receive.
func asStatus(err error) error {
	switch err {
	case mvcc.ErrCompacted:
		return rpctypes.ErrGRPCCompacted
	case mvcc.ErrFutureRev:
		return rpctypes.ErrGRPCFutureRev
	case context.DeadlineExceeded, context.Canceled:
		return status.FromContextError(err).Err()
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Unknown, err.Error())
}

// begin returns when no other write is applied, or with an error when ctx ends.
func (c *Storage) begin(ctx context.Context) error {
	select {
	case c.applying <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end lets the next write begin.
func (c *Storage) end() { <-c.applying }

// put writes one key. The index keeps the slice of the key.
func (c *Storage) put(ctx context.Context, request *pb.PutRequest, result *pb.PutResponse) error {
	if request.Lease != 0 {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	key := request.Key
	request.Key = bytes.Clone(key)
	r, _, err := txn.Put(ctx, c.logger, &lease.FakeLessor{}, c.store, request)
	c.end()
	request.Key = key
	if err != nil {
		return err
	}
	result.Header, result.PrevKv = r.Header, r.PrevKv
	return nil
}

func (c *Storage) list(ctx context.Context, request *pb.RangeRequest, result *pb.RangeResponse) error {
	r, _, err := txn.Range(ctx, c.logger, c.store, request, true)
	if err != nil {
		return err
	}
	result.Header, result.Kvs, result.More, result.Count = r.Header, r.Kvs, r.More, r.Count
	return nil
}

func (c *Storage) txn(ctx context.Context, request *pb.TxnRequest, result *pb.TxnResponse) error {
	if leased(request.Success) || leased(request.Failure) {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	request = withOwnKeys(request)
	if !txn.IsTxnReadonly(request) {
		if err := c.begin(ctx); err != nil {
			return err
		}
		defer c.end()
	}
	r, _, err := txn.Txn(ctx, c.logger, request, true, c.store, &lease.FakeLessor{}, false)
	if err != nil {
		return err
	}
	result.Header, result.Succeeded, result.Responses = r.Header, r.Succeeded, r.Responses
	return nil
}

// leased reports whether a put requests a lease. The store has no leases.
func leased(list []*pb.RequestOp) bool {
	return slices.ContainsFunc(list, func(op *pb.RequestOp) bool {
		t := op.GetRequestTxn()
		return op.GetRequestPut().GetLease() != 0 || leased(t.GetSuccess()) || leased(t.GetFailure())
	})
}

// withOwnKeys returns a request whose puts have keys that the index may keep.
func withOwnKeys(t *pb.TxnRequest) *pb.TxnRequest {
	return &pb.TxnRequest{Compare: t.Compare, Success: ownKeys(t.Success), Failure: ownKeys(t.Failure)}
}

func ownKeys(list []*pb.RequestOp) []*pb.RequestOp {
	own := make([]*pb.RequestOp, len(list))
	for i, op := range list {
		own[i] = op
		if p := op.GetRequestPut(); p != nil {
			own[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{
				Key: bytes.Clone(p.Key), Value: p.Value, PrevKv: p.PrevKv, IgnoreValue: p.IgnoreValue, IgnoreLease: p.IgnoreLease,
			}}}
		}
		if t := op.GetRequestTxn(); t != nil {
			own[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: withOwnKeys(t)}}
		}
	}
	return own
}

// compact returns when the compaction has begun or, with Physical, when it has removed the old
// revisions from the backend.
func (c *Storage) compact(ctx context.Context, request *pb.CompactionRequest, result *pb.CompactionResponse) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	done, err := c.store.Compact(traceutil.TODO(), request.Revision)
	revision := c.store.Rev()
	c.end()
	if err != nil {
		return err
	}
	if request.Physical {
		select {
		case <-done:
			c.backend.ForceCommit()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	result.Header = &pb.ResponseHeader{Revision: revision}
	return nil
}

func (c *Storage) status(result *pb.StatusResponse) {
	result.Header = &pb.ResponseHeader{Revision: c.store.Rev()}
	result.Version, result.DbSize, result.DbSizeInUse = version.Version, c.backend.Size(), c.backend.SizeInUse()
	result.DbSizeQuota = c.settings.Quota
}
