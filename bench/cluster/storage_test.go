package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// The store holds what was written, also where the caller uses its buffers again, and
// removes its data when it stops.
func TestStorageHoldsWrites(t *testing.T) {
	s := cluster.DefaultSettings()
	s.DataDir = t.TempDir()
	c, err := cluster.StartStorage(s)
	if err != nil {
		t.Fatal(err)
	}
	kv := pb.NewKVClient(c)
	key := make([]byte, 6)
	const keys = 100
	for i := range keys {
		copy(key, fmt.Sprintf("k%05d", i))
		put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: []byte("v")}}}
		if i%2 == 0 {
			_, err = kv.Put(t.Context(), put.GetRequestPut())
		} else {
			_, err = kv.Txn(t.Context(), &pb.TxnRequest{Success: []*pb.RequestOp{put}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all := &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l")}
	r, err := kv.Range(t.Context(), all)
	if err != nil || r.Count != keys || r.Header.Revision != keys+1 || string(r.Kvs[7].Key) != "k00007" {
		t.Errorf("%d keys at revision %d: %v", r.GetCount(), r.GetHeader().GetRevision(), err)
	}
	if _, err := kv.Compact(t.Context(), &pb.CompactionRequest{Revision: keys, Physical: true}); err != nil {
		t.Error(err)
	}
	all.Revision = keys - 1
	if _, err := kv.Range(t.Context(), all); err == nil {
		t.Error("a compacted revision was read")
	}
	if info, err := os.Stat(c.File()); err != nil || info.Size() == 0 {
		t.Errorf("database: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.DataDir); len(left) > 0 {
		t.Errorf("%d entries are left", len(left))
	}
}

// The log holds each acknowledged entry once and in order, as etcd's own reader finds them.
func TestLogHoldsEntries(t *testing.T) {
	s := cluster.DefaultSettings()
	s.DataDir = t.TempDir()
	l, err := cluster.StartLog(s)
	if err != nil {
		t.Fatal(err)
	}
	const clients, each = 8, 25
	revisions := make([]bool, 2+clients*each)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			for i := range each {
				r, err := pb.NewKVClient(l).Put(t.Context(), &pb.PutRequest{Key: fmt.Appendf(nil, "%d/%d", client, i), Value: []byte("v")})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				revisions[r.Header.Revision] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	reader, err := wal.OpenForRead(zap.NewNop(), l.Dir(), &walpb.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, entries, err := reader.ReadAll()
	if err != nil || len(entries) != clients*each {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	keys := map[string]bool{}
	for i, e := range entries {
		var request pb.InternalRaftRequest
		if err := proto.Unmarshal(e.Data, &request); err != nil || e.GetIndex() != uint64(i+1) || !revisions[i+2] {
			t.Errorf("entry %d has the index %d: %v", i, e.GetIndex(), err)
		}
		keys[string(request.GetPut().GetKey())] = true
	}
	if len(keys) != clients*each {
		t.Errorf("%d keys", len(keys))
	}
	_ = reader.Close()
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.DataDir); len(left) > 0 {
		t.Errorf("%d entries of the directory are left", len(left))
	}
}

// BenchmarkStoragePut compares a put by a call of the store with one over its connection.
func BenchmarkStoragePut(b *testing.B) {
	value := make([]byte, 256)
	b.Run("store", func(b *testing.B) {
		config := backend.DefaultBackendConfig(zap.NewNop())
		config.Path = filepath.Join(b.TempDir(), "db")
		be := backend.New(config)
		store := mvcc.NewStore(zap.NewNop(), be, &lease.FakeLessor{}, mvcc.StoreConfig{})
		i := 0
		for b.Loop() {
			store.Put(fmt.Appendf(nil, "k%06d", i%10_000), value, lease.NoLease)
			i++
		}
		_, _ = store.Close(), be.Close()
	})
	b.Run("connection", func(b *testing.B) {
		s := cluster.DefaultSettings()
		s.DataDir = b.TempDir()
		c, err := cluster.StartStorage(s)
		if err != nil {
			b.Fatal(err)
		}
		put, reply, i := &pb.PutRequest{Value: value}, new(pb.PutResponse), 0
		for b.Loop() {
			put.Key = fmt.Appendf(nil, "k%06d", i%10_000)
			if err := c.Invoke(context.Background(), pb.KV_Put_FullMethodName, put, reply); err != nil {
				b.Fatal(err)
			}
			i++
		}
		_ = c.Stop()
	})
}
