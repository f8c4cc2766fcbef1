package workloads

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// The estimate of a population counts the keys of the scenario and those of its workloads.
func TestPopulationTime(t *testing.T) {
	t.Parallel()
	big := map[string]string{"key-space-size": "200000", "val-size": "1000"}
	for name, tc := range map[string]struct {
		plan        results.Plan
		least, most time.Duration
	}{
		"puts":      {results.Plan{Workload: "put", Prefix: "/p/", Params: big}, 0, 0},
		"reads":     {results.Plan{Workload: "range", Prefix: "/p/", Params: big}, 10 * time.Second, 20 * time.Second},
		"existing":  {results.Plan{Workload: "range", Prefix: "/p/", Params: map[string]string{"existing": "true"}}, 0, 0},
		"updates":   {results.Plan{Workload: "txn-cas", Prefix: "/p/", Params: map[string]string{"key-space-size": "200000", "initial-keys": "1000"}}, time.Millisecond, time.Second},
		"a catalog": {results.Plan{Workload: "put", Prefix: "/p/", Population: []results.PlanPopulation{{Prefix: "/p/c/", Keys: 20_000, KeySize: 48, ValSize: "2000"}}}, time.Second, 3 * time.Second},
	} {
		if got := PopulationTime(&tc.plan); got < tc.least || got > tc.most {
			t.Errorf("%s: %v is not between %v and %v", name, got, tc.least, tc.most)
		}
	}
}
