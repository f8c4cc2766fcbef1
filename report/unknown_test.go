package report

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Of a run that completed nothing, no format prints a time that was not measured.
func TestUnknownFigures(t *testing.T) {
	run := reporttest.Sample(t)
	for i := range run.Operations {
		o := &run.Operations[i]
		*o = results.Operation{Phase: o.Phase, Op: o.Op, Write: o.Write, Offered: 100, Failed: 100, Errors: []results.ErrorClass{}}
	}
	run.Validity.Generator.SendLag = results.Latency{}
	run.Environment.Disk = &results.Disk{FileSystem: "ext4"}
	run.Events = nil
	run.Slow = []results.Slow{{Start: 3 * time.Second, Length: 2 * time.Second, Stalled: true}}
	d := reporttest.Document(t, run)
	d.Intervals = func(func(*results.Interval) error) error { return nil }
	for _, f := range All() {
		if f.Name == "json" {
			continue
		}
		var b strings.Builder
		if err := f.Write(&b, []Document{d}); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, "0.00 µs") {
				t.Errorf("%s: %s", f.Name, line)
			}
		}
	}
	v := &results.Verdict{Schema: results.VerdictSchema, Gate: "thresholds", Verdict: results.Inconclusive, Checks: []results.ThresholdCheck{
		{Text: "put.p99 < 50ms", Verdict: results.Inconclusive, IsTime: true, Limit: 5e7, Reason: "too few samples"},
	}, Metrics: []results.MetricVerdict{{Name: "p99", Unit: "ns", Primary: true, Verdict: results.Inconclusive}}}
	for _, f := range Verdicts() {
		var b strings.Builder
		if err := f.Write(&b, v); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if strings.Contains(b.String(), "0.00 µs") {
			t.Errorf("%s: %s", f.Name, b.String())
		}
	}
}

// The measured error rate of a threshold is a percentage.
func TestErrorRateOfAThresholdIsAPercentage(t *testing.T) {
	t.Parallel()
	run := reporttest.Sample(t)
	run.Operations[0].Failed += 46
	run.Operations[0].Offered += 46
	threshold, err := judge.ParseThreshold("error_rate < 0.1%")
	if err != nil {
		t.Fatal(err)
	}
	checks, err := judge.CheckThresholds(run, []judge.Threshold{threshold}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if row := content.CheckRows(&results.Verdict{Checks: checks})[0]; !strings.HasSuffix(row[1], " %") || row[1] == "0 %" {
		t.Errorf("measured %q", row[1])
	}
}
