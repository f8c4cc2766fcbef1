package scale

import (
	"path/filepath"
	"testing"

	"github.com/etcdbench/etcdbench/bench/agent/agenttest"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// A ladder whose load comes from agents makes all steps, which end the load of the agents,
// too.
func TestLadderOverAgents(t *testing.T) {
	t.Parallel()
	const count = 2
	c, end := agenttest.Gather(t, count)
	e := smallLadder(t)
	e.base.Agents = runner.Agents{Count: count, Local: true}
	dir := t.TempDir()
	s, err := e.Run(t.Context(), experiment.Options{Dir: dir, Fleet: c}, func(Progress) {})
	end()
	if err != nil || s.Stopped != "" || len(s.Rungs) != 1 || len(s.Rungs[0].Events) == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, part := range []string{steadyDir, eventsDir} {
		run, complete := results.ReadWhole(filepath.Join(dir, s.Rungs[0].Dir, part))
		if !complete || run.Outcome != results.Completed || len(run.Agents) != count {
			t.Fatalf("%s: %+v", part, run)
		}
		for _, a := range run.Agents {
			if a.Failure != "" || a.NotOffered != 0 || a.Offered == 0 {
				t.Errorf("%s: agent %+v", part, a)
			}
		}
	}
}
