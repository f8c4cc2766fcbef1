package workloads_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// The test program stands in for etcdbench's hidden command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "no-op-server" {
		os.Exit(serveNoop())
	}
	goleak.VerifyTestMain(m)
}

func startCluster(t *testing.T, members int) *cluster.Processes {
	t.Helper()
	return startClusterWith(t, members, func(s *cluster.Settings) { s.UnsafeNoFsync = true })
}

func startClusterWith(t *testing.T, members int, set func(*cluster.Settings)) *cluster.Processes {
	t.Helper()
	s := cluster.DefaultSettings()
	s.Members = members
	set(&s)
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	return c
}

func dial(t *testing.T, conns int, endpoints ...string) []grpc.ClientConnInterface {
	t.Helper()
	pool, err := transport.Dial(context.Background(), transport.Options{Endpoints: endpoints, Conns: conns, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool.Conns()
}

func newWorkload(t *testing.T, name string, target workloads.Target, params map[string]string) bench.Workload {
	t.Helper()
	w, err := workloads.New(name, target, params)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func plan(clients int, ph bench.PlanPhase) bench.Plan {
	ph.Name = "measure"
	return bench.Plan{Seed: 1, Clients: clients, Conns: 4, Timeout: 10 * time.Second, Drain: 10 * time.Second, Target: results.DefaultTarget, Phases: []bench.PlanPhase{ph}}
}

// What the virtual-time test of package bench says must hold on real sockets:
// a proxy in front of a real etcd stops for one second of ten. With few clients
// a benchmark that only looks at its own requests would see ten slow ones.
func TestStallOnARealSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for 20 seconds")
	}
	c := startCluster(t, 1)
	for _, clients := range []int{10, 100} {
		t.Run(fmt.Sprint(clients, " clients"), func(t *testing.T) {
			proxy, err := transporttest.NewProxy(c.Members()[0].Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Close()
			w := newWorkload(t, "put", workloads.Target{Conns: dial(t, 4, proxy.Address), Prefix: fmt.Sprintf("/stall/%d/", clients), Seed: 1}, nil)
			freeze := time.AfterFunc(5*time.Second, func() { proxy.Freeze(time.Second) })
			defer freeze.Stop()
			run, err := bench.Run(t.Context(), plan(clients, bench.PlanPhase{Duration: 10 * time.Second, Load: bench.Load{Rate: 1000}}), w, bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			op, _ := run.Operation("measure", "put")
			// What waits for a client in the last moment is unfinished: few, if any.
			if op.Offered != 10_000 || op.Completed+op.Unfinished != 10_000 || op.Unfinished > 100 {
				t.Errorf("offered %d, completed %d, unfinished %d (%v)", op.Offered, op.Completed, op.Unfinished, op.Errors)
			}
			// Catching up after the stall takes the server a moment, too.
			within(t, "response p95", op.ResponseTime.P95, 400*time.Millisecond, 800*time.Millisecond)
			within(t, "response p99", op.ResponseTime.P99, 850*time.Millisecond, 1150*time.Millisecond)
			h, err := op.ServiceTime.Histogram()
			if err != nil {
				t.Fatal(err)
			}
			stalled := int64(0)
			for _, b := range h.Distribution() {
				if b.From >= int64(800*time.Millisecond) {
					stalled += b.Count
				}
			}
			if stalled < 1 || stalled > int64(clients) {
				t.Errorf("%d stalled service times, want at most one for each of %d clients", stalled, clients)
			}
		})
	}
}

func within(t *testing.T, what string, ns int64, low, high time.Duration) {
	t.Helper()
	if d := time.Duration(ns); d < low || d > high {
		t.Errorf("%s = %v, want %v to %v", what, d, low, high)
	}
}

// Every way to read finds what was written.
func TestRangeFindsItsKeys(t *testing.T) {
	c := startCluster(t, 1)
	conns := dial(t, 2, c.Members()[0].Endpoint)
	for i, params := range []map[string]string{
		{},
		{"consistency": "s"},
		{"span": "10"},
		{"span": "500"},
		{"span": "prefix"},
		{"span": "prefix", "limit": "7"},
		{"span": "prefix", "count-only": "true"},
		{"span": "100", "keys-only": "true", "keys": "zipfian"},
		{"span": "prefix", "page-size": "33"},
		{"span": "37", "page-size": "10", "keys": "latest"},
		{"span": "prefix", "stream": "true"},
		{"span": "50", "stream": "true", "keys": "hotspot"},
		{"keys": "sequential", "val-size": "0-1000", "values": "compressible"},
	} {
		t.Run(fmt.Sprint(params), func(t *testing.T) {
			params["key-space-size"] = "500"
			prefix := fmt.Sprintf("/range/%d/", i)
			w := newWorkload(t, "range", workloads.Target{Conns: conns, Prefix: prefix, Seed: uint64(i)}, params)
			run, err := bench.Run(t.Context(), plan(4, bench.PlanPhase{Total: 50}), w, bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if op, _ := run.Operation("measure", "range"); op.Completed != 50 {
				t.Errorf("completed %d of 50: %v", op.Completed, op.Errors)
			}
			// Without the keys, every read must fail: misses are no results.
			if err := workloads.DeletePrefix(t.Context(), conns[0], prefix); err != nil {
				t.Fatal(err)
			}
			worker, err := w.NewWorker(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := worker.Do(t.Context(), &bench.Op{}); err == nil {
				t.Error("a read of deleted keys passed for a success")
			}
		})
	}
}

func TestCompactInterval(t *testing.T) {
	c := startCluster(t, 1)
	conns := dial(t, 1, c.Members()[0].Endpoint)
	w := newWorkload(t, "put", workloads.Target{Conns: conns, Prefix: "/compact/", Seed: 1}, map[string]string{"compact-interval": "200ms"})
	run, err := bench.Run(t.Context(), plan(1, bench.PlanPhase{Duration: time.Second}), w, bench.Options{})
	if err != nil || len(run.Warnings) > 0 {
		t.Fatalf("%v %v", err, run.Warnings)
	}
	_, err = pb.NewKVClient(conns[0]).Range(t.Context(), &pb.RangeRequest{Key: []byte("/compact/"), Revision: 2})
	if err == nil {
		t.Error("revision 2 is still there")
	}
}
