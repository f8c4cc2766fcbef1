package tune

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	os.Exit(m.Run())
}

// gather starts agents in this process. They end with the coordinator.
func gather(t *testing.T, count int) (c *agent.Coordinator, end func()) {
	t.Helper()
	etcd, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Stop)
	endpoint := agent.Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}
	c, err = agent.NewCoordinator(t.Context(), agent.CoordinatorOptions{Endpoint: endpoint, Count: count, JoinTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var agents sync.WaitGroup
	for i := range count {
		agents.Go(func() {
			if err := agent.Serve(t.Context(), agent.AgentOptions{Endpoint: endpoint, Index: i}); err != nil {
				t.Errorf("agent %d: %v", i, err)
			}
		})
	}
	return c, func() {
		c.Close()
		agents.Wait()
	}
}

// A tuning over agents measures the failover after the death of a leader, and recommends.
func TestTuningOverAgents(t *testing.T) {
	t.Parallel()
	c, end := gather(t, 2)
	defer end()
	base := runner.Spec{Agents: runner.Agents{Count: 2, Local: true}}
	base.Load.Rate, base.Load.Clients, base.Cluster.Start.UnsafeNoFsync = new(500.0), new(512), new(true)
	e, err := New(base, Config{Effort: experiment.Quick, Steady: new(2 * time.Second), Rounds: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	// One setting and one fault are enough here.
	e.idle, e.faults, e.candidates = 200*time.Millisecond, []string{results.FaultKillLeader}, e.candidates[:1]
	dir := t.TempDir()
	tuned, err := e.Run(t.Context(), experiment.Options{Dir: dir, Fleet: c}, nil)
	if err != nil || tuned.Recommended != "100ms/1s" {
		t.Fatalf("%+v, %v", tuned, err)
	}
	run, whole := results.ReadWhole(filepath.Join(dir, tuned.Tried[0].Runs[0]))
	if !whole || len(run.Agents) != 2 || run.Resilience == nil || run.Resilience.Finding != "" {
		t.Fatalf("%+v", run)
	}
	if o := run.Resilience.Outages; len(o) != 1 || o[0].Fault != results.FaultKillLeader || o[0].Length == 0 || o[0].Open {
		t.Errorf("outages %+v", o)
	}
	for _, a := range run.Agents {
		if a.Failure != "" || a.NotOffered != 0 {
			t.Errorf("agent %+v", a)
		}
	}
}
