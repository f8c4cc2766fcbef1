package html

import (
	"bytes"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// A tuning as a page, and a dot for each fault in a browser.
func TestGoldenTuningPage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTuning(&b, reporttest.PairTuning(t)); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "tuning.html", []byte(reporttest.WithoutScripts(b.String())))
	page := browsertest.Open(t, b.String())
	charts := shownCharts(t, page)
	if len(charts) != 1 || len(charts[0].Rows) != 8 || strings.Join(charts[0].Rows[1], "|") != "kill-leader|50ms/500ms|2|700 ms|1.40 s|0" {
		t.Errorf("charts %+v", charts)
	}
	dots := browsertest.Eval[[]float64](page, `[...document.querySelectorAll('svg.chart circle.dot')].map((c) => c.cx.baseVal.value)`)
	if len(dots) != 8 || dots[1] <= dots[0] || dots[0] <= dots[2] {
		t.Errorf("dots at %v", dots)
	}
	page.Screenshot("tuning")
	page.Width(400)
	if width := browsertest.Eval[float64](page, `document.documentElement.scrollWidth`); width > 400 {
		t.Errorf("on a screen of 400 pixels, the page is %v wide", width)
	}
	checkComplaints(t, page)
}
