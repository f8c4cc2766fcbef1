package results

import (
	"testing"
	"time"
)

func TestForeignWrites(t *testing.T) {
	run := func(change func(*Run)) *Run {
		r := &Run{
			Cluster: Cluster{Kind: ClusterRemote},
			Plan:    Plan{Workload: "put"},
			Phases:  []Phase{{Name: "populate", Start: -5 * time.Second, Length: 5 * time.Second}, {Name: "warmup", Length: 2 * time.Second}, {Name: "measure", Start: 2 * time.Second, Length: 8 * time.Second}},
			Operations: []Operation{
				{Phase: "warmup", Op: "put", Write: true, Offered: 200, Completed: 200},
				{Phase: "measure", Op: "put", Write: true, Offered: 900, Completed: 790, Dropped: 100, Failed: 10},
			},
			Server: &Server{Members: []ServerMember{{Growth: map[string]float64{"puts": 990}}, {Growth: map[string]float64{"puts": 991}}, {}}},
		}
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		change func(*Run)
		want   float64
		known  bool
	}{
		"alone":                   {func(*Run) {}, 0, true},
		"a member is ahead":       {func(r *Run) { r.Server.Members[2].Growth = map[string]float64{"puts": 1200, "deletes": 50} }, 25, true},
		"of a mix with reads":     {func(r *Run) { r.Plan.Mix = []PlanEntry{{Workload: "put"}, {Workload: "range"}} }, 0, true},
		"writes of several keys":  {func(r *Run) { r.Plan.Workload = "txn-put" }, 0, false},
		"a cluster of one's own":  {func(r *Run) { r.Cluster.Kind = ClusterProcess }, 0, false},
		"members that do not say": {func(r *Run) { r.Server = nil }, 0, false},
		"no reading of any":       {func(r *Run) { r.Server.Members = r.Server.Members[2:] }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, known := ForeignWrites(run(c.change)); got != c.want || known != c.known {
				t.Errorf("%v %v, want %v %v", got, known, c.want, c.known)
			}
		})
	}
}
