package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// A capacity search in every format.
func TestGoldenCapacity(t *testing.T) {
	c := reporttest.CapacitySearch(t)
	for _, f := range Capacities() {
		if f.Name == "html" {
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, c); err != nil {
			t.Fatal(err)
		}
		reporttest.Golden(t, "capacity."+f.Name, []byte(reporttest.WithoutScripts(b.String())))
	}
	if c.Target.Verdict != results.TargetMissed {
		t.Errorf("target %+v", c.Target)
	}
	if _, err := Capacities().Find("pdf"); err == nil {
		t.Error("a capacity as pdf")
	}
}

// junitCases returns the cases of a document: "" for one that passed, else "failure: "
// or "skipped: " with the reason.
func junitCases(t *testing.T, data []byte) map[string]string {
	t.Helper()
	var suites junitSuites
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{}
	for _, s := range suites.Suites {
		failures, skipped := 0, 0
		for _, c := range s.Cases {
			switch cases[c.Name] = ""; {
			case c.Failure != nil:
				failures++
				cases[c.Name] = "failure: " + c.Failure.Message
			case c.Skipped != nil:
				skipped++
				cases[c.Name] = "skipped: " + c.Skipped.Message
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Skipped != skipped {
			t.Errorf("%+v", s)
		}
	}
	return cases
}

// What a search found out passes or fails, and what it could not decide is skipped.
func TestCapacityJUnit(t *testing.T) {
	const slo, target, headroom, down = "a load meets the SLO", "target", "headroom", "headroom with one member down"
	overloaded := []results.CapacityProbe{{Verdict: results.Overloaded}}
	for what, one := range map[string]struct {
		c    results.Capacity
		want map[string]string
	}{
		"found": {
			results.Capacity{
				Low: 100, Target: results.Target{Verdict: results.TargetMet}, MemberDown: &results.CapacityRange{Low: 50},
				Plan: &results.CapacityPlan{Headroom: 0.2, DownSafeRate: 35, DownHeadroom: -0.3, Demand: 50},
			},
			map[string]string{slo: "", target: "", headroom: "", down: "failure: headroom -30 %: the demand is 50/s, the safe rate 35/s"},
		},
		"without target and plan": {results.Capacity{Low: 100, Target: results.Target{Verdict: results.TargetNone}}, map[string]string{slo: ""}},
		"none": {
			results.Capacity{Probes: overloaded, Target: results.Target{Verdict: results.TargetMissed, Writes: 10_000}, Plan: &results.CapacityPlan{Headroom: -1}},
			map[string]string{slo: "failure: no load meets it", target: "failure: missed: 0 of 10,000 writes/s", headroom: "failure: headroom -100 %", down: "skipped: not measured"},
		},
		"the generator's limit": {
			results.Capacity{Probes: overloaded, Stopped: "the generator was late", Target: results.Target{Verdict: results.TargetUndecided, Reason: "late"}, Plan: &results.CapacityPlan{Headroom: -1}},
			map[string]string{slo: "skipped: no result: the generator was late", target: "skipped: undecided", headroom: "skipped: no result", down: "skipped: not measured"},
		},
		"too few samples": {results.Capacity{Probes: []results.CapacityProbe{{Verdict: results.TooFew}}}, map[string]string{slo: "skipped: inconclusive"}},
	} {
		var b bytes.Buffer
		if err := writeCapacityJUnit(&b, &one.c); err != nil {
			t.Fatal(err)
		}
		got := junitCases(t, b.Bytes())
		for name, want := range one.want {
			if is, ok := got[name]; !ok || want == "" && is != "" || !strings.HasPrefix(is, want) {
				t.Errorf("%s: %s is %q, want %q", what, name, is, want)
			}
		}
		if len(got) != len(one.want) {
			t.Errorf("%s: cases %q", what, got)
		}
	}
}
