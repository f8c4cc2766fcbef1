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
	b.Plan.Clients, b.Cluster.Version, b.Environment.CPUs, b.Validity.Verdict = 9, "3.6.14", 4, results.Invalid
	d := strings.Join(Differences(a, &b), "\n")
	for _, want := range []string{"val-size: 256 against 512", "clients: 8 against 9", "etcd: 3.7.3 against 3.6.14", "machine: 2 CPUs", "validity: none against invalid"} {
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
