package workloads_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The benchmarks below compare the transports on real members. docs/measuring.md has
// their commands and their output.

// BenchmarkWritesPerSecond prints how many puts per second 256 clients in a closed loop
// get out of a cluster with each transport, and the median of their ratios. The
// transports are measured in turns: 7 rounds of 3 s each, or one of 0.2 s with -short.
func BenchmarkWritesPerSecond(b *testing.B) {
	for _, members := range []int{1, 3} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			const clients = 256
			likeMain(b)
			rounds, phase := 7, bench.PlanPhase{Duration: 3 * time.Second}
			if testing.Short() {
				rounds, phase.Duration = 1, phase.Duration/15
			}
			endpoints := startMembers(b, members)
			kinds := [...]string{transport.GRPC, transport.Lean}
			var conns [len(kinds)][]grpc.ClientConnInterface
			for i, kind := range kinds {
				conns[i] = dialMembers(b, endpoints, transport.Options{Kind: kind, Yield: true}).Conns()
				engineLoop(b, conns[i], clients, bench.PlanPhase{Duration: phase.Duration / 2}, false, bench.Options{})
			}
			var rates [len(kinds)][]float64
			var ratios []float64
			for n := range rounds * b.N {
				var round [len(kinds)]float64
				for k := range kinds {
					i := (n + k) % len(kinds) // each is first in every other round
					round[i] = engineLoop(b, conns[i], clients, phase, false, bench.Options{}).Throughput
					rates[i] = append(rates[i], round[i])
				}
				ratios = append(ratios, round[1]/round[0])
			}
			for i, kind := range kinds {
				b.ReportMetric(median(rates[i]), kind+"-writes/s")
			}
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

// BenchmarkAgreement prints the service times of puts to one member in an open loop at
// 1,000/s: through grpc-go, through lean with a goroutine for each client, and through
// lean without. They are measured in turns: 5 rounds of 4 s each, or one of 0.2 s with
// -short, whose samples are added up. Beside each stand the times on the wire of the same
// puts, from a capture of the packets, where the process may make one.
func BenchmarkAgreement(b *testing.B) {
	const clients = 256
	likeMain(b)
	rounds, phase := 5, bench.PlanPhase{Duration: 4 * time.Second, Load: bench.Load{Rate: 1000}}
	if testing.Short() {
		rounds, phase.Duration = 1, phase.Duration/20
	}
	endpoints := startMembers(b, 1)
	pool := dialMembers(b, endpoints, transport.Options{Kind: transport.Lean, Poll: true})
	lean := pool.Conns()
	ways := []struct {
		name    string
		conns   []grpc.ClientConnInterface
		options bench.Options
	}{
		{"grpc", dialMembers(b, endpoints, transport.Options{Kind: transport.GRPC}).Conns(), bench.Options{}},
		{"lean-goroutines", blocking(lean), polled(pool)},
		{"lean", lean, polled(pool)},
	}
	for _, way := range ways {
		engineLoop(b, way.conns, clients, bench.PlanPhase{Duration: phase.Duration / 2, Load: phase.Load}, false, way.options)
	}
	times, wire := make([][]results.Latency, len(ways)), make([][]results.Latency, len(ways))
	for n := range rounds * b.N {
		for k := range ways {
			i := (n + k) % len(ways)
			captured := startCapture(b, endpoints[0])
			measured := engineLoop(b, ways[i].conns, clients, phase, false, ways[i].options).ServiceTime
			times[i] = append(times[i], measured)
			if captured == nil {
				continue
			}
			wire[i] = append(wire[i], captured())
			// The workload also sends one request on each connection before the phase.
			n := wire[i][len(wire[i])-1].Count
			if n < measured.Count || n > measured.Count+int64(len(ways[i].conns)) {
				b.Fatalf("%s: %d requests on the wire, %d puts were measured", ways[i].name, n, measured.Count)
			}
		}
	}
	for i, way := range ways {
		reportTimes(b, way.name, times[i])
		reportTimes(b, way.name+"-wire", wire[i])
	}
}

// reportTimes reports the least, median and p99 of the parts together.
func reportTimes(b *testing.B, name string, parts []results.Latency) {
	b.Helper()
	if len(parts) == 0 {
		return
	}
	all, err := results.MergeLatency(parts...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(all.Min)/1e3, name+"-min-µs")
	b.ReportMetric(float64(all.Percentile(50).Time)/1e3, name+"-p50-µs")
	b.ReportMetric(float64(all.Percentile(99).Time)/1e3, name+"-p99-µs")
}

// startMembers starts member processes with etcd's defaults, and returns their endpoints.
func startMembers(b *testing.B, members int) []string {
	b.Helper()
	return cluster.Endpoints(workloadstest.StartClusterWith(b, members, func(*cluster.Settings) {}))
}

// dialMembers opens three connections to each of three endpoints, or eight to one.
func dialMembers(b *testing.B, endpoints []string, o transport.Options) *transport.Pool {
	b.Helper()
	o.Endpoints, o.Timeout = endpoints, 5*time.Second
	o.Conns = (8 + len(endpoints) - 1) / len(endpoints) * len(endpoints)
	pool, err := transport.Dial(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}
