package workloads_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The test program stands in for etcdbench's hidden command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "no-op-server" {
		os.Exit(serveNoop())
	}
	goleak.VerifyTestMain(workloadstest.Waiting{M: m})
}

func newWorkload(t *testing.T, name string, target workloads.Target, params map[string]string) bench.Workload {
	t.Helper()
	w, err := workloads.New(name, target, params)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What the virtual-time test of package bench says must hold on real sockets:
// a proxy in front of a real etcd stops for one second of ten. With few clients
// a benchmark that only looks at its own requests would see ten slow ones.
func TestStallOnARealSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for 10 seconds")
	}
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	for _, clients := range []int{10, 100} {
		t.Run(fmt.Sprint(clients, " clients"), func(t *testing.T) {
			t.Parallel()
			workloadstest.Repeat(t, func() error { return measureStall(t, c.Members()[0].Endpoint, clients) })
		})
	}
}

// measureStall puts through a proxy that holds everything back for a second of ten, and
// returns what is wrong with the figures. A busy machine carries the rate, too, so that only the stall
// makes arrivals wait.
func measureStall(t *testing.T, endpoint string, clients int) error {
	proxy, err := transporttest.NewProxy(endpoint)
	if err != nil {
		return err
	}
	defer proxy.Close()
	w := newWorkload(t, "put", workloads.Target{Conns: workloadstest.Dial(t, 4, proxy.Address), Prefix: fmt.Sprintf("/stall/%d/", clients), Seed: 1}, nil)
	freeze := time.AfterFunc(5*time.Second, func() { proxy.Freeze(time.Second) })
	defer freeze.Stop()
	run, err := bench.Run(t.Context(), workloadstest.Plan(clients, bench.PlanPhase{Duration: 10 * time.Second, Load: bench.Load{Rate: 250}}), w, bench.Options{})
	if err != nil {
		return err
	}
	op, _ := run.Operation("measure", "put")
	h, err := op.ServiceTime.Histogram()
	if err != nil {
		return err
	}
	stalled := int64(0)
	for _, b := range h.Distribution() {
		if b.From >= int64(800*time.Millisecond) {
			stalled += b.Count
		}
	}
	// What waits for a client in the last moment is unfinished: few, if any.
	if op.Offered != 2500 || op.Completed+op.Unfinished != 2500 || op.Unfinished > 25 {
		return fmt.Errorf("offered %d, completed %d, unfinished %d (%v)", op.Offered, op.Completed, op.Unfinished, op.Errors)
	}
	if stalled < 1 || stalled > int64(clients) {
		return fmt.Errorf("%d stalled service times, want at most one for each of %d clients", stalled, clients)
	}
	// Catching up after the stall takes the server a moment, too.
	return errors.Join(
		within("response p95", op.ResponseTime.Percentile(95).Time, 400*time.Millisecond, 800*time.Millisecond),
		within("response p99", op.ResponseTime.Percentile(99).Time, 850*time.Millisecond, 1150*time.Millisecond))
}

func within(what string, d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%s = %v, want %v to %v", what, d, low, high)
	}
	return nil
}

// Every way to read finds what was written.
func TestRangeFindsItsKeys(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 2, c.Members()[0].Endpoint)
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
		{"keys": "sequential", "val-size": "0-1000", "values": "half"}, {"values": "objects"},
	} {
		t.Run(fmt.Sprint(params), func(t *testing.T) {
			params["key-space-size"] = "500"
			prefix := fmt.Sprintf("/range/%d/", i)
			w := newWorkload(t, "range", workloads.Target{Conns: conns, Prefix: prefix, Seed: uint64(i)}, params)
			run, err := bench.Run(t.Context(), workloadstest.Plan(4, bench.PlanPhase{Total: 50}), w, bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if op, _ := run.Operation("measure", "range"); op.Completed != 50 {
				t.Errorf("completed %d of 50: %v", op.Completed, op.Errors)
			}
			// Without the keys, every read must fail: misses are no results.
			workloadstest.DeletePrefix(t, conns[0], prefix)
			worker, err := w.NewWorker(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := worker.Do(t.Context(), &bench.Op{}); err == nil {
				t.Error("a read of deleted keys passed for a success")
			}
		})
	}
	t.Run("keys of others", func(t *testing.T) { readKeysOfOthers(t, conns) })
	t.Run("transactions", func(t *testing.T) { readInTransactions(t, conns) })
}

// readKeysOfOthers reads what the workload has not written, and writes nothing.
func readKeysOfOthers(t *testing.T, conns []grpc.ClientConnInterface) {
	for _, key := range []string{"/theirs/a", "/theirs/b", "/theirs/c"} {
		if _, err := pb.NewKVClient(conns[0]).Put(t.Context(), &pb.PutRequest{Key: []byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		params map[string]string
		failed bool
	}{
		{map[string]string{"read-key": "/theirs/b"}, false},
		{map[string]string{"read-key": "/theirs/b", "stream": "true"}, false},
		{map[string]string{"read-key": "/theirs/", "span": "prefix", "page-size": "2"}, false},
		{map[string]string{"read-key": "/theirs/bb", "read-end": "/theirs/d"}, false},
		{map[string]string{"read-key": "\x00", "read-end": "\x00"}, false},
		{map[string]string{"read-key": "/theirs/d"}, true},
		{map[string]string{"read-key": "/theirs/bb", "read-end": "/theirs/c"}, true},
	} {
		w := newWorkload(t, "range", workloads.Target{Conns: conns, Prefix: "/unused/", Seed: 1}, c.params)
		run, err := bench.Run(t.Context(), workloadstest.Plan(2, bench.PlanPhase{Total: 10}), w, bench.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if op, _ := run.Operation("measure", "range"); op.Completed+op.Failed != 10 || (op.Failed == 10) != c.failed {
			t.Errorf("%v: completed %d, failed %d: %v", c.params, op.Completed, op.Failed, op.Errors)
		}
	}
	if keys, _, err := workloads.CountPrefix(t.Context(), conns[0], "/unused/"); err != nil || keys > 0 {
		t.Errorf("%d keys were written: %v", keys, err)
	}
}

// readInTransactions reads spans in transactions, and misses what is deleted.
func readInTransactions(t *testing.T, conns []grpc.ClientConnInterface) {
	for i, params := range []map[string]string{{"span": "prefix", "limit": "7"}, {"span": "20", "txn-ops": "3"}, {"span": "prefix"}} {
		params["key-space-size"], params["rw-ratio"] = "100", "1000000"
		prefix := fmt.Sprintf("/mixed/%d/", i)
		w := newWorkload(t, "txn-mixed", workloads.Target{Conns: conns, Prefix: prefix, Seed: 1}, params)
		run, err := bench.Run(t.Context(), workloadstest.Plan(2, bench.PlanPhase{Total: 20}), w, bench.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if op, _ := run.Operation("measure", "read"); op.Completed != 20 {
			t.Errorf("%v: completed %d of 20: %v", params, op.Completed, op.Errors)
		}
		workloadstest.DeletePrefix(t, conns[0], prefix)
		worker, err := w.NewWorker(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Do(t.Context(), &bench.Op{}); err == nil {
			t.Errorf("%v: a read of deleted keys passed for a success", params)
		}
	}
}

func TestCompactInterval(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 1, c.Members()[0].Endpoint)
	w := newWorkload(t, "put", workloads.Target{Conns: conns, Prefix: "/compact/", Seed: 1}, map[string]string{"compact-interval": "200ms"})
	run, err := bench.Run(t.Context(), workloadstest.Plan(1, bench.PlanPhase{Duration: time.Second}), w, bench.Options{})
	if err != nil || len(run.Warnings) > 0 {
		t.Fatalf("%v %v", err, run.Warnings)
	}
	_, err = pb.NewKVClient(conns[0]).Range(t.Context(), &pb.RangeRequest{Key: []byte("/compact/"), Revision: 2})
	if err == nil {
		t.Error("revision 2 is still there")
	}
	compactAllBut(t, conns, 3)
}

// compactAllBut compacts all revisions but so many before the present one.
func compactAllBut(t *testing.T, conns []grpc.ClientConnInterface, keep int64) {
	d, err := workloads.ParseDisturbance(fmt.Sprintf("compaction,keep=%d", keep))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := workloads.Bind([]results.PlanDisturbance{d}, workloads.Target{Conns: conns, Prefix: "/compact/"})
	if err != nil {
		t.Fatal(err)
	}
	_, present, err := workloads.CountPrefix(t.Context(), conns[0], "/compact/")
	if err != nil {
		t.Fatal(err)
	}
	var again int64
	for again = present; again < present+2*keep; again++ { // room above the compactions so far
		if _, err := pb.NewKVClient(conns[0]).Put(t.Context(), &pb.PutRequest{Key: []byte("/compact/last")}); err != nil {
			t.Fatal(err)
		}
	}
	if detail, err := bound[0].Do(t.Context()); err != nil || detail != "to revision "+humanize.Comma(again-keep) {
		t.Errorf("compaction: %q %v", detail, err)
	}
	for revision, there := range map[int64]bool{again - keep: true, again - keep - 1: false} {
		_, err = pb.NewKVClient(conns[0]).Range(t.Context(), &pb.RangeRequest{Key: []byte("/compact/"), Revision: revision})
		if (err == nil) != there {
			t.Errorf("revision %d of %d: %v", revision, again, err)
		}
	}
}

// The result of a plan that names no transport has the one of the connections.
func TestTransportIsNamed(t *testing.T) {
	address := startNoop(t)
	for _, kind := range []string{transport.Lean, transport.GRPC} {
		for _, verify := range []bool{false, true} {
			w := newWorkload(t, "put", workloads.Target{Conns: dial(t, address, 1, kind, false).Conns(), Prefix: "/p/", Seed: 1, Verify: verify}, nil)
			if named := w.(bench.TransportNamer).Transport(); named != kind {
				t.Errorf("%s, verify %t: named %q", kind, verify, named)
			}
			if verify {
				continue // the server has nothing to read
			}
			p := workloadstest.Plan(1, bench.PlanPhase{Total: 1})
			run, err := bench.Run(t.Context(), p, w, bench.Options{})
			if err != nil || run.Plan.Transport != kind {
				t.Errorf("%s: named %q, %v", kind, run.Plan.Transport, err)
			}
			p.Transport = "other"
			if run, _ := bench.Run(t.Context(), p, w, bench.Options{}); run.Plan.Transport != "other" {
				t.Errorf("a plan's own transport became %q", run.Plan.Transport)
			}
		}
	}
}
