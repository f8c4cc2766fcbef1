package capacity_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

// A program of one's own asks whether a cluster carries 400 puts a second, and would
// search for its maximum without Most.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "etcdbench-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	settings := cluster.DefaultSettings()
	settings.Members, settings.UnsafeNoFsync = 1, true
	settings.DataDir, settings.LogDir = dir, dir
	c, err := cluster.StartInProcess(ctx, settings)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Stop()
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: cluster.Endpoints(c), Conns: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	// A probe is a run at one rate, kept in its directory.
	probe := func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		put, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/example/", Seed: 1}, nil)
		if err != nil {
			return judge.Run{}, err
		}
		kept, err := results.Create(p.Dir)
		if err != nil {
			return judge.Run{}, err
		}
		defer kept.Close()
		run, err := bench.Run(ctx, bench.Plan{
			Seed: 1, Clients: 64, Conns: 2, Timeout: 5 * time.Second, Drain: 5 * time.Second,
			Phases: []bench.PlanPhase{{Name: "measure", Duration: p.Length, Load: bench.Load{Rate: p.Rate}}},
		}, put, bench.Options{Cluster: c.Describe(), Observers: []bench.Observer{bench.Journal{Dir: kept}}})
		if err != nil {
			return judge.Run{}, err
		}
		intervals := func(each func(*results.Interval) error) error { return results.EachInterval(p.Dir, each) }
		return judge.Run{Run: run, Intervals: intervals}, kept.WriteRun(run)
	}
	slo, err := judge.ParseThreshold("put.response_time.p50 < 1s")
	if err != nil {
		log.Fatal(err)
	}
	found, err := capacity.Run(ctx, capacity.Options{
		Dir: filepath.Join(dir, "search"), SLO: []judge.Threshold{slo}, Start: 100, Factor: 4, Most: 400,
		Precision: 0.1, Length: 3 * time.Second, Extensions: 5, Run: probe,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("sustained: %.0f/s\n", found.Low)
	fmt.Println(found.Stopped)
	// On a machine without other work it prints:
	//
	//	sustained: 400/s
	//	the largest possible value, 400, was sustained
}
