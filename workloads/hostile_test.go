package workloads_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// Well-formed replies that etcd does not send make operations fail, or the run, and
// noSetup worse, whatever the workload.
func TestMangledReplies(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	for i, e := range served() {
		for _, during := range []string{"run", "whole"} {
			t.Run(e.Name+" "+during, func(t *testing.T) {
				t.Parallel()
				m, err := transporttest.NewMangler(cluster.Endpoints(c)[0], 0.2, uint64(i))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(m.Stop)
				conns := workloadstest.Dial(t, 2, m.Address)
				target := workloads.Target{
					Conns: conns, Members: conns[:1], Prefix: fmt.Sprintf("/mangled/%s/%s/", e.Name, during), Seed: 7,
					Verify: true, Patience: time.Second,
				}
				params := conforming[e.Name].with(hasKeySpace(e.Name))
				w := newWorkload(t, e.Name, target, params)
				plan := workloadstest.Plan(4, bench.PlanPhase{Duration: 300 * time.Millisecond})
				plan.Timeout, plan.Drain, plan.Verify = 200*time.Millisecond, 200*time.Millisecond, true
				m.Activate(during == "whole")
				if err := w.Setup(t.Context(), nil); err != nil && during == "run" {
					t.Fatal(err)
				}
				m.Activate(true)
				if _, err := bench.Run(t.Context(), plan, w, bench.Options{}); err != nil {
					t.Logf("%d replies changed: %v", m.Mangled(), err)
				}
			})
		}
	}
}
