package workloads_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// In the steady state a put allocates nothing, from its arrival to its record: neither in the
// engine nor in the workload nor in the transport. What is allocated each second, and at the
// change of phases, does not depend on the number of puts.
func TestPutsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools drop some of what they are given")
	}
	address := startNoop(t)
	const puts = 40_000
	for _, c := range []struct {
		name   string
		load   bench.Load
		verify bool
		wrap   func(bench.Workload) bench.Workload
		each   bool // an allocation for each put is expected
	}{
		{name: "closed loop"},
		{name: "closed loop, verified", verify: true},
		{name: "open loop", load: bench.Load{Rate: 40_000}},
		{name: "an allocation is found", each: true, wrap: func(w bench.Workload) bench.Workload { return allocating{w} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := dial(t, address, 4, transport.Lean, c.load.Open())
			var w bench.Workload
			w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/put/", Seed: 1, Verify: c.verify}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.wrap != nil {
				w = c.wrap(w)
			}
			p := workloadstest.Plan(64, bench.PlanPhase{Total: puts, Load: c.load})
			p.Phases = append([]bench.PlanPhase{{Name: "first", Total: puts / 4, Warmup: true, Load: c.load}}, p.Phases...)
			o, counted := polled(pool), &allocations{}
			o.Observers = []bench.Observer{counted}
			if _, err := bench.Run(context.Background(), p, w, o); err != nil {
				t.Fatal(err)
			}
			perPut := float64(counted.end-counted.begin) / puts
			t.Logf("%.4f allocations for each put", perPut)
			if c.each != (perPut > 0.5) || !c.each && perPut > 0.3 { // what each second allocates counts, too
				t.Errorf("%.4f allocations for each put", perPut)
			}
		})
	}
}

// allocations counts the allocations of the phase "measure".
type allocations struct{ begin, end uint64 }

func (*allocations) Start(*results.Run) error         { return nil }
func (*allocations) Interval(*results.Interval) error { return nil }
func (*allocations) Finish(*results.Run) error        { return nil }

func (a *allocations) Phase(ph results.PlanPhase, _ time.Duration) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	switch ph.Name {
	case "measure":
		a.begin = m.Mallocs
	case bench.PhaseDrain:
		a.end = m.Mallocs
	}
}

// allocating is a workload each of whose operations allocates once.
type allocating struct{ bench.Workload }

func (w allocating) NewWorker(ctx context.Context, client int) (bench.Worker, error) {
	worker, err := w.Workload.NewWorker(ctx, client)
	return &allocatingWorker{Worker: worker}, err
}

type allocatingWorker struct {
	bench.Worker
	bench.Starter
	kept atomic.Pointer[[32]byte]
}

func (w *allocatingWorker) AsStarter() bench.Starter {
	w.Starter = w.Worker.(bench.StarterWorker).AsStarter()
	return w
}

func (w *allocatingWorker) Start(op *bench.Op) {
	w.kept.Store(new([32]byte))
	w.Starter.Start(op)
}
