package runner_test

import (
	"strings"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
)

// oneInTen chooses every tenth request that it is called with.
func oneInTen() func([]byte) bool {
	var n atomic.Int64
	return func([]byte) bool { return n.Add(1)%10 == 0 }
}

// ofRun chooses the revocations of leases that a run has numbered, not that of its claim.
func ofRun(request []byte) bool {
	var r pb.LeaseRevokeRequest
	return proto.Unmarshal(request, &r) == nil && uint32(r.ID) < 1000
}

// Where requests of unknown outcome may be carried out after the run, or leases cannot be
// revoked, a warning names the command that removes them, and that command finds them.
func TestRemainsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workload, method, code string
		chosen                 func(request []byte) bool
		keepData               bool
		// late says that the member carries out the requests after the run.
		late         bool
		keys, leases int
	}{
		"late keys": {
			workload: "put", method: pb.KV_Put_FullMethodName, code: "keys-left", chosen: oneInTen(), late: true, keys: 4,
		},
		"late leases": {
			workload: "lease-grant", method: pb.Lease_LeaseGrant_FullMethodName, code: "teardown-failed", chosen: oneInTen(), late: true, leases: 4,
		},
		"leases that are left": {
			workload: "lease-grant", method: pb.Lease_LeaseRevoke_FullMethodName, code: "teardown-failed", chosen: ofRun, leases: 40,
		},
		"leases beside keys to keep": {
			workload: "lease-attach", method: pb.Lease_LeaseRevoke_FullMethodName, code: "teardown-failed", chosen: ofRun, keepData: true, leases: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRunning(t)
			p, err := transporttest.NewPostponer(r.endpoint, c.method, c.chosen)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Stop()
			before := r.leases()
			s := r.spec(c.workload, "/remains/", 40)
			s.Workload = map[string]string{}
			if c.workload == "put" {
				s.Workload["keys"] = "sequential"
			}
			if c.workload == "lease-attach" {
				s.Workload["keys-per-lease"] = "10"
			}
			s.Cluster.Endpoints, s.KeepData = []string{p.Address}, c.keepData
			run := r.run(s, runner.Options{})
			command := `etcdbench clean --endpoints ` + p.Address + ` --prefix "/remains/"`
			if len(run.Warnings) != 2 || run.Warnings[0].Code != c.code || !strings.HasSuffix(run.Warnings[1].Message, command) {
				t.Errorf("warnings %v, want %s and the command %s", run.Warnings, c.code, command)
			}
			if c.late {
				if n := p.CarryOut(t.Context()); n != c.keys+c.leases {
					t.Fatalf("%d requests were carried out late, want %d", n, c.keys+c.leases)
				}
			}
			s.Cluster.Endpoints = []string{r.endpoint}
			left, err := runner.FindLeftovers(t.Context(), s.Cluster, s.Prefix, "")
			if err != nil {
				t.Fatal(err)
			}
			defer left.Close()
			if len(left.List) != 1 || left.List[0].Keys != c.keys || len(left.List[0].Leases) != c.leases {
				t.Fatalf("found %+v", left.List)
			}
			if _, err := left.Remove(t.Context(), left.List[0]); err != nil {
				t.Error(err)
			}
			keys, _ := r.keys()
			if len(keys) != 0 || len(r.leases()) != len(before) {
				t.Errorf("%d keys and %d leases are left", len(keys), len(r.leases()))
			}
		})
	}
}
