package bench

import (
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// Events that were read late are blamed on the generator from one in a hundred on, and
// only where they are measured.
func TestReadersThatFallBehind(t *testing.T) {
	for name, c := range map[string]struct {
		phase string
		late  uint64
		want  string
	}{
		"in time":           {"measure", 0, results.Valid},
		"one in a hundred":  {"measure", 10, results.Valid},
		"more":              {"measure", 11, results.Degraded},
		"all in the warmup": {"warmup", 1000, results.Valid},
	} {
		plan := Plan{Phases: []PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}}
		f := findings{}
		f.addArrived(plan, []results.Operation{
			{Phase: c.phase, Op: "event", Arrived: true, Completed: 1000, Counts: []results.Count{{Name: results.CountReadLate, Count: c.late}}},
			{Phase: c.phase, Op: "put", Completed: 1000},
		})
		v := f.judge()
		if v.Verdict != c.want || (len(v.Reasons) > 0) != (c.want != results.Valid) || len(v.Reasons) > 0 && v.Reasons[0].Code != "reader-behind" {
			t.Errorf("%s: %s, %+v", name, v.Verdict, v.Reasons)
		}
	}
}
