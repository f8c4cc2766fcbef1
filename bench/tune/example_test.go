package tune_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/tune"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

// A program of one's own tries values of a setting. For heartbeat and election, it
// would start clusters with processes of their own (cluster.StartProcesses, with a
// Network) and hand tune.Faults to its runs.
func Example() {
	dir, err := os.MkdirTemp("", "etcdbench-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var limits tune.Dimension
	for _, d := range tune.Dimensions() {
		if d.Name == "backend-batch-limit" {
			limits = d
		}
	}
	found, err := tune.Run(context.Background(), tune.Options{
		Dir: dir, Dimension: limits.Name, Candidates: limits.Candidates([]string{"500"}),
		Run: func(ctx context.Context, t tune.Trial) (*results.Run, error) { return try(ctx, t) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range found.Tried {
		fmt.Printf("%s: tried %d times, default: %v\n", t.Name, len(t.Runs), t.Default)
	}
	fmt.Println("something is recommended:", found.Recommended != "")
	// Output:
	// 10000: tried 1 times, default: true
	// 500: tried 1 times, default: false
	// something is recommended: true
}

// try makes one run on a cluster of its own, and keeps it.
func try(ctx context.Context, t tune.Trial) (*results.Run, error) {
	kept, err := results.Create(t.Dir)
	if err != nil {
		return nil, err
	}
	defer kept.Close()
	settings := cluster.DefaultSettings()
	settings.Members, settings.UnsafeNoFsync = 1, true
	settings.DataDir, settings.LogDir = filepath.Join(t.Dir, "data"), t.Dir
	for _, s := range t.Settings {
		settings.EtcdFlags = append(settings.EtcdFlags, s.Name+"="+s.Value)
	}
	if err := os.MkdirAll(settings.DataDir, 0o700); err != nil {
		return nil, err
	}
	c, err := cluster.StartInProcess(ctx, settings)
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: cluster.Endpoints(c), Conns: 2})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	put, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/example/", Seed: t.Seed}, nil)
	if err != nil {
		return nil, err
	}
	run, err := bench.Run(ctx, bench.Plan{
		Seed: t.Seed, Clients: 64, Conns: 2, Timeout: 5 * time.Second, Drain: 5 * time.Second,
		Phases: []bench.PlanPhase{{Name: results.PhaseSteady, Duration: 3 * time.Second, Load: bench.Load{Rate: 400}}},
	}, put, bench.Options{Cluster: c.Describe(), Observers: []bench.Observer{bench.Journal{Dir: kept}}, Sampler: cluster.NewSampler(c)})
	if err != nil {
		return nil, err
	}
	if run.Resilience, err = judge.NewResilience(run, func(each func(*results.Interval) error) error { return results.EachInterval(t.Dir, each) }); err != nil {
		return nil, err
	}
	return run, kept.WriteRun(run)
}
