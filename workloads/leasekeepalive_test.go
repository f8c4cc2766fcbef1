package workloads_test

import (
	"testing"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// A stream for each renewal renews the leases over each transport, without a goroutine for
// each client where the transport allows it, and finds out that a lease has ended.
func TestLeaseKeepaliveOnce(t *testing.T) {
	endpoint := workloadstest.StartCluster(t, 1).Members()[0].Endpoint
	const streams = "LeaseKeepAlive streams"
	lean := dial(t, endpoint, 2, transport.Lean, false).Conns()
	for name, conns := range map[string][]grpc.ClientConnInterface{
		"started": lean, "lean": blocking(lean), "grpc": dial(t, endpoint, 2, transport.GRPC, false).Conns(),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkload(t, "lease-keepalive", workloads.Target{Conns: conns, Prefix: "/once/", Seed: 1},
				map[string]string{"leases": "7", "once": "true"})
			p := &workloadstest.Probe{Workload: w, Endpoints: []string{endpoint}}
			run, err := bench.Run(t.Context(), workloadstest.Plan(3, bench.PlanPhase{Total: 60}), p, bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if op := run.Operations[0]; op.Completed != 60 || p.After[streams]-p.Before[streams] != 60 {
				t.Errorf("completed %d of 60, the server counts %d streams: %v", op.Completed, p.After[streams]-p.Before[streams], op.Errors)
			}
			worker, err := w.NewWorker(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if starter := worker.(bench.StarterWorker).AsStarter(); (starter != nil) != (name == "started") {
				t.Errorf("starter %v", starter)
			}
			// The run has revoked its leases.
			if err := worker.Do(t.Context(), &bench.Op{}); err == nil || err.Error() != "the lease has ended" {
				t.Errorf("renewing a lease that has ended: %v", err)
			}
		})
	}
}
