package cluster

import (
	"context"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Writes that wait for another one end with their context, as those to a cluster do. A lease
// is refused, as a lease that a cluster does not have.
func TestStorageWaitEnds(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.DataDir, s.UnsafeNoFsync = t.TempDir(), true
	c, err := StartStorage(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	kv := pb.NewKVClient(c)
	put := &pb.PutRequest{Key: []byte("k")}
	ops := func(p *pb.PutRequest) *pb.TxnRequest {
		return &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
			Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: p}}},
		}}}}}
	}
	if err := c.begin(t.Context()); err != nil { // as a write that is carried out
		t.Fatal(err)
	}
	for name, write := range map[string]func(ctx context.Context) error{
		"put": func(ctx context.Context) error { _, err := kv.Put(ctx, put); return err },
		"txn": func(ctx context.Context) error { _, err := kv.Txn(ctx, ops(put)); return err },
		"compact": func(ctx context.Context) error {
			_, err := kv.Compact(ctx, &pb.CompactionRequest{Revision: 1})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- write(ctx) }()
		cancel()
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.end()
	leased := &pb.PutRequest{Key: []byte("k"), Lease: 7}
	if _, err := kv.Put(t.Context(), leased); status.Code(err) != codes.NotFound {
		t.Errorf("put with a lease: %v", err)
	}
	if _, err := kv.Txn(t.Context(), ops(leased)); status.Code(err) != codes.NotFound {
		t.Errorf("transaction with a lease: %v", err)
	}
	if _, err := kv.Put(t.Context(), put); err != nil {
		t.Error(err)
	}
}
