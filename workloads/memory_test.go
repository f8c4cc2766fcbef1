package workloads_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// A client that waits for its next operation, all of its parts together, takes a bounded
// number of bytes, and so does one whose request is under way: what is the same for all
// clients exists once.
func TestClientMemory(t *testing.T) {
	noop := startNoop(t)
	const few, many = 11_000, 31_000 // with few, the buffers of the connections have their full size
	for _, state := range []struct {
		name  string
		most  int64
		bytes func(clients int) int64
	}{
		{"waiting", 480, func(clients int) int64 { return idleMemory(t, noop, clients).heap }},
		{"under way", 660, func(clients int) int64 { return busyMemory(t, clients).heap }},
	} {
		var each int64
		for range 3 { // what else the process holds changes, too
			each = (state.bytes(many) - state.bytes(few)) / (many - few)
			t.Logf("%s: %d bytes for each client", state.name, each)
			if each <= state.most {
				break
			}
		}
		if each > state.most {
			t.Errorf("%s: a client takes %d bytes, want %d at most", state.name, each, state.most)
		}
	}
}

// BenchmarkClients prints the memory of 100,000 clients of put that wait for their next
// operation, and of as many whose requests are under way at a server that answers none:
// the bytes of the heap for each, and the resident memory of the process with them and before.
func BenchmarkClients(b *testing.B) {
	const few, many = 1_000, 100_000
	noop := startNoop(b)
	for _, state := range []struct {
		name   string
		memory func(clients int) memory
	}{
		{"waiting", func(clients int) memory { return idleMemory(b, noop, clients) }},
		{"under-way", func(clients int) memory { return busyMemory(b, clients) }},
	} {
		b.Run(state.name, func(b *testing.B) {
			likeMain(b)
			for range b.N {
				base := state.memory(few)
				debug.FreeOSMemory()
				before := residentBytes()
				m := state.memory(many)
				b.ReportMetric(float64(m.heap-base.heap)/(many-few), "B/client")
				b.ReportMetric(float64(before)/(1<<20), "MiB-before")
				b.ReportMetric(float64(m.resident)/(1<<20), "MiB-resident")
			}
		})
	}
}

// memory is the memory of a process in bytes: the resident part, and the heap that is
// in use.
type memory struct {
	resident uint64
	heap     int64
}

func readMemory() memory {
	m := memory{resident: residentBytes()}
	runtime.GC()
	runtime.GC() // a pool keeps what it has until the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.heap = int64(stats.HeapAlloc)
	return m
}

// memoryWorkload is one with small tables of its own.
func memoryWorkload(t testing.TB, pool *transport.Pool) bench.Workload {
	t.Helper()
	w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/memory/", Seed: 1},
		map[string]string{"keys": "zipfian", "key-space-size": "1000"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// idleMemory is the memory of a run when each client has done one operation and waits for
// its next.
func idleMemory(t testing.TB, address string, clients int) memory {
	t.Helper()
	p := workloadstest.Plan(clients, bench.PlanPhase{Duration: time.Millisecond, Load: bench.Load{Rate: 1}})
	p.Phases = append([]bench.PlanPhase{{Name: "once", Total: uint64(clients), Warmup: true}}, p.Phases...)
	h, pool := &memoryObserver{}, dial(t, address, 4, transport.Lean, false)
	defer pool.Close() // so that the next run finds nothing of this one
	if _, err := bench.Run(context.Background(), p, memoryWorkload(t, pool), bench.Options{Observers: []bench.Observer{h}}); err != nil {
		t.Fatal(err)
	}
	return h.memory
}

// memoryObserver reads the memory when the phase "measure" begins.
type memoryObserver struct{ memory memory }

func (*memoryObserver) Start(*results.Run) error         { return nil }
func (*memoryObserver) Interval(*results.Interval) error { return nil }
func (*memoryObserver) Finish(*results.Run) error        { return nil }
func (h *memoryObserver) Phase(ph results.PlanPhase, _ time.Duration) {
	if ph.Name == "measure" {
		h.memory = readMemory()
	}
}

// busyMemory is the memory of a run when the requests of all clients are under way, at a
// server that answers none.
func busyMemory(t testing.TB, clients int) (m memory) {
	t.Helper()
	server, err := transporttest.NewMute()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx, cancel := context.WithCancelCause(context.Background())
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		<-server.Arrived(clients)
		m = readMemory()
		cancel(bench.ErrInterrupted)
	}()
	p := workloadstest.Plan(clients, bench.PlanPhase{Duration: time.Hour})
	p.Timeout, p.Drain = time.Hour, 0
	pool := dial(t, server.Address, 4, transport.Lean, false)
	defer pool.Close()
	if _, err := bench.Run(ctx, p, memoryWorkload(t, pool), bench.Options{}); err != nil {
		t.Fatal(err)
	}
	<-measured
	return m
}
