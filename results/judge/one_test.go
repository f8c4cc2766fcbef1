package judge

import (
	"math"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// A gate on one member, which has no peers, and one whose members tell no costs can pass;
// what only one side has decides nothing.
func TestMissingCosts(t *testing.T) {
	t.Parallel()
	side := func(members int, cost map[string]float64) *results.Run {
		run := &results.Run{Cluster: results.Cluster{Members: make([]results.Member, members)}}
		if cost != nil {
			run.Server = &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: 100, Figures: cost}}}
		}
		return run
	}
	rounds := func(baseline, candidate *results.Run) (list []Round) {
		for n := range 12 {
			r := NewRound(n+1, baseline, candidate)
			for _, name := range []string{"throughput", "p50", "p99"} {
				r.Baseline[name], r.Candidate[name] = 100, 100+math.Sin(float64(n))/100
			}
			r.BaselineTried, r.CandidateTried = Tried{Ended: 60_000}, Tried{Ended: 60_000}
			list = append(list, r)
		}
		return list
	}
	costs := map[string]float64{"cpu": 1e5, "allocs": 200, "alloc_bytes": 3e4, "fsyncs": 0.2, "client_bytes": 900}
	for name, tc := range map[string]struct {
		baseline, candidate *results.Run
		want, reason        string
	}{
		"one member": {side(1, costs), side(1, costs), results.Pass, "no primary metric"},
		"no costs":   {side(3, nil), side(3, nil), results.Pass, "no primary metric"},
		"one side":   {side(3, costs), side(3, nil), results.Inconclusive, "not measured in every round: cpu"},
	} {
		metrics, verdict, reason, _ := DefaultRules().Look(rounds(tc.baseline, tc.candidate))
		if verdict != tc.want || !strings.Contains(reason, tc.reason) {
			t.Errorf("%s: %s (%s), want %s", name, verdict, reason, tc.want)
		}
		for _, m := range metrics {
			if m.Name == "network_bytes" && (m.Verdict == results.Pass) != (name == "one member") {
				t.Errorf("%s: network_bytes is %s", name, m.Verdict)
			}
		}
	}
	_, verdict, reason, _ := DefaultRules().Look(rounds(side(1, nil), side(1, costs)))
	if strings.Contains(reason, "nothing was measured") || verdict != results.Inconclusive {
		t.Errorf("%s (%s)", verdict, reason)
	}
}

// Errors are compared between runs, and a share that fails on one side is worse, even where
// nothing else completed.
func TestCompareErrors(t *testing.T) {
	t.Parallel()
	side := func(failed ...uint64) (runs []Run) {
		for _, n := range failed {
			run := &results.Run{Plan: results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}}}
			run.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 10_000, Completed: 10_000 - n, Failed: n}}
			runs = append(runs, Run{Run: run})
		}
		return runs
	}
	for name, tc := range map[string]struct {
		base, candidate []Run
		want            string
	}{
		"4 %":            {side(0), side(400), results.Worse},
		"all":            {side(0), side(10_000), results.Worse},
		"none":           {side(0), side(0), results.Same},
		"fewer":          {side(400), side(0), results.Better},
		"two runs":       {side(0, 0), side(300, 500), results.Worse},
		"as different":   {side(100, 400), side(250, 500), results.Unresolved},
		"several":        {side(0, 10, 0, 5, 0), side(300, 200, 400, 500, 100), results.Worse},
		"several, alike": {side(100, 400, 10, 200, 600), side(200, 300, 500, 20, 700), results.Unresolved},
	} {
		if c := compared(t, tc.base, tc.candidate)[errorRate]; c.Word != tc.want {
			t.Errorf("%s: %+v, want %s", name, c, tc.want)
		}
	}
}
