package html

import (
	"bytes"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// Verdicts differ by the shape of their marks, in the plot and in its key, not by colour alone.
func TestVerdictsDifferByShape(t *testing.T) {
	t.Parallel()
	v := reporttest.GateVerdicts()["ab"]
	low, high := -0.01, 0.03
	v.Metrics = []results.MetricVerdict{{Name: "cpu", Unit: "ns", Primary: true, Estimate: 0.01, Lower: &low, Upper: &high, Margin: 0.05}}
	for verdict, mark := range map[string]string{
		results.Pass: `<circle class="estimate"`, results.Fail: `m-5 -5l10 10`, results.Inconclusive: `<circle class="hollow"`,
	} {
		v.Metrics[0].Verdict = verdict
		var page bytes.Buffer
		if err := WriteVerdict(&page, v); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(page.String(), mark); n != 1 {
			t.Errorf("%s: %d marks %q, want 1", verdict, n, mark)
		}
		for _, shape := range []string{shapeDot, shapeCross, shapeRing} {
			if want := `d="M13 4` + shape + `"`; !strings.Contains(page.String(), want) {
				t.Errorf("the key does not have %s", want)
			}
		}
	}
}

// The page of a release check draws the worst deciding metric of each scenario that was
// measured.
func TestReleaseCheckDrawsItsScenarios(t *testing.T) {
	t.Parallel()
	v := reporttest.GateVerdicts()["qualify"]
	better := v.Parts[1].Metrics[0]
	better.Name, better.Verdict, better.Estimate = "cpu", results.Pass, 0
	unused := better
	unused.Name, unused.Primary, unused.Verdict = "p99", false, results.Fail
	v.Parts[1].Metrics = append([]results.MetricVerdict{better, unused}, v.Parts[1].Metrics...)
	var page bytes.Buffer
	if err := WriteVerdict(&page, v); err != nil {
		t.Fatal(err)
	}
	for want, count := range map[string]int{
		`text-anchor="end">kubernetes: cpu</text>`: 1, `text-anchor="end">saturate: throughput</text>`: 1,
		`text-anchor="end">saturate: cpu</text>`: 0, `text-anchor="end">saturate: p99</text>`: 0, `text-anchor="end">check-xl`: 0,
	} {
		if n := strings.Count(page.String(), want); n != count {
			t.Errorf("%q is on the page %d times, want %d", want, n, count)
		}
	}
}

// The curves of percentiles have room for the names of their operations.
func TestNamesOfCurvesHaveRoom(t *testing.T) {
	t.Parallel()
	const name = "watch-leases/event"
	curve := line{name: name, at: []float64{0, 1}, value: []float64{1e6, 2e6}}
	if drawn := string(figureOfCurves("", []line{curve}, table{}, nil, "").SVG); !strings.Contains(drawn, ">"+name+"</text>") {
		t.Errorf("the name %q is cut", name)
	}
}

func TestTicksHaveSeparators(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0.5: "0.5", 999: "999", 1000: "1,000", 1500: "1,500", 40_000: "40,000"} {
		if got := plainNumber(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

// The proof has one line for the checks of one name.
func TestChecksOfOneNameAreOneLine(t *testing.T) {
	t.Parallel()
	check := results.Check{Name: "keys", Checked: 10, Of: 10, Note: "each holds its last acknowledged write"}
	rows := proofTable(&results.Proof{Verdict: results.Proved, Checks: []results.Check{check, check}}).Rows
	if len(rows) != 1 || rows[0][1] != "20" {
		t.Errorf("%q", rows)
	}
}

// Figures of reasons have units.
func TestReasonsHaveUnits(t *testing.T) {
	t.Parallel()
	rows := validityTable(results.Validity{Reasons: []results.Reason{
		{Code: "other-processes", Value: 0.7113, Limit: 0.1}, {Code: "send-lag", Value: 0.169, Limit: 0.016}, {Code: "shared-runtime", Value: 1},
	}}).Rows
	for i, want := range []string{"71 %|10 %", "169 ms|16.0 ms", "–|–"} {
		if got := rows[i][2] + "|" + rows[i][3]; got != want {
			t.Errorf("%s: %q, want %q", rows[i][0], got, want)
		}
	}
}

// Screen readers find each table, and each summary of a table, under a name of its own.
func TestTablesHaveNames(t *testing.T) {
	t.Parallel()
	page := render(t, reporttest.Document(t, reporttest.Mixture(t)))
	if n := strings.Count(page, `aria-label="Table"`); n > 0 {
		t.Errorf("%d tables have no name", n)
	}
	for _, want := range []string{`aria-label="Data table: Throughput (operations/s)"`, `role="region" aria-label="Throughput (operations/s)"`, `role="region" aria-label="Validity"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}

// A threshold on the response time of the run is drawn on the page of a run of one operation.
func TestThresholdOfTheRunIsDrawn(t *testing.T) {
	t.Parallel()
	doc := reporttest.LongRun(t, 30, 1, 1)
	doc.Plan.Thresholds = []string{"p99 < 50ms"}
	if page := render(t, doc); !strings.Contains(page, `<text class="tick end limit"`) || !strings.Contains(page, "p99 &lt; 50 ms") {
		t.Error("the threshold is not drawn")
	}
}

// The page of a tuning begins with the recommendation, its flags and its failover.
func TestTuningBeginsWithItsAnswer(t *testing.T) {
	t.Parallel()
	tuning := reporttest.PairTuning(t)
	var page bytes.Buffer
	if err := WriteTuning(&page, tuning); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(page.String(), `<svg class="chart"`)
	for _, want := range []string{`<span class="dim">recommended</span><strong class="">` + tuning.Recommended, "--heartbeat-interval=", "failover, median"} {
		if !strings.Contains(head, want) {
			t.Errorf("the page does not begin with %q", want)
		}
	}
}
