package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func latency(t *testing.T, samples map[time.Duration]int64) results.Latency {
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

// sample is an open-loop run with something of everything.
func sample(t *testing.T) *results.Run {
	response := latency(t, map[time.Duration]int64{900 * time.Microsecond: 50_000, 3 * time.Millisecond: 45_000, 40 * time.Millisecond: 4_900, 900 * time.Millisecond: 90})
	service := latency(t, map[time.Duration]int64{800 * time.Microsecond: 60_000, 3 * time.Millisecond: 39_980, 900 * time.Millisecond: 10})
	queue := latency(t, map[time.Duration]int64{50 * time.Microsecond: 99_000, 600 * time.Millisecond: 990})
	unfinished := latency(t, map[time.Duration]int64{2 * time.Second: 15})
	return &results.Run{
		Schema: results.Schema, ID: "20261120-101500-a1b2c3", Outcome: results.Completed,
		Plan: results.Plan{
			Workload: "put", Clients: 128, Conns: 8, Target: 10_000,
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
			Members: []results.Member{{Name: "m1", Endpoint: "127.0.0.1:1"}, {Name: "m2", Endpoint: "127.0.0.1:2"}, {Name: "m3", Endpoint: "127.0.0.1:3"}},
		},
		Target: results.Target{Writes: 10_000, Achieved: 12_338, Verdict: results.TargetMet},
		Validity: results.Validity{
			Verdict: results.Degraded,
			Reasons: []results.Reason{{Code: "cpu-steal", Severity: results.Degraded, Message: "the host took 7.0 % of this machine's CPU time away", Remedy: "use a machine with dedicated CPUs"}},
			Generator: results.Generator{
				SendLag: latency(t, map[time.Duration]int64{40 * time.Microsecond: 99_000, 300 * time.Microsecond: 990}),
			},
		},
		Operations: []results.Operation{
			{Phase: "warmup", Op: "put", Write: true, Offered: 1, Completed: 1},
			{
				Phase: "measure", Op: "put", Write: true, Offered: 100_010, Completed: 99_990, Failed: 3, Dropped: 2, Unfinished: 15, Throughput: 12_338,
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

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed; run with -update if that is meant:\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	partial := sample(t)
	partial.Outcome, partial.Reason = results.Partial, "rebuilt from the journal"
	partial.Target = results.Target{Writes: 10_000, Achieved: 9_000, Verdict: results.TargetUndecided, Reason: "the run did not come to its end"}
	read := sample(t)
	read.Target = results.Target{Verdict: results.TargetNone}
	read.Plan.Workload, read.Plan.Phases[1].Load = "range", results.Load{}
	read.Cluster = results.Cluster{Kind: "remote", Version: "3.6.14", Members: []results.Member{{Endpoint: "10.0.0.1:2379"}}}
	read.Environment.Disk = nil
	few := results.Operation{Phase: "measure", Op: "range", Offered: 30, Completed: 30, Throughput: 3, ResponseTime: latency(t, map[time.Duration]int64{time.Millisecond: 30})}
	few.ServiceTime = few.ResponseTime
	read.Operations = []results.Operation{few}
	failing := sample(t)
	failing.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 7, Failed: 7, FailedResponseTime: latency(t, map[time.Duration]int64{time.Millisecond: 7})}}
	dead := sample(t)
	dead.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 500, Unfinished: 500, TimedOut: 500, UnfinishedResponseTime: latency(t, map[time.Duration]int64{time.Second: 500})}}
	nothing := &results.Run{Outcome: results.Failed, Reason: "set up range: boom", Plan: results.Plan{Workload: "range", Clients: 1, Conns: 1}, Target: results.Target{Verdict: results.TargetNone}}
	for name, docs := range map[string][]Document{
		"profiled.txt": {profiled(t)},
		"mix.txt":      {{Run: mixture(t)}},
		"open.txt":     {{Run: sample(t), Path: "results/20261120-101500-a1b2c3"}},
		"partial.txt":  {{Run: partial}},
		"range.txt":    {{Run: read}, {Run: read}},
		"nothing.txt":  {{Run: nothing}},
		"failing.txt":  {{Run: failing}},
		"dead.txt":     {{Run: dead}},
	} {
		var b bytes.Buffer
		if err := writeText(&b, docs); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

// profiled is a run with profiles, compared with another.
func profiled(t *testing.T) Document {
	run := sample(t)
	top := []results.ProfileFunction{{Name: "internal/runtime/syscall/linux.Syscall6", Flat: 9e9, Cum: 9e9}, {Name: "go.etcd.io/etcd/server/v3/mvcc.(*treeIndex).Put", Flat: 1e9, Cum: 4e9}}
	run.Profiles = []results.Profile{
		{Kind: "cpu", Phase: "measure", Length: 10 * time.Second, Operations: 99_990, Unit: "nanoseconds", Total: 2e10, Top: top, Missing: "without m3"},
		{Source: "m1", Kind: "cpu", Phase: "measure", Length: 10 * time.Second, Operations: 99_990, File: "profiles/measure.m1.cpu.pb.gz", Unit: "nanoseconds", Total: 2e10, Top: top},
		{Source: "m3", Kind: "cpu", Phase: "measure", Missing: "pprof of http://10.0.0.3:2379: connection refused"},
		{Source: results.GeneratorSource, Kind: "heap", Phase: "measure", Length: 10 * time.Second, Operations: 99_990, File: "profiles/measure.generator.heap.pb.gz", Unit: "bytes", Total: 5e8, Top: []results.ProfileFunction{{Name: "main.<script>alert(1)</script>", Flat: 4e8, Cum: 5e8}}},
		{Kind: "goroutine", Phase: "measure", Unit: "goroutines", Total: 300, Top: []results.ProfileFunction{{Name: "runtime.gopark", Flat: 290, Cum: 290}}},
		{Kind: "block", Phase: "measure", Unit: "nanoseconds", Missing: "empty: etcd does not turn block profiling on, and has no flag for it"},
		{Source: "m1", Kind: "cpu", Phase: "measure", Anomaly: 1, Start: 12 * time.Second, File: "profiles/anomaly1.m1.cpu.pb.gz"},
	}
	return Document{Run: run, Path: "results/x", Changes: []ProfileChanges{{Title: "CPU time of all members", Unit: "nanoseconds", Functions: []FunctionChange{{"", 150_000, 200_000}, {"linux.Syscall6", 50_000, 90_000}, {"mvcc.(*treeIndex).Put", 12_000, 10_000}}}}}
}

// mixture is a scenario's run: several kinds, times with a sign, disturbances and
// a proof that found something.
func mixture(t *testing.T) *results.Run {
	run := sample(t)
	run.Plan.Workload = "kubernetes"
	fast := latency(t, map[time.Duration]int64{time.Millisecond: 5000, 2 * time.Millisecond: 100})
	slow := latency(t, map[time.Duration]int64{time.Millisecond: 50, 400 * time.Millisecond: 50})
	waited := latency(t, map[time.Duration]int64{300 * time.Millisecond: 100})
	op := func(name string, n uint64, l results.Latency) results.Operation {
		return results.Operation{Phase: "measure", Op: name, Offered: n, Completed: n, Throughput: float64(n) / 10, ResponseTime: l, ServiceTime: l}
	}
	update, list, event := op("pods/update", 5100, fast), op("pod-list", 100, slow), op("watch/event", 5100, fast)
	update.Write = true
	update.Counts = []results.Count{{Name: "attempts", Count: 5200}, {Name: "conflicts", Of: "attempts", Count: 100}, {Name: "leases"}}
	update.QueueTime = latency(t, map[time.Duration]int64{10 * time.Microsecond: 5100})
	list.QueueTime = waited
	list.Failed, list.Offered = 2, 102
	list.Errors = []results.ErrorClass{{Code: "Unavailable", Count: 2, Example: "no leader"}}
	event.Arrived = true
	event.Counts = []results.Count{{Name: "coalesced", Count: 51}, {Name: "missed", Count: 1}}
	before, after := op("watch/event-before-ack", 3000, latency(t, map[time.Duration]int64{200 * time.Microsecond: 3000})), op("watch/event-after-ack", 2100, latency(t, map[time.Duration]int64{time.Millisecond: 2100}))
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
				results.HistogramFsync: {Count: 5000, P50: [2]int64{0, 1e6}, P99: [2]int64{2e6, 4e6}}, results.HistogramCommit: {Count: 50, P50: [2]int64{4e6, 8e6}, P99: [2]int64{8e9, 0}},
			}},
			{Member: "m2", Readings: 12, Missed: 3},
		},
		Cost: []results.Cost{{Phase: "measure", Operations: 5200, Figures: map[string]float64{
			"cpu": 312_000, "alloc_bytes": 45_000, "allocs": 210.4, "fsyncs": 0.8, "wal_bytes": 1200, "disk_written": 9000, "peer_bytes": 2100, "client_bytes": 900,
		}}, {Phase: "measure", Member: "m1", Operations: 5200, Figures: map[string]float64{"cpu": 150_000}}},
	}
	run.Slow = []results.Slow{
		{Start: 6 * time.Second, Length: 2 * time.Second, P99: 9e8, Usual: 2e6, Causes: []results.Cause{{Text: "m2 did not answer for 1.2s"}, {Text: "fsync of m1 took 300ms more than usual"}}},
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
		Violations: []results.Violation{{Check: "watchers", Key: "/etcdbench/x/pods/7", Expected: "version 3, at watcher 0 of stream 1", Found: "version 4 at revision 99"}},
	}
	return run
}

func TestJSONIsTheStoredDocument(t *testing.T) {
	run := sample(t)
	var b bytes.Buffer
	if err := writeJSON(&b, []Document{{Run: run}}); err != nil {
		t.Fatal(err)
	}
	back, err := results.Decode(b.Bytes())
	if err != nil || back.ID != run.ID {
		t.Errorf("%v %v", back, err)
	}
}

// Whatever a document's strings hold, the terminal is not theirs.
func TestHostileStrings(t *testing.T) {
	run := sample(t)
	evil := "\x1b[2J\x1b]0;owned\a\r\n\x00\u202e" + strings.Repeat("A", 1<<20)
	run.Plan.Workload, run.Cluster.Version, run.Environment.CPUModel = evil, evil, evil
	run.Plan.Phases[1].Name = evil
	run.Operations[1].Op, run.Operations[1].Phase = evil, evil
	run.Operations[1].Errors[0].Code, run.Operations[1].Errors[0].Example = evil, evil
	run.Validity.Verdict, run.Validity.Reasons[0].Message = evil, evil
	run.Warnings[0].Message, run.Environment.Disk.FileSystem = evil, evil
	run.Slow = []results.Slow{{Causes: []results.Cause{{Text: evil}}}}
	run.Events = []results.Event{{Kind: evil, Detail: evil, Error: evil}}
	run.Operations[1].Counts = []results.Count{{Name: evil, Of: evil, Count: 1}}
	run.Proof = &results.Proof{Verdict: evil, Checks: []results.Check{{Name: evil, Note: evil}, {Name: "x", Skipped: evil}}, Violations: []results.Violation{{Check: evil, Key: evil, Expected: evil, Found: evil}}}
	run.Outcome, run.Reason, run.Target.Verdict = results.Outcome(evil), evil, evil
	var b bytes.Buffer
	if err := writeText(&b, []Document{{Run: run, Path: evil}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r < ' ' && r != '\n' || r == '\x7f' || r == '\u202e' {
			t.Fatalf("%U reached the terminal", r)
		}
	}
	if b.Len() > 20<<10 {
		t.Errorf("the report has grown to %d bytes", b.Len())
	}
}

func TestDurations(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.00 µs", 512: "0.51 µs", 9_994: "9.99 µs", 9_996: "10.0 µs", 999_499: "999 µs", 1_000_000: "1.00 ms", 12_345_678: "12.3 ms", 999_499_999: "999 ms", 1_500_000_000: "1.50 s", 600_000_000_000: "600 s",
	} {
		if got := duration(ns); got != want {
			t.Errorf("%d ns is %q, want %q", ns, got, want)
		}
	}
}
