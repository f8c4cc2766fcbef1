package workloads_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// A client that waits for its next operation, all of its parts together, takes a bounded
// number of bytes: what is the same for all clients exists once.
func TestClientMemory(t *testing.T) {
	address := startNoop(t)
	const few, many, most = 1_000, 21_000, 640
	each := (idleBytes(t, address, many) - idleBytes(t, address, few)) / (many - few)
	t.Logf("%d bytes for each client", each)
	if each > most {
		t.Errorf("a client takes %d bytes, want %d at most", each, most)
	}
}

// idleBytes are the bytes of a run's heap when each client has done one operation and
// waits for its next.
func idleBytes(t *testing.T, address string, clients int) int64 {
	t.Helper()
	pool := dial(t, address, 4, transport.Lean, false)
	w := newWorkload(t, "put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/memory/", Seed: 1},
		map[string]string{"keys": "zipfian", "key-space-size": "1000"})
	p := workloadstest.Plan(clients, bench.PlanPhase{Duration: time.Millisecond, Load: bench.Load{Rate: 1}})
	p.Phases = append([]bench.PlanPhase{{Name: "once", Total: uint64(clients), Warmup: true}}, p.Phases...)
	h := &heapObserver{}
	_, err := bench.Run(context.Background(), p, w, bench.Options{Observers: []bench.Observer{h}})
	if err != nil {
		t.Fatal(err)
	}
	return h.bytes
}

// heapObserver reads the size of the heap when the phase "measure" begins.
type heapObserver struct{ bytes int64 }

func (*heapObserver) Start(*results.Run) error         { return nil }
func (*heapObserver) Interval(*results.Interval) error { return nil }
func (*heapObserver) Finish(*results.Run) error        { return nil }
func (h *heapObserver) Phase(ph results.PlanPhase, _ time.Duration) {
	if ph.Name != "measure" {
		return
	}
	runtime.GC()
	runtime.GC() // a pool keeps what it has until the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.bytes = int64(m.HeapAlloc)
}
