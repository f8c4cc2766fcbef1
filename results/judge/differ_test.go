package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Two runs differ in what decides their figures, and in nothing else.
func TestDifferences(t *testing.T) {
	a := &results.Run{Plan: results.Plan{Workload: "put", Clients: 8, Params: map[string]string{"val-size": "256"}}, Cluster: results.Cluster{Kind: "process", Version: "3.7.3"}, Environment: results.Environment{CPUs: 2}}
	same := *a
	same.ID, same.Started = "other", time.Now()
	if d := Differences(a, &same); len(d) != 0 {
		t.Errorf("two runs of one kind differ in %v", d)
	}
	b := *a
	b.Plan.Params = map[string]string{"val-size": "512"}
	b.Plan.Transport = results.TransportLean
	b.Plan.Clients, b.Cluster.Version, b.Environment.CPUs, b.Validity.Verdict = 9, "3.6.14", 4, results.Invalid
	b.Plan.Timeout, b.Cluster.TLS, b.Environment.Disk = time.Second, true, &results.Disk{FileSystem: "tmpfs"}
	b.Plan.Disturbances, b.Plan.Population = []results.PlanDisturbance{{Kind: "compact"}}, []results.PlanPopulation{{Keys: 5}}
	b.Plan.Phases = []results.PlanPhase{{Name: "measure", Load: results.Load{Rate: 5, RateEnd: 6, Arrival: "poisson"}}}
	d := strings.Join(Differences(a, &b), "\n")
	for _, want := range []string{"val-size: 256 against 512", "clients: 8 against 9", "transport: grpc against lean", "etcd: 3.7.3 against 3.6.14", "machine: 2 CPUs", "TLS: false against true", "timeout: 0s against 1s", "file system: none against tmpfs",
		"disturbances: none", "population: none", "phases: none against measure 0s at 5/s to 6/s poisson", "validity: none against invalid"} {
		if !strings.Contains(d, want) {
			t.Errorf("differences without %q:\n%s", want, d)
		}
	}
	if a.Series() != same.Series() || a.Series() == b.Series() {
		t.Error("series do not tell plans apart")
	}
	b = *a
	b.Cluster.Version = "3.6.14"
	if a.Series() != b.Series() {
		t.Error("another version is another series")
	}
}
