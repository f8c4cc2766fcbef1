package html

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// Every kind of verdict as a page.
func TestGoldenVerdictPages(t *testing.T) {
	for kind, v := range reporttest.GateVerdicts() {
		var b bytes.Buffer
		if err := WriteVerdict(&b, v); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "<script>alert") {
			t.Errorf("%s: a script of the document", kind)
		}
		reporttest.Golden(t, "verdict-"+kind+".html", []byte(reporttest.WithoutScripts(b.String())))
	}
}

// In a browser, each metric has its interval where its figures are: the estimate within
// it, and both where the margin says.
func TestVerdictPageInABrowser(t *testing.T) {
	v := reporttest.GateVerdicts()["ab"]
	low, high := -0.4, 0.35
	v.Metrics = append(v.Metrics, results.MetricVerdict{
		Name: "disk_written_by_all_members", Unit: "bytes", Verdict: results.Inconclusive, Estimate: -0.01, Lower: &low, Upper: &high, Margin: 0.02, Baseline: 9000, Candidate: 8900,
	})
	var b bytes.Buffer
	if err := WriteVerdict(&b, v); err != nil {
		t.Fatal(err)
	}
	page := openAll(t, b.String())
	text := browsertest.Eval[string](page, `document.body.innerText`)
	for _, want := range []string{"Gate: env:GOGC=20 against the built-in etcd", "fail", "worse by more than the margin: cpu", "12 rounds of 12 planned, 1 dropped", "the leader changed", "false fails", "same-sides"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	chart := shownCharts(t, page)[0]
	if len(chart.Rows) != 7 || chart.Rows[0][3] != "+36\u00a0%\u00a0worse" || chart.Rows[3][3] != "-27\u00a0%\u00a0worse" || chart.Rows[2][4] != "−∞" {
		t.Errorf("rows %q", chart.Rows)
	}
	boxes := browsertest.Eval[[][]float64](page, `[...document.querySelectorAll('svg.chart g[data-series]')].map((g) => { const i = g.querySelector('.interval').getBBox(), e = g.querySelector('.estimate')?.getBBox();
		return [i.x, i.x + i.width, e ? e.x + e.width / 2 : -1]; })`)
	dashed := browsertest.Eval[float64](page, `document.querySelector('svg.chart .target').getBBox().x`)
	zero := browsertest.Eval[float64](page, `document.querySelector('svg.chart .zero').getBBox().x`)
	if len(boxes) != 7 {
		t.Fatalf("%d rows are drawn", len(boxes))
	}
	at := func(margins float64) float64 { return zero + margins*(dashed-zero) }
	near := func(a, b float64) bool { return math.Abs(a-b) < 1 }
	cpu, allocs, p99, disk := boxes[0], boxes[1], boxes[2], boxes[6]
	if !near(cpu[0], at(0.17/0.05)) || !near(cpu[1], at(6)) || cpu[2] != -1 {
		t.Errorf("cpu is drawn from %v to %v, its estimate at %v", cpu[0], cpu[1], cpu[2])
	}
	if !near(allocs[0], at(0.05)) || !near(allocs[1], at(0.55)) || !near(allocs[2], at(0.3)) {
		t.Errorf("allocs is drawn from %v to %v, its estimate at %v", allocs[0], allocs[1], allocs[2])
	}
	if !near(p99[0], at(-6)) || !near(p99[1], at(2)) || !near(disk[0], at(-6)) || !near(disk[1], at(6)) {
		t.Errorf("p99 is drawn from %v to %v, disk_written from %v to %v", p99[0], p99[1], disk[0], disk[1])
	}
	page.Click(`button[data-toggle="0"]`)
	if shown := browsertest.Eval[int](page, `[...document.querySelectorAll('g[data-series]')].filter((g) => getComputedStyle(g).display !== 'none').length`); shown != 5 {
		t.Errorf("without what passed, %d rows are drawn", shown)
	}
	page.Click(`button[data-toggle="0"]`)
	for _, scheme := range []string{"light", "dark"} {
		page.Scheme(scheme)
		if least := browsertest.Eval[string](page, contrasts); least < "[4.5" && !strings.HasPrefix(least, "[1") {
			t.Errorf("%s: the weakest contrast is %s", scheme, least)
		}
		page.Screenshot("gate-" + scheme)
	}
	page.Scheme("light")
	page.Width(400)
	if width := browsertest.Eval[float64](page, `document.documentElement.scrollWidth`); width > 400 {
		t.Errorf("on a screen of 400 pixels, the page is %v wide", width)
	}
	page.Screenshot("gate-narrow")
	checkComplaints(t, page)
}
