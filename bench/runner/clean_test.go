package runner_test

import (
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/claim"
)

// claimed claims a prefix as a run does, writes keys below it, the first of them with a
// lease, and is killed then unless it goes on.
func (r *running) claimed(prefix string, goesOn bool, names ...string) {
	r.t.Helper()
	_, revision := r.keys()
	owner := claim.Self("run-of-"+prefix, revision)
	before := r.leases()
	tags := claim.NewLeaseTags(2)
	owner.Leases = []claim.LeaseTags{tags}
	c, err := claim.Take(r.t.Context(), []grpc.ClientConnInterface{r.conn}, prefix, owner, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	leases := pb.NewLeaseClient(r.conn)
	if !goesOn {
		for id := range r.leases() {
			if before[id] {
				continue
			}
			if _, err := leases.LeaseRevoke(r.t.Context(), &pb.LeaseRevokeRequest{ID: id}); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	r.t.Cleanup(func() { _ = c.Release(r.t.Context(), true) })
	// Of the first process's leases, one gets a key. The second process's have none.
	lease := r.grant(int64(tags.First)<<32 | 1)
	for n := range int64(3) {
		r.grant(int64(tags.First+1)<<32 | (n + 1))
	}
	for i, name := range names {
		put := &pb.PutRequest{Key: []byte(prefix + name)}
		if i == 0 {
			put.Lease = lease
		}
		if _, err := r.kv.Put(r.t.Context(), put); err != nil {
			r.t.Fatal(err)
		}
	}
}

// grant grants a lease; 0 lets the server choose the ID.
func (r *running) grant(id int64) int64 {
	r.t.Helper()
	lease, err := pb.NewLeaseClient(r.conn).LeaseGrant(r.t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: 3600})
	if err != nil {
		r.t.Fatal(err)
	}
	return lease.ID
}

// What killed runs have left is found and removed, with leases and records. What a run
// that goes on has, and what is of others, stays.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	r.put("/other", "theirs")
	r.put("/shared/00000001", "theirs")
	r.put("/shared/pod", "theirs")
	r.put("/etcdbench/theirs", "theirs")
	r.put("/etcdbench/theirs/00000001", "theirs")
	r.put("/etcdbench/a/00000009", "theirs")
	theirs := r.grant(0)
	const kept, killed = "/etcdbench/20261125-000000-abcdef/", "/etcdbench/20261125-000000-abcde0/"
	r.put(kept+"1", "of a run with --keep-data")
	r.claimed(killed, false, "1", "x")
	r.claimed("/etcdbench/a/", false, "00000001", "lock-1/694d9aabbccdd001", "x")
	r.claimed("/etcdbench/b/", true, "00000001", "00000002")
	r.claimed("/shared/", false, "00000002", "sub/00000003")
	r.put("/shared/young-pod", "theirs")

	spec := r.spec("put", "/shared/", 10)
	spec.AllowExisting = false
	if _, err := runner.Run(t.Context(), spec, runner.Options{}); err == nil || !strings.Contains(err.Error(), "run run-of-/shared/ of") ||
		!strings.Contains(err.Error(), "run etcdbench clean --endpoints "+r.endpoint+` --prefix "/shared/"`) {
		t.Errorf("%v", err)
	}
	clean := func(prefix, want string) {
		t.Helper()
		left, err := runner.FindLeftovers(t.Context(), spec.Cluster, prefix, "")
		if err != nil {
			t.Fatal(err)
		}
		defer left.Close()
		var got []string
		for _, l := range left.List {
			got = append(got, fmt.Sprintf("%s %d keys %d others %d kept %d leases active %v left %v", l.Prefix, l.Keys, l.Others, l.Kept,
				len(l.Leases), l.Status.Active != nil, l.Status.Left != nil))
			if !l.Removable() {
				continue
			}
			if deleted, err := left.Remove(t.Context(), l); err != nil || deleted != l.Keys {
				t.Errorf("%s: %d of %d deleted, %v", l.Prefix, deleted, l.Keys, err)
			}
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: %s, want %s", prefix, text, want)
		}
	}
	clean("", killed+" 2 keys 0 others 0 kept 4 leases active false left true; "+
		kept+" 0 keys 0 others 1 kept 0 leases active false left false; "+
		"/etcdbench/a/ 2 keys 2 others 0 kept 4 leases active false left true; "+
		"/etcdbench/b/ 2 keys 0 others 0 kept 4 leases active true left true")
	clean(kept, kept+" 1 keys 0 others 0 kept 0 leases active false left false")
	clean("/shared/", "/shared/ 2 keys 3 others 0 kept 4 leases active false left true")
	if left := r.leases(); len(left) != 6 || !left[theirs] { // and those of the run that goes on, with its claim's
		t.Errorf("leases left: %v", left)
	}
	keys, _ := r.keys()
	for _, key := range []string{"/other", "/shared/00000001", "/shared/pod", "/shared/young-pod", "/etcdbench/theirs",
		"/etcdbench/theirs/00000001", "/etcdbench/a/00000009", "/etcdbench/a/x", "/etcdbench/b/00000001", "/etcdbench/b/00000002"} {
		if keys[key] == nil {
			t.Errorf("%s is gone", key)
		}
		delete(keys, key)
	}
	if len(keys) != 2 { // the markers of the run that goes on
		t.Errorf("left: %v", keys)
	}
	clean("/shared/", "")
	clean("/other/", "")
	if _, err := runner.FindLeftovers(t.Context(), spec.Cluster, "/", ""); err == nil || workloads.Namespace == "/" {
		t.Errorf("the whole cluster: %v", err)
	}
}
