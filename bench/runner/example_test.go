package runner_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/etcdbench/etcdbench/bench/runner"
)

// A program of one's own makes a run, changes a field, and makes it again. This one has
// the member inside its own process; docs/library.md has one with processes.
func ExampleRun() {
	spec := runner.Spec{Scenario: "put", Workload: map[string]string{"val-size": "100"}}
	spec.Load.Total, spec.Load.Clients, spec.Load.Warmup = new(uint64(500)), new(8), new(time.Duration(0))
	spec.Cluster.Start.Members, spec.Cluster.Start.InProcess = new(1), true
	for _, fsync := range []bool{true, false} {
		spec.Cluster.Start.UnsafeNoFsync = new(!fsync)
		run, err := runner.Run(context.Background(), spec, runner.Options{})
		if err != nil {
			log.Fatal(err)
		}
		put, err := run.Measured("put")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("with fsync: %v, acknowledged: %d, %s\n", fsync, put.Completed, run.Proof.Verdict)
	}
	// Output:
	// with fsync: true, acknowledged: 500, proved
	// with fsync: false, acknowledged: 500, proved
}
