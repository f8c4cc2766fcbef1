package workloads_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// A program of one's own: start a cluster, put for a second, read the result.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "etcdbench-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	settings := cluster.DefaultSettings()
	settings.Members = 1
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

	put, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/example/", Seed: 1}, map[string]string{"val-size": "512"})
	if err != nil {
		log.Fatal(err)
	}
	run, err := bench.Run(ctx, bench.Plan{
		Seed: 1, Clients: 16, Conns: 2, Timeout: 5 * time.Second, Drain: 5 * time.Second,
		Phases: []bench.PlanPhase{{Name: "measure", Duration: time.Second}},
	}, put, bench.Options{Cluster: c.Describe()})
	if err != nil {
		log.Fatal(err)
	}
	op, _ := run.Operation("measure", "put")
	p99 := op.Percentile(99).Time
	fmt.Println("acknowledged every put:", op.Completed == op.Offered && op.Completed > 0)
	fmt.Println("p99 is known:", p99 > 0)
	fmt.Println("generator and etcd share a process:", slices.ContainsFunc(run.Validity.Reasons, func(r results.Reason) bool {
		return r.Code == "shared-runtime"
	}))
	// Output:
	// acknowledged every put: true
	// p99 is known: true
	// generator and etcd share a process: true
}
