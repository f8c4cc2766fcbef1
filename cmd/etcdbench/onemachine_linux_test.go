package main

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// compared are the percentiles of response time in the comparison.
var compared = [...]float64{50, 90, 99}

// maxRatio bounds the ratio of a percentile of four agents to that of one process, either
// way: the interval of its mean must reach into that.
const maxRatio = 1.25

// One process and four agents on the same machine send one schedule to the same cluster, in
// rounds of three runs: one process, four agents, one process. The counts are equal. The
// percentiles of four agents are those of one process, within the noise of both.
func TestOneMachineAgainstAgents(t *testing.T) {
	if *trials == 0 {
		t.Skip("takes 15 s for each round: -trials 8 makes eight")
	}
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync, s.DataDir, s.LogDir = 1, true, t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Stop() }()
	var agents, singles [len(compared)][]float64 // logarithms of ratios
	for round := range *trials {
		var ops [3]results.Operation
		usable := true
		for i, further := range [...][]string{nil, {"--agents", "local:4"}, nil} {
			valid := false
			ops[i], valid = runOnce(t, cluster.Endpoints(c), round, further...)
			usable = usable && valid
		}
		for _, o := range ops {
			if o.Offered != ops[0].Offered || o.Offered != o.Completed+o.Failed+o.Dropped+o.Unfinished {
				t.Errorf("round %d: %d offered, want %d, with the outcomes %d, %d, %d, %d", round, o.Offered, ops[0].Offered,
					o.Completed, o.Failed, o.Dropped, o.Unfinished)
			}
			if usable && o.Completed != o.Offered {
				t.Errorf("round %d: %d of %d completed", round, o.Completed, o.Offered)
			}
		}
		if !usable {
			t.Logf("round %d is not comparable: a run was invalid, as the machine had other work", round)
			continue
		}
		for i, p := range compared {
			percentile := func(run int) float64 { return math.Log(float64(ops[run].ResponseTime.Percentile(p).Time)) }
			agents[i] = append(agents[i], percentile(1)-percentile(0))
			singles[i] = append(singles[i], percentile(2)-percentile(0))
		}
	}
	if len(agents[0]) < 2 {
		t.Skipf("%d of %d rounds are comparable: use a machine without other work", len(agents[0]), *trials)
	}
	for i, p := range compared {
		mean, half := stats.MeanInterval(agents[i], 0.05)
		same, noise := stats.MeanInterval(singles[i], 0.05)
		text := fmt.Sprintf("p%g: four agents to one process %.2f (%.2f to %.2f), one process to another %.2f (%.2f to %.2f)", p,
			math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half), math.Exp(same), math.Exp(same-noise), math.Exp(same+noise))
		t.Log(text)
		if math.Abs(mean)-half > math.Log(maxRatio) {
			t.Errorf("beyond a factor of %g: %s", maxRatio, text)
		}
	}
}

// runOnce makes one run. It returns its writes, and whether they are a
// measurement of the server.
func runOnce(t *testing.T, endpoints []string, round int, further ...string) (writes results.Operation, valid bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	args := append([]string{"run", "put", "--endpoints", strings.Join(endpoints, ","), "--rate", "300", "--clients", "64", "--conns", "8",
		"--warmup", "1s", "--duration", "3s", "--seed", fmt.Sprint(round + 1), "--progress", "none", "--out", dir}, further...)
	out, err := exec.CommandContext(t.Context(), "etcdbench", args...).CombinedOutput()
	run, readErr := results.Read(dir)
	if readErr != nil || run.Outcome != results.Completed {
		t.Fatalf("%v: %v: %s", err, readErr, out)
	}
	for _, o := range run.Operations {
		if run.Measures(o.Phase) {
			return o, run.Validity.Verdict != results.Invalid
		}
	}
	t.Fatal("nothing was measured")
	return writes, false
}
