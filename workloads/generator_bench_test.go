package workloads_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

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
	machine.CalmGC(0) // it shares the machine with what is measured
	n, err := transporttest.NewNoop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n.Address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func startNoop(b *testing.B) string {
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
func likeMain(b *testing.B, clients int) {
	_, undo := machine.CalmGC(clients)
	b.Cleanup(undo)
}

func benchRun(b *testing.B, conns int, p bench.Plan) *results.Run {
	b.Helper()
	pool, err := transport.Dial(context.Background(), transport.Options{Endpoints: []string{startNoop(b)}, Conns: conns, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/bench/", Seed: 1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	run, err := bench.Run(context.Background(), p, w, bench.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return run
}

// BenchmarkPacing runs an open loop at 10,000 puts/s for 10 s (1 s with -short)
// and prints how late arrivals reached a free client.
func BenchmarkPacing(b *testing.B) {
	likeMain(b, 128)
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
	likeMain(b, 1000)
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

// BenchmarkCPUPerPut makes b.N puts with 128 clients on 8 connections, once with
// nothing but clientv3, with the engine, and with the engine and a ledger for
// the proof, in turns, and prints the CPU
// time that the process spent on each put.
func BenchmarkCPUPerPut(b *testing.B) {
	const clients, conns, turns = 128, 8, 5
	likeMain(b, clients)
	address := startNoop(b)
	var bare []*clientv3.Client
	for range conns {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop()})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		bare = append(bare, c)
	}
	pool, err := transport.Dial(context.Background(), transport.Options{Endpoints: []string{address}, Conns: conns, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	n := max(1, b.N/turns)
	engine := func(verify bool) {
		w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/etcdbench/bench/", Seed: 1, Verify: verify}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bench.Run(context.Background(), workloadstest.Plan(clients, bench.PlanPhase{Total: uint64(n)}), w, bench.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	cpuOf := func(f func()) time.Duration {
		before := cpuTime()
		f()
		return (cpuTime() - before) / time.Duration(n)
	}
	var bareCPU, ourCPU, ledgerCPU []time.Duration
	for range turns {
		bareCPU = append(bareCPU, cpuOf(func() { bareLoop(b, bare, clients, n) }))
		ourCPU = append(ourCPU, cpuOf(func() { engine(false) }))
		ledgerCPU = append(ledgerCPU, cpuOf(func() { engine(true) }))
	}
	b.ReportMetric(float64(median(bareCPU)), "bare-cpu-ns/put")
	b.ReportMetric(float64(median(ourCPU)), "our-cpu-ns/put")
	b.ReportMetric(float64(median(ourCPU))/float64(median(bareCPU)), "ratio")
	b.ReportMetric(float64(median(ledgerCPU))/float64(median(bareCPU)), "ratio-with-ledger")
}

// bareLoop is the least that a Go program can do to put n keys.
func bareLoop(b *testing.B, conns []*clientv3.Client, clients, n int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	value := strings.Repeat("v", 256)
	for i := range clients {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				key := fmt.Sprintf("/etcdbench/bench/%031d", next.Load()%100_000)
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

func median(ds []time.Duration) time.Duration {
	for i := range ds {
		for j := i; j > 0 && ds[j] < ds[j-1]; j-- {
			ds[j], ds[j-1] = ds[j-1], ds[j]
		}
	}
	return ds[len(ds)/2]
}
