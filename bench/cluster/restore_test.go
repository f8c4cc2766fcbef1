package cluster_test

import (
	"os"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// Three members behind links that lose their data are a new cluster with what the snapshot
// held. A file with another content is refused.
func TestRestore(t *testing.T) {
	t.Parallel()
	c, conns := startWith(t, cluster.Network{}, func(o *cluster.ProcessOptions) { o.UnsafeNoFsync = true })
	put := func(key string) *pb.PutResponse {
		r, err := pb.NewKVClient(conns[0]).Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	put("a")
	before := put("b").Header
	size, err := c.SaveSnapshot(t.Context(), 1)
	if err != nil || size < 16<<10 {
		t.Fatalf("a file of %d bytes: %v", size, err)
	}
	put("later")
	if err := c.Restore(0); err == nil || !strings.Contains(err.Error(), "its process is still running") {
		t.Errorf("a member that runs: %v", err)
	}
	for i := range conns {
		if err := c.Kill(i); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(c.SnapshotFile())
	if err != nil {
		t.Fatal(err)
	}
	broken := append([]byte{}, whole...)
	broken[len(broken)/2]++
	if err := os.WriteFile(c.SnapshotFile(), broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(0); err == nil || !strings.Contains(err.Error(), "expected sha256") {
		t.Errorf("a file with another content: %v", err)
	}
	if err := os.WriteFile(c.SnapshotFile(), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range conns {
		if err := c.Restore(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range conns {
		if err := c.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := pb.NewKVClient(conns[2]).Range(t.Context(), &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("z")})
	if err != nil || len(r.Kvs) != 2 || r.Header.Revision != before.Revision || r.Header.ClusterId == before.ClusterId {
		t.Errorf("%v, %v, of %v", r, err, before)
	}
}
