package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkCalls checks single calls: small and large, and refused in several ways.
func checkCalls(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	kv, prefix := pb.NewKVClient(conn), t.Name()+"/large"
	rangeEnd := []byte(prefix + "s")
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	values := [][]byte{nil, []byte("small"), large, large, large, large, large, large}
	for i, value := range values {
		r, err := kv.Put(ctx, &pb.PutRequest{Key: fmt.Append(nil, prefix, i), Value: value})
		if err != nil || r.Header.Revision == 0 {
			t.Fatalf("put of %d bytes: %v, %v", len(value), r, err)
		}
	}
	// More than a stream's window, of several megabytes.
	r, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: rangeEnd})
	if err != nil || int(r.Count) != len(values) {
		t.Fatalf("range: %d keys, %v", r.GetCount(), err)
	}
	for i, kv := range r.Kvs {
		if !bytes.Equal(kv.Value, values[i]) {
			t.Errorf("value %d of %d bytes was read as one of %d bytes", i, len(values[i]), len(kv.Value))
		}
	}
	txn := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(prefix), RangeEnd: rangeEnd},
	}}}}
	if r, err := kv.Txn(ctx, txn); err != nil || int(r.Responses[0].GetResponseDeleteRange().Deleted) != len(values) {
		t.Errorf("transaction: %v, %v", r, err)
	}
	checkLease(ctx, t, conn)

	_, err = kv.Put(ctx, &pb.PutRequest{})
	wantError(t, "put without a key", err, rpctypes.ErrGRPCEmptyKey)
	_, err = kv.Put(ctx, &pb.PutRequest{Key: []byte("k"), Value: make([]byte, 1<<21-1<<17)})
	wantError(t, "put that is too large", err, rpctypes.ErrGRPCRequestTooLarge)
	_, err = kv.Range(ctx, &pb.RangeRequest{Key: []byte("k"), Revision: 1 << 40})
	wantError(t, "range in the future", err, rpctypes.ErrGRPCFutureRev)
	err = conn.Invoke(ctx, "/etcdserverpb.KV/Nothing", &pb.PutRequest{}, &pb.PutResponse{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
	late, cancelLate := context.WithTimeout(ctx, time.Microsecond)
	defer cancelLate()
	if _, err = kv.Put(late, &pb.PutRequest{Key: []byte("k")}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	cancelLate()
	ended, end := context.WithCancel(ctx)
	end()
	if _, err = kv.Put(ended, &pb.PutRequest{Key: []byte("k")}); status.Code(err) != codes.Canceled {
		t.Errorf("canceled: %v", err)
	}
}

// checkLease checks that a lease is renewed by one call, as clientv3's KeepAliveOnce does it, and
// that the renewal of a lease that has ended is answered with a time to live of 0.
func checkLease(ctx context.Context, t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	leases := pb.NewLeaseClient(conn)
	granted, err := leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 60})
	if err != nil || granted.ID == 0 {
		t.Fatalf("lease: %v, %v", granted, err)
	}
	for _, ttl := range []int64{60, 0} {
		var renewed pb.LeaseKeepAliveResponse
		err := conn.Invoke(ctx, pb.Lease_LeaseKeepAlive_FullMethodName, &pb.LeaseKeepAliveRequest{ID: granted.ID}, &renewed)
		if err != nil || renewed.ID != granted.ID || renewed.TTL != ttl {
			t.Errorf("renewal: %v, %v, want a time to live of %d s", &renewed, err, ttl)
		}
		if _, err := leases.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: granted.ID}); ttl > 0 && err != nil {
			t.Errorf("revocation: %v", err)
		}
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if status.Code(err) != status.Code(want) || status.Convert(err).Message() != status.Convert(want).Message() {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// checkConcurrency checks that each of many calls at a time gets its own answer.
func checkConcurrency(t *testing.T, conns []grpc.ClientConnInterface) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var (
		done      sync.WaitGroup
		mu        sync.Mutex
		revisions = map[int64]int{}
	)
	for client := range 50 {
		done.Go(func() {
			kv, key := pb.NewKVClient(conns[client%len(conns)]), fmt.Append(nil, t.Name(), "/", client)
			for i := range 10 {
				value := bytes.Repeat([]byte{byte(client)}, 1+i*i*i*20)
				put, err := kv.Put(ctx, &pb.PutRequest{Key: key, Value: value})
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				got, err := kv.Range(ctx, &pb.RangeRequest{Key: key})
				if err != nil || len(got.Kvs) != 1 || !bytes.Equal(got.Kvs[0].Value, value) || got.Kvs[0].ModRevision != put.Header.Revision {
					t.Errorf("client %d reads something else than it wrote: %v", client, err)
				}
				mu.Lock()
				revisions[put.Header.Revision]++
				mu.Unlock()
			}
		})
	}
	done.Wait()
	for revision, n := range revisions {
		if n > 1 {
			t.Errorf("%d puts were answered with revision %d", n, revision)
		}
	}
}

// checkStream checks that streams work beside calls.
func checkStream(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watch, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte(t.Name())}}}
	if err := watch.Send(request); err != nil {
		t.Fatal(err)
	}
	if r, err := watch.Recv(); err != nil || !r.Created {
		t.Fatalf("%v, %v", r, err)
	}
	put, err := pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := watch.Recv(); err != nil || len(r.Events) != 1 || r.Events[0].Kv.ModRevision != put.Header.Revision {
		t.Errorf("%v, %v, want the event of revision %d", r, err, put.Header.Revision)
	}
}
