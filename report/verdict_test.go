package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// verdicts are one of each kind of gate.
func verdicts() map[string]*results.Verdict {
	started := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	bound := func(v float64) *float64 { return &v }
	rules := results.DefaultGateRules()
	return map[string]*results.Verdict{
		"ab": {
			Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Fail, Reason: "worse by more than the margin: cpu", Started: started, Ended: started.Add(4 * time.Minute),
			Baseline: "the built-in etcd with its defaults", Candidate: "env:GOGC=20", Workload: "put", Machine: "2 CPUs", Planned: 12, Rounds: 12, Rules: &rules,
			Dropped: []results.DroppedRound{{Round: 3, Reason: "the leader changed"}},
			Metrics: []results.MetricVerdict{
				{Name: "cpu", Unit: "ns", Primary: true, Verdict: results.Fail, Rounds: 12, Baseline: 144_000, Candidate: 195_000, Estimate: 0.36, Lower: bound(0.17), Upper: bound(0.47), Margin: 0.05, Detectable: 0.234},
				{Name: "allocs", Unit: "objects", Primary: true, Verdict: results.Pass, Note: "worse, but by less than the margin", Rounds: 12, Baseline: 350, Candidate: 352, Estimate: 0.006, Lower: bound(0.001), Upper: bound(0.011), Margin: 0.02, Detectable: 0.021},
				{Name: "p99", Unit: "ns", Primary: true, Verdict: results.Inconclusive, Rounds: 12, Baseline: 3e7, Candidate: 3.1e7, Estimate: 0.03, Upper: bound(0.2), Margin: 0.10},
				{Name: "fsyncs", Primary: true, Verdict: results.NotMeasured},
				{Name: "wal_bytes", Unit: "bytes", Verdict: results.Pass, Rounds: 12, Baseline: 1100, Candidate: 1100, Lower: bound(-0.01), Upper: bound(0.01), Margin: 0.02, Detectable: 0.02},
			},
			Warnings: []results.Warning{{Code: "same-sides", Message: "<script>alert(1)</script>"}},
		},
		"aa": {
			Schema: results.VerdictSchema, Gate: "aa", Verdict: results.Pass, Reason: "no primary metric is worse by its margin or more", Started: started, Ended: started,
			Baseline: "etcd=v3.6.14", Workload: "put", Planned: 12, Rounds: 12, Rules: &rules,
			Metrics: []results.MetricVerdict{{Name: "allocs", Unit: "objects", Primary: true, Verdict: results.Pass, Rounds: 12, Baseline: 350, Candidate: 350, Lower: bound(-0.01), Upper: bound(0.01), Margin: 0.02, Detectable: 0.02, Noise: 0.004}},
		},
		"thresholds": {
			Schema: results.VerdictSchema, Gate: "thresholds", Verdict: results.Fail, Reason: "not kept: put.response_time.p99 < 20ms", Candidate: "20261120-101500-a1b2c3", Workload: "target-10k", Started: started, Ended: started,
			Checks: []results.ThresholdCheck{
				{Text: "put.response_time.p99 < 20ms for every 10s window", Verdict: results.Fail, Value: 3e7, IsTime: true, Limit: 2e7, Windows: 6, Failed: 2, At: 20 * time.Second},
				{Text: "put.throughput >= 9990/s", Verdict: results.Pass, Value: 10_000, Limit: 9990},
				{Text: "put.response_time.p99.99 < 1s", Verdict: results.Inconclusive, Value: 5e9, AtLeast: true, IsTime: true, Reason: "operations did not finish: what was measured is a lower bound"},
			},
		},
		"history": {
			Schema: results.VerdictSchema, Gate: "history", Verdict: results.Fail, Reason: "worse by the margin or more: allocs since r18", Workload: "results", Started: started, Ended: started,
			Changes: []results.SeriesChange{
				{Series: "a", Metric: "throughput", Unit: "/s", Run: "r9", Started: started, Label: "rev9", Before: 9000, After: 9900, Change: -0.09, P: 1e-5},
				{Series: "b", Metric: "allocs", Unit: "objects", Run: "r18", Started: started, Label: "rev18", Before: 200, After: 210, Change: 0.05, P: 1e-12, Alert: true},
			},
		},
	}
}

// Every kind of verdict in every format; what is inconclusive is skipped in JUnit,
// and what is JSON is read back.
func TestGoldenVerdicts(t *testing.T) {
	for kind, v := range verdicts() {
		for _, f := range Verdicts() {
			var b bytes.Buffer
			if err := f.Write(&b, v); err != nil {
				t.Fatal(err)
			}
			golden(t, "verdict-"+kind+"."+f.Name, b.Bytes())
			switch f.Name {
			case "json":
				if back, err := results.DecodeVerdict(b.Bytes()); err != nil || back.Verdict != v.Verdict {
					t.Errorf("%s: read back %v, %v", kind, back, err)
				}
			case "junit":
				var suites junitSuites
				if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				for _, c := range suites.Suites[0].Cases {
					if c.Name == "p99" && (c.Skipped == nil || !strings.Contains(c.Skipped.Message, "inconclusive")) {
						t.Errorf("%s: an inconclusive metric is not skipped: %+v", kind, c)
					}
				}
			case "markdown":
				if strings.Contains(b.String(), "<script>") {
					t.Error("a script in Markdown")
				}
			}
		}
	}
	if _, err := Verdicts().Find("pdf"); err == nil {
		t.Error("a verdict as pdf")
	}
	if _, err := results.DecodeVerdict([]byte(`{"schema": "etcdbench.run/v1"}`)); err == nil {
		t.Error("a run is no verdict")
	}
}

// Two sides in the formats that have a form for them.
func TestGoldenComparison(t *testing.T) {
	low, high := -0.05, 0.02
	c := Compared{
		Base: []Document{document(t, sample(t))}, Candidate: []Document{document(t, mixture(t))}, Differences: []string{"clients: 8 against 9"},
		Rows: []results.Comparison{
			{Operation: "put", Metric: "throughput", Unit: "/s", Higher: true, Base: 9000, Candidate: 8900, Change: -0.011, Lower: &low, Upper: &high, Word: results.Same, Within: 0.05, Descriptive: true},
			{Operation: "put", Metric: "p99", Unit: "ns", Base: 3e7, Candidate: 9e7, Change: 2, Word: results.Unresolved, Descriptive: true},
			{Metric: "allocs", Unit: "objects", Base: 350, Candidate: 300, Change: -0.14, Lower: &low, Upper: &low, Word: results.Better},
		},
	}
	for _, name := range []string{"text", "markdown", "json"} {
		f, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteComparison(&b, f, c); err != nil {
			t.Fatal(err)
		}
		golden(t, "comparison."+name, b.Bytes())
	}
	f, _ := Find("html")
	var b bytes.Buffer
	if err := WriteComparison(&b, f, c); err != nil || !strings.Contains(b.String(), "1 run against 1 run") || !strings.Contains(b.String(), "2 runs side by side") {
		t.Errorf("as HTML: %v", err)
	}
}
