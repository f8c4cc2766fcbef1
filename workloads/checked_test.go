package workloads_test

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// Each workload has its answers checked, and a cluster that answers correctly is not
// accused.
func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	endpoints := cluster.Endpoints(workloadstest.StartCluster(t, 3))
	for name, test := range map[string]struct {
		workload string
		params   map[string]string
	}{
		"put":          {workload: "put"},
		"range":        {workload: "range"},
		"serializable": {workload: "range", params: map[string]string{"consistency": "s"}},
		"prefix":       {workload: "range", params: map[string]string{"span": "prefix", "page-size": "20"}},
		"txn-mixed":    {workload: "txn-mixed", params: map[string]string{"txn-ops": "3"}},
		"txn-cas":      {workload: "txn-cas", params: map[string]string{"verbs": "create,update,delete"}},
		"delete":       {workload: "delete"},
		"lease-revoke": {workload: "lease-revoke"},
		"stm":          {workload: "stm"},
		"lock":         {workload: "lock"},
		"election":     {workload: "election"},
		"RangeStream":  {workload: "range", params: map[string]string{"span": "prefix", "stream": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			params := map[string]string{"key-space-size": "100"}
			if test.workload == "lease-revoke" || test.workload == "lock" || test.workload == "election" {
				params = map[string]string{}
			}
			for k, v := range test.params {
				params[k] = v
			}
			target := workloads.Target{
				Conns: workloadstest.Dial(t, 3, endpoints...), Prefix: "/checked/" + name + "/", Seed: 1, Verify: true, Exclusive: true,
			}
			plan := workloadstest.Plan(8, bench.PlanPhase{Total: 600})
			plan.Verify, plan.Timeout = true, 5*time.Second
			run, err := bench.Run(t.Context(), plan, newWorkload(t, test.workload, target, params), bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			checked := map[string]uint64{}
			for _, c := range run.Proof.Checks {
				checked[c.Name] = c.Checked
			}
			if run.Proof.Verdict != results.Proved || checked["recency"] < 600 || checked["content"] < 300 {
				t.Errorf("checked %v, proof %+v", checked, run.Proof)
			}
		})
	}
}
