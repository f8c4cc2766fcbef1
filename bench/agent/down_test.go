package agent_test

import (
	"os"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	os.Exit(workloadstest.Waiting{M: m}.Run())
}

// Where a member is down from the beginning, as in capacity searches, agents send to the
// others.
func TestMemberDown(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	s.joinAll(t.Context())
	sp := spec("put", 2)
	sp.Cluster.Start.InProcess, sp.Cluster.Start.Members, sp.Cluster.Start.UnsafeNoFsync = false, new(3), new(true)
	sp.Cluster.Start.TLS = new("auto")
	sp.Load.Warmup, sp.Load.Timeout = new(time.Duration(0)), new(10*time.Second)
	sp.Load.Total, sp.Load.Duration = new(uint64(400)), nil
	sp.Experiment.MemberDown = true
	dir := t.TempDir()
	run, err := runner.Run(t.Context(), sp, runner.Options{Dir: dir, Fleet: s})
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, run, dir)
	if n := run.Operations[0].Completed; run.Outcome != results.Completed || n != 400 || run.Proof.Found > 0 {
		t.Errorf("%s, %d operations completed, proof %+v", run.Outcome, n, run.Proof)
	}
	s.end(t)
}
