package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

func TestGolden(t *testing.T) {
	partial := reporttest.Sample(t)
	partial.Outcome, partial.Reason = results.Partial, "rebuilt from the journal"
	partial.Target = results.Target{Writes: 10_000, Achieved: 9_000, Verdict: results.TargetUndecided, Reason: "the run did not complete"}
	read := reporttest.Sample(t)
	read.Target = results.Target{Verdict: results.TargetNone}
	read.Plan.Workload, read.Plan.Phases[1].Load = "range", results.Load{}
	read.Cluster = results.Cluster{Kind: "remote", Version: "3.6.14", Members: []results.Member{{Endpoint: "10.0.0.1:2379"}}}
	read.Environment.Disk = nil
	few := results.Operation{Phase: "measure", Op: "range", Offered: 30, Completed: 30, Throughput: 3, ResponseTime: reporttest.Latency(t, map[time.Duration]int64{time.Millisecond: 30})}
	few.ServiceTime = few.ResponseTime
	read.Operations = []results.Operation{few}
	failing := reporttest.Sample(t)
	failing.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 7, Failed: 7, FailedResponseTime: reporttest.Latency(t, map[time.Duration]int64{time.Millisecond: 7})}}
	dead := reporttest.Sample(t)
	dead.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 500, Unfinished: 500, TimedOut: 500, UnfinishedResponseTime: reporttest.Latency(t, map[time.Duration]int64{time.Second: 500})}}
	dead.Operations[0].ResponseTime = dead.Operations[0].UnfinishedResponseTime
	nothing := &results.Run{Outcome: results.Failed, Reason: "set up range: boom", Plan: results.Plan{Workload: "range", Clients: 1, Conns: 1}, Target: results.Target{Verdict: results.TargetNone}}
	for name, docs := range map[string][]Document{
		"profiled.txt": {reporttest.Profiled(t)},
		"mix.txt":      {{Run: reporttest.Mixture(t)}},
		"open.txt":     {{Run: reporttest.Sample(t), Path: "results/20261120-101500-a1b2c3"}},
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
		reporttest.Golden(t, name, b.Bytes())
	}
}

func TestJSONIsTheStoredDocument(t *testing.T) {
	run := reporttest.Sample(t)
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
	run := reporttest.Sample(t)
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
