// Package reporttest has the documents that the tests of reports share, and
// compares reports with golden files.
package reporttest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

// Document returns a document of run, with three intervals.
func Document(t testing.TB, run *results.Run) content.Document {
	run.Started = time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC)
	run.Phases = []results.Phase{{Name: "measure", Length: 10 * time.Second}}
	return content.Document{Run: run, Path: "results/x", Intervals: func(each func(*results.Interval) error) error {
		for n := range 3 {
			l := Latency(t, map[time.Duration]int64{time.Millisecond: 90, time.Duration(n+2) * time.Millisecond: 10})
			i := &results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second,
				InFlight: 3, Operations: []results.Operation{
					{Phase: "measure", Op: "put", Offered: 101, Completed: 100, Failed: 1, Throughput: 100, ResponseTime: l, ServiceTime: l},
					{Phase: "measure", Op: "=pods, update", Offered: 1, Completed: 0, Unfinished: 1},
				}}
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Costed returns Sample with the cost of an operation.
func Costed(t testing.TB) *results.Run {
	run := Sample(t)
	run.Server = &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: 99_990,
		Figures: map[string]float64{"cpu": 312_000, "allocs": 210.4, "alloc_bytes": 45_000}}}}
	return run
}

// LongRun returns a run of that many seconds, operations (at most 16) and members.
func LongRun(t testing.TB, seconds, operations, members int) content.Document {
	latencies := make([]results.Latency, 16)
	for i := range latencies {
		h := results.NewHistogram()
		for n := range int64(1000) {
			if err := h.RecordValue((n*n + int64(i)*1000 + 200) * 1000); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if latencies[i], err = results.NewLatency(h); err != nil {
			t.Fatal(err)
		}
	}
	run := &results.Run{
		Schema: results.Schema, ID: "20261120-101500-a1b2c3", Outcome: results.Completed, Started: time.Date(2026, 11, 20, 10, 15,
			0, 0, time.UTC),
		Plan: results.Plan{Workload: "long", Clients: 10, Conns: 2, Phases: []results.PlanPhase{{Name: "measure",
			Duration: time.Duration(seconds) * time.Second, Load: results.Load{Rate: 1000}}}},
		Phases: []results.Phase{{Name: "measure", Length: time.Duration(seconds) * time.Second}},
		Target: results.Target{Writes: 10_000, Achieved: 6000, Verdict: results.TargetMissed}, Validity: results.Validity{Verdict: results.Valid},
	}
	for k := range operations {
		run.Operations = append(run.Operations, results.Operation{Phase: "measure", Op: fmt.Sprint("op", k), Offered: 1000,
			Completed: 1000, Throughput: 1000, ResponseTime: latencies[k], ServiceTime: latencies[0]})
	}
	return content.Document{Run: run, Intervals: func(each func(*results.Interval) error) error {
		for n := range seconds {
			i := &results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second}
			for k := range operations {
				l := latencies[(n+k)%len(latencies)]
				i.Operations = append(i.Operations, results.Operation{Phase: "measure", Op: fmt.Sprint("op", k), Offered: 1000,
					Completed: 1000, ResponseTime: l, ServiceTime: l})
			}
			for m := range members {
				values := map[string]float64{}
				for j, metric := range results.Metrics() {
					values[metric.Name] = float64(n*(j+m+1)) + math.Sin(float64(n))
				}
				// The leader changes once.
				values["has_leader"], values["is_leader"], values["leader_changes"] = 1, 0, 1
				if n >= seconds/2 {
					values["leader_changes"] = 2
				}
				if m == 0 && n < seconds/2 || m == members-1 && n >= seconds/2 {
					values["is_leader"] = 1
				}
				i.Members = append(i.Members, results.Reading{Member: fmt.Sprint("m", m+1), At: i.Start, Values: values})
			}
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Latency returns a latency with the given number of samples of each time.
func Latency(t testing.TB, samples map[time.Duration]int64) results.Latency {
	t.Helper()
	h := results.NewHistogram()
	for d, n := range samples {
		if err := h.RecordValues(int64(d), n); err != nil {
			t.Fatal(err)
		}
	}
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Sample returns an open-loop run with something in every part of the document.
func Sample(t testing.TB) *results.Run {
	response := Latency(t, map[time.Duration]int64{900 * time.Microsecond: 50_000, 3 * time.Millisecond: 45_000,
		40 * time.Millisecond: 4_900, 900 * time.Millisecond: 90, 2 * time.Second: 15})
	service := Latency(t, map[time.Duration]int64{800 * time.Microsecond: 60_000, 3 * time.Millisecond: 39_980, 900 * time.Millisecond: 10})
	queue := Latency(t, map[time.Duration]int64{50 * time.Microsecond: 99_000, 600 * time.Millisecond: 990})
	unfinished := Latency(t, map[time.Duration]int64{2 * time.Second: 15})
	return &results.Run{
		Schema: results.Schema, ID: "20261120-101500-a1b2c3", Outcome: results.Completed,
		Plan: results.Plan{
			Workload: "put", Clients: 128, Conns: 8, Transport: results.TransportLean, Target: 10_000,
			Phases: []results.PlanPhase{
				{Name: "warmup", Duration: 5 * time.Second, Warmup: true, Load: results.Load{Rate: 10_000}},
				{Name: "measure", Duration: 10 * time.Second, Load: results.Load{Rate: 10_000, Arrival: "poisson"}},
			},
		},
		Environment: results.Environment{
			CPUModel: "Example CPU", CPUs: 2, CPULimit: 1.5, Memory: 24 << 30, OS: "linux", Kernel: "6.18", Go: "go1.26.8",
			Disk: &results.Disk{FileSystem: "tmpfs", Memory: true, SyncP50: 900, SyncP99: 2000},
		},
		Cluster: results.Cluster{
			Kind: "process", Version: "3.7.3", TLS: true, Settings: map[string]string{"unsafe-no-fsync": "true"},
			Members: []results.Member{{Name: "m1", Endpoint: "127.0.0.1:1"}, {Name: "m2", Endpoint: "127.0.0.1:2"}, {Name: "m3",
				Endpoint: "127.0.0.1:3"}},
		},
		Phases: []results.Phase{{Name: "measure", Length: 10 * time.Second}},
		Target: results.Target{Writes: 10_000, Achieved: 9_999, Verdict: results.TargetMet},
		Validity: results.Validity{
			Verdict: results.Degraded,
			Reasons: []results.Reason{{Code: "cpu-steal", Severity: results.Degraded,
				Message: "the hypervisor withheld 7.0 % of this machine's CPU time", Remedy: "use a machine with dedicated CPUs"}},
			Generator: results.Generator{
				SendLag: Latency(t, map[time.Duration]int64{40 * time.Microsecond: 99_000, 300 * time.Microsecond: 990}),
			},
		},
		Operations: []results.Operation{
			{Phase: "warmup", Op: "put", Write: true, Offered: 1, Completed: 1},
			{
				Phase: "measure", Op: "put", Write: true, Offered: 100_010, Completed: 99_990, Failed: 3, Dropped: 2, Unfinished: 15, Throughput: 9_999,
				ResponseTime: response, ServiceTime: service, QueueTime: queue, UnfinishedResponseTime: unfinished, Overflow: 1,
				Errors: []results.ErrorClass{
					{Code: "DeadlineExceeded", Count: 15, Example: "context deadline exceeded"},
					{Code: "Unavailable", Etcd: "etcdserver: leader changed", Count: 3, Example: "rpc error: leader changed"},
				},
			},
		},
		Warnings: []results.Warning{{Code: "keys-left", Message: "some keys may be left"}},
	}
}

// Profiled returns a run with profiles, compared with another run.
func Profiled(t testing.TB) content.Document {
	run := Sample(t)
	top := []results.ProfileFunction{{Name: "internal/runtime/syscall/linux.Syscall6", Flat: 9e9, Cum: 9e9},
		{Name: "go.etcd.io/etcd/server/v3/mvcc.(*treeIndex).Put", Flat: 1e9, Cum: 4e9}}
	run.Profiles = []results.Profile{
		{Kind: "cpu", Phase: "measure", Length: 10 * time.Second, Operations: 99_990, Unit: "nanoseconds", Total: 2e10, Top: top,
			Missing: "without m3"},
		{Source: "m1", Kind: "cpu", Phase: "measure", Length: 10 * time.Second, Operations: 99_990,
			File: "profiles/measure.m1.cpu.pb.gz", Unit: "nanoseconds", Total: 2e10, Top: top},
		{Source: "m3", Kind: "cpu", Phase: "measure", Missing: "pprof of http://10.0.0.3:2379: connection refused"},
		{Source: results.GeneratorSource, Kind: "heap", Phase: "measure", Length: 10 * time.Second, Operations: 99_990,
			File: "profiles/measure.generator.heap.pb.gz", Unit: "bytes", Total: 5e8,
			Top: []results.ProfileFunction{{Name: "main.<script>alert(1)</script>", Flat: 4e8, Cum: 5e8}}},
		{Kind: "goroutine", Phase: "measure", Unit: "goroutines", Total: 300,
			Top: []results.ProfileFunction{{Name: "runtime.gopark", Flat: 290, Cum: 290}}},
		{Kind: "block", Phase: "measure", Unit: "nanoseconds", Missing: "empty: etcd does not turn block profiling on, and has no flag for it"},
		{Source: "m1", Kind: "cpu", Phase: "measure", Anomaly: 1, Start: 12 * time.Second, File: "profiles/anomaly1.m1.cpu.pb.gz"},
	}
	return content.Document{Run: run, Path: "results/x", Changes: []content.ProfileChanges{{Title: "CPU time of all members",
		Unit: "nanoseconds", Functions: []content.FunctionChange{{Name: "", Before: 150_000, After: 200_000},
			{Name: "linux.Syscall6", Before: 50_000, After: 90_000}, {Name: "mvcc.(*treeIndex).Put", Before: 12_000, After: 10_000}}}}}
}

// Mixture returns a scenario's run: several operations, times that can be
// negative, disturbances and a proof with violations.
func Mixture(t testing.TB) *results.Run {
	run := Sample(t)
	run.Plan.Workload = "kubernetes"
	fast := Latency(t, map[time.Duration]int64{time.Millisecond: 5000, 2 * time.Millisecond: 100})
	slow := Latency(t, map[time.Duration]int64{time.Millisecond: 50, 400 * time.Millisecond: 50})
	waited := Latency(t, map[time.Duration]int64{300 * time.Millisecond: 100})
	op := func(name string, n uint64, l results.Latency) results.Operation {
		return results.Operation{Phase: "measure", Op: name, Offered: n, Completed: n, Throughput: float64(n) / 10,
			ResponseTime: l, ServiceTime: l}
	}
	update, list, event := op("pods/update", 5100, fast), op("pod-list", 100, slow), op("watch/event", 5100, fast)
	update.Write = true
	update.Counts = []results.Count{{Name: "attempts", Count: 5200}, {Name: "conflicts", Of: "attempts", Count: 100}, {Name: "leases"}}
	update.QueueTime = Latency(t, map[time.Duration]int64{10 * time.Microsecond: 5100})
	list.QueueTime = waited
	list.Failed, list.Offered = 2, 102
	list.Errors = []results.ErrorClass{{Code: "Unavailable", Count: 2, Example: "no leader"}}
	event.Arrived = true
	event.Counts = []results.Count{{Name: "coalesced", Count: 51}, {Name: "missed", Count: 1}}
	before, after := op("watch/event-before-ack", 3000, Latency(t, map[time.Duration]int64{200 * time.Microsecond: 3000})),
		op("watch/event-after-ack", 2100, Latency(t, map[time.Duration]int64{time.Millisecond: 2100}))
	before.Of, before.Sign, before.Arrived = "watch/event-since-ack", -1, true
	after.Of, after.Sign, after.Arrived = "watch/event-since-ack", 1, true
	run.Operations = []results.Operation{update, list, op("watch/put", 0, results.Latency{}), event, before, after}
	run.Events = []results.Event{
		{Kind: "compaction", Start: 6 * time.Second, Length: 3 * time.Millisecond, Detail: "to revision 1234"},
		{Kind: "move-leader", Start: 9 * time.Second, Length: time.Second, Error: "there is no leader"},
	}
	run.Server = &results.Server{
		Members: []results.ServerMember{
			{Member: "m1", Readings: 12, Growth: map[string]float64{"leader_changes": 1}, Times: map[string]results.BucketTimes{
				results.HistogramFsync:  {Count: 5000, P50: [2]int64{0, 1e6}, P99: [2]int64{2e6, 4e6}},
				results.HistogramCommit: {Count: 50, P50: [2]int64{4e6, 8e6}, P99: [2]int64{8e9, 0}},
			}},
			{Member: "m2", Readings: 12, Missed: 3},
		},
		Cost: []results.Cost{{Phase: "measure", Operations: 5200, Figures: map[string]float64{
			"cpu": 312_000, "alloc_bytes": 45_000, "allocs": 210.4, "fsyncs": 0.8, "wal_bytes": 1200, "disk_written": 9000,
			"peer_bytes": 2100, "client_bytes": 900,
		}}, {Phase: "measure", Member: "m1", Operations: 5200, Figures: map[string]float64{"cpu": 150_000}}},
	}
	run.Slow = []results.Slow{
		{Start: 6 * time.Second, Length: 2 * time.Second, P99: 9e8, Usual: 2e6,
			Causes: []results.Cause{{Text: "m2 did not answer for 1.2s"}, {Text: "fsync of m1 took 300ms more than usual"}}},
		{Start: 9 * time.Second, Length: time.Second, P99: 8e6, Usual: 2e6, Stalled: true},
	}
	run.Proof = &results.Proof{
		Verdict: results.Violated, Found: 21,
		Checks: []results.Check{
			{Name: "keys", Checked: 100, Of: 100, Note: "each holds its last acknowledged write"},
			{Name: "keys", Checked: 50, Of: 500, Note: "each holds its last acknowledged write, one key in 10 followed"},
			{Name: "members", Of: 3, Skipped: "no answer"},
			{Name: "watchers", Checked: 3, Of: 3, Note: "each event once and in order"},
		},
		Violations: []results.Violation{{Check: "watchers", Key: "/etcdbench/x/pods/7",
			Expected: "version 3, at watcher 0 of stream 1", Found: "version 4 at revision 99"}},
	}
	return run
}
