package reporttest

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Scale returns a ladder of three rungs, of which the last one ended early.
func Scale(t testing.TB) *results.Scale {
	run := Sample(t)
	s := &results.Scale{
		Schema: results.ScaleSchema, ID: "scale-1", Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Workload: "objects", Rate: 400,
		Cluster: run.Cluster, Environment: run.Environment, Sizes: []int64{1e8, 1e9, 4e9, 8e9}, ObjectSize: 4096,
		Stopped: "stopped before rung 4: 8.0 GB of data need about 41 GB of disk, but only 40 GB are free in <data>",
	}
	for i, size := range s.Sizes[:3] {
		n := time.Duration(i + 1)
		effect := &results.ScaleEffect{
			Before: results.ScaleWindow{Length: 10 * time.Second, Throughput: 200, P90: 2e6, P99: 5e6},
			During: results.ScaleWindow{Length: 2 * time.Second, Throughput: 150, P90: 9e6, ErrorRate: 0.01}, Stall: n * time.Second,
		}
		r := results.ScaleRung{
			Number: i + 1, Objects: size / 4096, Size: size, Dir: "rung", Added: size / 4096, Populated: n * time.Second, Validity: results.Valid,
			Members:            []results.ScaleMember{{Name: "m1", File: size * 12 / 10, Resident: size * 8 / 10, Peak: size}},
			Operations:         []results.ScaleOperation{{Op: "put", Throughput: 200, P50: 2e6 + int64(i), P99: 9e6, AtLeast: []string{"p99"}}, {Op: "list", P50: 9e6}},
			WriteAmplification: 11.5, Cost: map[string]float64{"cpu": 1.2e6},
			Events: []results.ScaleEvent{
				{Kind: results.ScaleDefragmentation, Member: "m1", Length: n * n * time.Second, FileBefore: 2 * size, FileAfter: size, Peak: 2 * size, Effect: effect},
				{Kind: results.ScaleSnapshot, Member: "m2", Length: n * time.Second, Bytes: size, Effect: effect},
				{Kind: results.ScaleListUnary, Skipped: "one response cannot contain it"},
				{Kind: results.ScaleRestore, Length: 4 * time.Second, Serving: 3 * time.Second, Redundant: (n*2 + 1) * time.Second, Bytes: size, Restored: n * 2 * time.Second, Effect: effect, Detail: "24,414 objects"},
				{Kind: results.ScaleReplacement, Member: "m3", Length: 3 * time.Second, Serving: 2 * time.Second, Redundant: n * 3 * time.Second, Effect: effect, Promoted: 2 * time.Second},
			},
		}
		s.Rungs = append(s.Rungs, r)
	}
	last := &s.Rungs[2]
	last.Validity, last.Findings = results.Degraded, []string{"replacement: a member did not come back"}
	last.Events[4] = results.ScaleEvent{Kind: results.ScaleReplacement, Member: "m3", Length: time.Minute, Error: "promote the learner: <not ready>"}
	s.Fits = judge.ScaleFits(s)
	return s
}
