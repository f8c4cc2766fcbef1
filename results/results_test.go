package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func latency(t interface{ Fatal(...any) }, ns ...int64) Latency {
	h := NewHistogram()
	for _, n := range ns {
		if err := h.RecordValue(n); err != nil {
			t.Fatal(err)
		}
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sampleRun(t interface{ Fatal(...any) }) *Run {
	at := time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC)
	ok := latency(t, 1_000_000, 2_000_000, 3_000_000)
	return &Run{
		Schema: Schema, ID: "20261120-101500-a1b2c3", Outcome: Completed, Started: at, Ended: at.Add(35 * time.Second),
		Plan: Plan{
			Workload: "put", Params: map[string]string{"val-size": "256"}, Seed: 1, Prefix: "/etcdbench/x/", Clients: 128, Conns: 8,
			Timeout: 10 * time.Second, Drain: 10 * time.Second, Target: 10_000,
			Scenario: "mine", Parameters: map[string]float64{"nodes": 3}, Verify: true, Thresholds: []string{"put.failed == 0"},
			Mix:          []PlanEntry{{Name: "put", Workload: "put", Weight: 0.5, Prefix: "/etcdbench/x/put/", Params: map[string]string{"val-size": "256"}}},
			Population:   []PlanPopulation{{Prefix: "/etcdbench/x/ballast/", Keys: 10, KeySize: 128, ValSize: "256"}},
			Disturbances: []PlanDisturbance{{Kind: "compaction", At: time.Second, Every: time.Minute, Params: map[string]string{"previous": "true"}}},
			Phases:       []PlanPhase{{Name: "warmup", Duration: 5 * time.Second, Warmup: true}, {Name: "measure", Duration: 30 * time.Second, Load: Load{Rate: 100, Arrival: "constant"}}},
		},
		Environment: Environment{CPUModel: "Example CPU", CPUs: 2, GOMAXPROCS: 2, OS: "linux", Arch: "amd64", Tool: "0.1.0", Go: "go1.26", Disk: &Disk{FileSystem: "ext4", SyncP50: 100_000, SyncP99: 200_000, Syncs: 1000}},
		Cluster:     Cluster{Kind: "process", Version: "3.7.3", Members: []Member{{Name: "m1", ID: "abc", Endpoint: "127.0.0.1:12345", Leader: true}}, Settings: map[string]string{"quota-backend-bytes": "8589934592"}},
		Target:      Target{Writes: 10_000, Achieved: 100, Verdict: TargetUndecided, Reason: "only 100 writes/s were offered"},
		Validity:    Validity{Verdict: Valid, Reasons: []Reason{}, Generator: Generator{SendLag: ok, Achieved: 0.6}},
		Phases:      []Phase{{Name: "populate", Start: -1000, Length: 1000}, {Name: "measure", Start: 0, Length: 30 * time.Second}},
		Operations: []Operation{{
			Phase: "measure", Op: "put", Write: true, Offered: 6, Completed: 3, Failed: 1, Dropped: 1, Unfinished: 1, Throughput: 0.1,
			ResponseTime: latency(t, 1_000_000, 2_000_000, 3_000_000, 9_000_000_000), ServiceTime: ok, QueueTime: latency(t, 100, 200, 300),
			FailedResponseTime: latency(t, 5_000_000), UnfinishedResponseTime: latency(t, 9_000_000_000),
			AllResponseTime: latency(t, 1_000_000, 2_000_000, 3_000_000, 9_000_000_000, 5_000_000),
			Counts:          []Count{{Name: "attempts", Count: 4}, {Name: "conflicts", Of: "attempts", Count: 1}},
			Errors:          []ErrorClass{{Code: "Unavailable", Etcd: "etcdserver: leader changed", Count: 1, Example: "etcdserver: leader changed"}},
		}, {
			Phase: "measure", Op: "event-before-ack", Arrived: true, Of: "event-since-ack", Sign: -1, Offered: 3, Completed: 3, Throughput: 0.1, ResponseTime: ok, AllResponseTime: ok, Errors: []ErrorClass{},
		}},
		Events: []Event{{Kind: "compaction", Start: time.Second, Length: time.Millisecond, Detail: "to revision 7"}, {Kind: "move-leader", Start: 2 * time.Second, Error: "no leader"}},
		Server: &Server{
			Bounds: map[string][]float64{HistogramFsync: {0.001, 0.002}},
			Members: []ServerMember{{
				Member: "m1", Growth: map[string]float64{"puts": 3}, Last: map[string]float64{"db_size": 4096}, Readings: 31, Missed: 1,
				Times: map[string]BucketTimes{HistogramFsync: {Count: 7, Mean: 900_000, P50: [2]int64{0, 1_000_000}, P99: [2]int64{2_000_000, 0}, P999: [2]int64{2_000_000, 0}}},
			}},
			Cost: []Cost{{Phase: "measure", Operations: 3, Figures: map[string]float64{"cpu": 250_000, "allocs": 171.5}}, {Phase: "measure", Member: "m1", Operations: 3, Figures: map[string]float64{"cpu": 250_000}}},
		},
		Slow: []Slow{{Start: 3 * time.Second, Length: time.Second, P99: 900_000_000, Usual: 3_000_000, Causes: []Cause{{Name: "fsync", Member: "m1", Time: 800 * time.Millisecond, Text: "fsync of m1 took 800ms more than usual"}}}},
		Proof: &Proof{
			Verdict: Violated, Checks: []Check{{Name: "keys", Checked: 3, Of: 6, Note: "a sample"}, {Name: "members", Skipped: "not asked"}},
			Violations: []Violation{{Check: "keys", Key: "/etcdbench/x/1", Expected: "a", Found: "b"}}, Found: 1,
		},
		Warnings: []Warning{{Code: "keys-left", Message: "some"}},
	}
}

// The document's shape is a promise to other programs.
func TestGoldenDocument(t *testing.T) {
	got, err := Encode(sampleRun(t))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "run.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the document has changed; if that is meant, say so in docs/result-schema.md and run with -update:\n%s", got)
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	want := sampleRun(t)
	data, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestLatencyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.SliceOf(rapid.Int64Range(0, HighestTime)).Draw(t, "ns")
		h := NewHistogram()
		for _, n := range ns {
			if err := h.RecordValue(n); err != nil {
				t.Fatal(err)
			}
		}
		l := latency(t, ns...)
		data, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back Latency
		if err := json.Unmarshal(data, &back); err != nil || back != l {
			t.Fatalf("%+v came back as %+v: %v", l, back, err)
		}
		got, err := back.Histogram()
		if err != nil || !got.Equals(h) {
			t.Fatalf("the histogram came back different: %v", err)
		}
	})
}

// Merging is adding up: it gives what one histogram of everything gives, in
// whatever parts and order.
func TestMergeLatency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Int64Range(0, HighestTime))).Draw(t, "parts")
		var all []int64
		var ls []Latency
		for _, p := range parts {
			all = append(all, p...)
			ls = append(ls, latency(t, p...))
		}
		got, err := MergeLatency(ls...)
		if err != nil || got != latency(t, all...) {
			t.Fatalf("got %+v, want %+v: %v", got, latency(t, all...), err)
		}
	})
}

func TestResolved(t *testing.T) {
	for _, c := range []struct {
		count int64
		p     float64
		want  bool
	}{{19, 50, false}, {20, 50, true}, {999, 99, false}, {1000, 99, true}, {99_999, 99.99, false}, {100_000, 99.99, true}, {0, 50, false}} {
		if got := (Latency{Count: c.count}).Resolved(c.p); got != c.want {
			t.Errorf("p%v of %d samples: resolved %v, want %v", c.p, c.count, got, c.want)
		}
	}
}

// hostile is a histogram string that claims a geometry and decompresses to a lot.
func hostile(t *testing.T, low, high int64, digits int32, payload int) string {
	t.Helper()
	var inner, compressed, outer bytes.Buffer
	for _, v := range []any{int32(0x1c849313), int32(payload), int32(0), digits, low, high, math.Float64bits(1)} {
		_ = binary.Write(&inner, binary.BigEndian, v)
	}
	z := zlib.NewWriter(&compressed)
	_, _ = z.Write(inner.Bytes())
	_, _ = z.Write(make([]byte, payload))
	_ = z.Close()
	_ = binary.Write(&outer, binary.BigEndian, int32(0x1c849314))
	_ = binary.Write(&outer, binary.BigEndian, int32(compressed.Len()))
	outer.Write(compressed.Bytes())
	return base64.StdEncoding.EncodeToString(outer.Bytes())
}

func TestHostileHistograms(t *testing.T) {
	for name, l := range map[string]Latency{
		"a gigabyte":     {Count: 1, HDR: strings.Repeat("A", 1<<30)},
		"a bomb":         {Count: 1, HDR: hostile(t, LowestTime, HighestTime, 3, 64<<20)},
		"other geometry": {Count: 0, HDR: hostile(t, 1, 1<<40, 2, 0)},
		"not base64":     {Count: 1, HDR: "!!!"},
		"empty but some": {Count: 7},
		"wrong count":    {Count: 8, HDR: latency(t, 1, 2, 3).HDR},
	} {
		if _, err := l.Histogram(); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func TestPartialFromJournal(t *testing.T) {
	dir, err := Create(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	header := sampleRun(t)
	header.Operations, header.Phases, header.Events, header.Proof = nil, nil, nil, nil
	if err := dir.WriteStart(header); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		err := dir.WriteInterval(&Interval{
			Number: i, Phase: "measure", Start: time.Duration(i) * time.Second, Length: time.Second,
			Operations: []Operation{{
				Phase: "measure", Op: "put", Write: true, Offered: 5, Completed: 2, Failed: 1,
				ResponseTime: latency(t, 1_000_000, 2_000_000), FailedResponseTime: latency(t, 3_000_000),
				Counts: []Count{{Name: "attempts", Count: 3}},
				Errors: []ErrorClass{{Code: "Unavailable", Count: 1, Example: "gone"}},
			}},
			Events: []Event{{Kind: "compaction", Start: time.Duration(i) * time.Second}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(dir.Path, JournalFile)
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	check := func(completed uint64) {
		t.Helper()
		run, err := Read(dir.Path)
		if err != nil {
			t.Fatal(err)
		}
		op, _ := run.Operation("measure", "put")
		if run.Outcome != Partial || op.Completed != completed || op.Failed != completed/2 || op.Unfinished != completed/2*2 || op.Throughput != 2 {
			t.Errorf("outcome %s, operation %+v", run.Outcome, op)
		}
		if op.ResponseTime.Count != int64(completed*2) || op.AllResponseTime.Count != int64(completed*5/2) || op.UnfinishedResponseTime.Count != int64(completed) {
			t.Errorf("%d response times, %d in all", op.ResponseTime.Count, op.AllResponseTime.Count)
		}
		if len(op.Counts) != 1 || op.Counts[0].Count != completed/2*3 || len(run.Events) != int(completed/2) || run.Proof != nil {
			t.Errorf("counts %+v, %d events, proof %v", op.Counts, len(run.Events), run.Proof)
		}
		if len(op.Errors) != 1 || op.Errors[0].Count != completed/2 {
			t.Errorf("errors %+v", op.Errors)
		}
		if run.Validity.Verdict != Invalid || run.Target.Verdict != TargetUndecided || run.Target.Achieved != 2 {
			t.Errorf("validity %s, target %+v", run.Validity.Verdict, run.Target)
		}
	}
	check(20)
	// A last line that is cut short, anywhere, costs that line alone.
	for _, cut := range []int{1, 100, 300} {
		if err := os.WriteFile(journal, whole[:len(whole)-cut], 0o644); err != nil {
			t.Fatal(err)
		}
		check(18)
	}
	// A line in the middle that is damaged is an error, not a smaller result.
	damaged := bytes.Replace(whole, []byte(`"n":4`), []byte(`"n":,`), 1)
	if err := os.WriteFile(journal, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir.Path); err == nil || !strings.Contains(err.Error(), "line 6") {
		t.Errorf("damaged journal: %v", err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	dir, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteRun(sampleRun(t)); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); err == nil || !strings.Contains(err.Error(), "already contains a result") {
		t.Errorf("second run into the same directory: %v", err)
	}
	if run, err := Read(path); err != nil || run.ID == "" {
		t.Errorf("the first result is gone: %v", err)
	}
	// A directory in which nothing came about leaves nothing.
	empty, err := Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(empty.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty run's directory is left: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "run.golden"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"schema":"etcdbench.run/v2"}`))
	f.Add([]byte(`{"schema":"etcdbench.run/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(run)
		if err != nil {
			t.Skip() // a float that JSON cannot hold, say
		}
		if _, err := Decode(again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}

func FuzzRebuild(f *testing.F) {
	run := sampleRun(f)
	line, err := json.Marshal(entry{Run: run})
	if err != nil {
		f.Fatal(err)
	}
	interval, err := json.Marshal(entry{Interval: &Interval{Phase: "measure", Length: time.Second, Operations: run.Operations}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Join([][]byte{line, interval, interval, {}}, []byte("\n")))
	f.Add(line)
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := Rebuild(bytes.NewReader(data))
		if err == nil && checkOperations(run.Operations) != nil {
			t.Errorf("the rebuilt result does not add up: %v", checkOperations(run.Operations))
		}
	})
}

func FuzzHistogram(f *testing.F) {
	f.Add(latency(f, 1, 1000, 1_000_000).HDR, int64(3))
	f.Fuzz(func(t *testing.T, hdr string, count int64) {
		h, err := Latency{HDR: hdr, Count: count}.Histogram()
		if err == nil && h.TotalCount() != count {
			t.Errorf("%d samples, want %d", h.TotalCount(), count)
		}
	})
}

func BenchmarkRebuildInterval(b *testing.B) {
	run := sampleRun(b)
	ns := make([]int64, 10_000)
	for i := range ns {
		ns[i] = int64(i) * 3_000
	}
	op := run.Operations[0]
	op.ResponseTime = latency(b, ns...)
	op.ServiceTime, op.QueueTime = op.ResponseTime, op.ResponseTime
	i := &Interval{Phase: "measure", Length: time.Second, Operations: []Operation{op}}
	m := merger{sums: map[[2]string]*operationSum{}}
	for b.Loop() {
		if err := m.add(i); err != nil {
			b.Fatal(err)
		}
	}
}
