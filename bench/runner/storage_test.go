package runner_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// Workloads of the storage layer run without a cluster, are labelled as such and leave no
// data.
func TestStorage(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]map[string]string{
		"storage-put": nil, "storage-range": {"key-space-size": "500", "span": "10"}, "storage-txn": {"txn-ops": "5"},
		"storage-compact": {"puts": "99"}, "wal-append": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runner.Spec{Scenario: name, Workload: params}
			s.Load.Warmup, s.Load.Total = new(time.Duration(0)), new(uint64(1000))
			s.Cluster.Start.DiskProbe, s.Cluster.Start.UnsafeNoFsync = new(time.Millisecond), new(true)
			dir := filepath.Join(t.TempDir(), "out")
			run, err := runner.Run(t.Context(), s, runner.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			kind := results.ClusterStorage
			if name == "wal-append" {
				kind = results.ClusterLog
			}
			if run.Cluster.Kind != kind || len(run.Cluster.Members) > 0 || run.Plan.Transport != results.TransportDirect {
				t.Errorf("cluster %+v, transport %q", run.Cluster, run.Plan.Transport)
			}
			if run.Target.Verdict != results.TargetNone || run.Plan.Clients != 1 || len(run.Warnings) > 0 {
				t.Errorf("target %+v, %d clients, warnings %v", run.Target, run.Plan.Clients, run.Warnings)
			}
			completed := map[string]uint64{}
			for _, o := range run.Operations {
				completed[o.Op] += o.Completed
			}
			if n := completed["put"] + completed["range"] + completed["txn-put"] + completed["compact"]; n != 1000 ||
				name == "storage-compact" && completed["compact"] != 10 {
				t.Errorf("completed %v", completed)
			}
			if _, err := os.Stat(filepath.Join(dir, "data")); !os.IsNotExist(err) {
				t.Errorf("data are left: %v", err)
			}
		})
	}
}

// What needs a cluster is refused where there is none.
func TestStorageRefusals(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*runner.Spec){
		"endpoints": func(s *runner.Spec) { s.Cluster.Endpoints = []string{"localhost:1"} },
		"members":   func(s *runner.Spec) { s.Cluster.Start.Members = new(1) },
		"tls":       func(s *runner.Spec) { s.Cluster.Start.TLS = new("auto") },
		"transport": func(s *runner.Spec) { s.Load.Transport = new("grpc") },
		"disturb": func(s *runner.Spec) {
			s.Disturbances = []results.PlanDisturbance{{Kind: "compaction", At: time.Second}}
		},
		"agents":       func(s *runner.Spec) { s.Agents.Count = 2 },
		"etcd-version": func(s *runner.Spec) { s.Cluster.Start.Version = new("v3.6.14") },
		"in-process":   func(s *runner.Spec) { s.Cluster.Start.InProcess = true },
		"verify":       func(s *runner.Spec) { s.Verify = new(true) },
		"target":       func(s *runner.Spec) { s.Load.Target = new(10_000.0) },
	} {
		s := runner.Spec{Scenario: "storage-put"}
		change(&s)
		if _, err := s.Resolve(""); err == nil || !strings.Contains(err.Error(), "--"+name+" is for clusters") {
			t.Errorf("--%s: %v", name, err)
		}
	}
}
