package workloads_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The benchmarks below measure the generator: against a server that does
// nothing, in a process of its own, whatever shows is the generator's doing.
// docs/measuring.md has their commands and what they printed.

// serveNoop is the server's process: it says where it listens and ends with its
// standard input.
func serveNoop() int {
	machine.TuneGC() // it shares the machine with what is measured
	n, err := transporttest.NewNoop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n.Address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func startNoop(b testing.TB) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "no-op-server")
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// likeMain sets the collector as etcdbench's main does.
func likeMain(b *testing.B) {
	_, undo := machine.TuneGC()
	b.Cleanup(undo)
}

func benchRun(b *testing.B, conns int, p bench.Plan) *results.Run {
	b.Helper()
	pool := dial(b, startNoop(b), conns, transport.Lean, p.Phases[0].Load.Open())
	options := bench.Options{}
	if poller := pool.Poller(); poller != nil {
		options.Poller = poller
	}
	w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/bench/", Seed: 1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	run, err := bench.Run(context.Background(), p, w, options)
	if err != nil {
		b.Fatal(err)
	}
	return run
}

// BenchmarkPacing runs an open loop at 10,000 puts/s for 10 s (1 s with -short)
// and prints how late arrivals reached a free client.
func BenchmarkPacing(b *testing.B) {
	likeMain(b)
	length := 10 * time.Second
	if testing.Short() {
		length = time.Second
	}
	for range b.N {
		p := workloadstest.Plan(128, bench.PlanPhase{Duration: length, Load: bench.Load{Rate: 10_000}})
		p.Phases = append([]bench.PlanPhase{{Name: "warmup", Duration: time.Second, Warmup: true, Load: p.Phases[0].Load}}, p.Phases...)
		run := benchRun(b, 8, p)
		op, _ := run.Operation("measure", "put")
		lag := run.Validity.Generator.SendLag
		b.ReportMetric(float64(op.Offered)/length.Seconds(), "offered/s")
		b.ReportMetric(op.Throughput, "achieved/s")
		b.ReportMetric(float64(lag.Percentile(50).Time)/1e3, "lag-p50-µs")
		b.ReportMetric(float64(lag.Percentile(99).Time)/1e3, "lag-p99-µs")
		b.ReportMetric(float64(lag.Max)/1e3, "lag-max-µs")
	}
}

// BenchmarkMemory makes b.N puts with 1,000 clients on 16 connections and prints
// the resident memory after a tenth of them and the most there ever was.
func BenchmarkMemory(b *testing.B) {
	likeMain(b)
	var early atomic.Uint64
	p := workloadstest.Plan(1000, bench.PlanPhase{Total: uint64(b.N)})
	p.Phases = append([]bench.PlanPhase{{Name: "first-tenth", Total: max(1, uint64(b.N)/10), Warmup: true}}, p.Phases...)
	defer time.AfterFunc(time.Second, func() { early.Store(residentBytes()) }).Stop()
	run := benchRun(b, 16, p)
	op, _ := run.Operation("measure", "put")
	b.ReportMetric(float64(early.Load())/(1<<20), "MiB-after-1s")
	b.ReportMetric(float64(residentBytes())/(1<<20), "MiB-at-end")
	b.ReportMetric(float64(run.Validity.Generator.MaxRSS)/(1<<20), "MiB-max")
	b.ReportMetric(op.Throughput, "puts/s")
}

func residentBytes() uint64 {
	data, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

// BenchmarkCPUPerPut prints the CPU time that the process spends on a put, with nothing
// but clientv3, with the engine over each transport, and with lean and a ledger for the
// proof, in turns: b.N puts in closed loops, and 3 s (0.3 s with -short) in open ones.
func BenchmarkCPUPerPut(b *testing.B) {
	address := startNoop(b)
	for _, load := range []struct{ clients, conns, rate int }{
		{1, 1, 0}, {16, 8, 0}, {256, 8, 0}, {1000, 16, 0}, {256, 8, 1000}, {256, 8, 5000}, {256, 8, 10_000},
	} {
		b.Run(fmt.Sprintf("clients=%d/conns=%d/rate=%d", load.clients, load.conns, load.rate), func(b *testing.B) {
			likeMain(b)
			const turns = 5
			n, length := max(1, b.N/turns), 3*time.Second/turns
			if testing.Short() {
				length /= 10
			}
			phase := bench.PlanPhase{Total: uint64(n)}
			if load.rate > 0 {
				n = int(length.Seconds() * float64(load.rate))
				phase = bench.PlanPhase{Duration: length, Load: bench.Load{Rate: float64(load.rate)}}
			}
			bare := dialBare(b, address, load.conns)
			grpc := dial(b, address, load.conns, transport.GRPC, false).Conns()
			pool := dial(b, address, load.conns, transport.Lean, load.rate > 0)
			lean, options := pool.Conns(), polled(pool)
			ways := []struct {
				name string
				run  func()
			}{
				{"bare", func() { bareLoop(b, bare, load.clients, n, load.rate) }},
				{"grpc", func() { engineLoop(b, grpc, load.clients, phase, false, bench.Options{}) }},
				{"lean-goroutines", func() { engineLoop(b, blocking(lean), load.clients, phase, false, options) }},
				{"lean", func() { engineLoop(b, lean, load.clients, phase, false, options) }},
				{"lean-ledger", func() { engineLoop(b, lean, load.clients, phase, true, options) }},
			}
			spent := make([][]time.Duration, len(ways))
			for range turns {
				for i, way := range ways {
					before := cpuTime()
					way.run()
					spent[i] = append(spent[i], (cpuTime()-before)/time.Duration(n))
				}
			}
			for i, way := range ways {
				b.ReportMetric(float64(median(spent[i]))/1e3, way.name+"-µs/put")
				if i > 0 {
					b.ReportMetric(float64(median(spent[i]))/float64(median(spent[0])), way.name+"-ratio")
				}
			}
		})
	}
}

func dial(b testing.TB, address string, conns int, kind string, poll bool) *transport.Pool {
	b.Helper()
	pool, err := transport.Dial(context.Background(), transport.Options{
		Endpoints: []string{address}, Conns: conns, Timeout: 5 * time.Second, Kind: kind, Poll: poll,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

// polled has the engine wait for arrivals where the pool's replies are read, if it has
// such a place.
func polled(pool *transport.Pool) (o bench.Options) {
	if p := pool.Poller(); p != nil {
		o.Poller = p
	}
	return o
}

func dialBare(b *testing.B, address string, conns int) (clients []*clientv3.Client) {
	b.Helper()
	for range conns {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	return clients
}

// blocking hides that connections can start calls.
func blocking(conns []grpc.ClientConnInterface) (hidden []grpc.ClientConnInterface) {
	for _, c := range conns {
		hidden = append(hidden, struct{ grpc.ClientConnInterface }{c})
	}
	return hidden
}

// engineLoop runs one phase of puts and returns them.
func engineLoop(
	b *testing.B, conns []grpc.ClientConnInterface, clients int, phase bench.PlanPhase, verify bool, o bench.Options,
) results.Operation {
	b.Helper()
	w, err := workloads.New("put", workloads.Target{Conns: conns, Prefix: "/etcdbench/bench/", Seed: 1, Verify: verify}, nil)
	if err != nil {
		b.Fatal(err)
	}
	run, err := bench.Run(context.Background(), workloadstest.Plan(clients, phase), w, o)
	if err != nil {
		b.Fatal(err)
	}
	op := run.Operations[0]
	if op.Failed+op.TimedOut+op.Dropped > 0 {
		b.Fatalf("%d puts failed, %d timed out, %d were dropped", op.Failed, op.TimedOut, op.Dropped)
	}
	return op
}

// bareLoop is the least that a Go program can do to put n keys, at a rate where it is
// not 0.
func bareLoop(b *testing.B, conns []*clientv3.Client, clients, n, rate int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	value := strings.Repeat("v", 256)
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			for {
				at := next.Add(1)
				if at > int64(n) {
					return
				}
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(at) * time.Second / time.Duration(rate))))
				}
				key := fmt.Sprintf("/etcdbench/bench/%031d", at%100_000)
				if _, err := conns[i%len(conns)].Put(context.Background(), key, value); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func median[T cmp.Ordered](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}
