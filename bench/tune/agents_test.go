package tune

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/agent/agenttest"
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

// A tuning over agents measures the failover after the death of a leader, and recommends.
func TestTuningOverAgents(t *testing.T) {
	t.Parallel()
	c, end := agenttest.Gather(t, 2)
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
