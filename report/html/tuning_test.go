package html

import (
	"bytes"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// A tuning as a page, and its heat maps in a browser.
func TestGoldenTuningPage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTuning(&b, reporttest.PairTuning(t)); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "tuning.html", []byte(reporttest.WithoutScripts(b.String())))
	page := browsertest.Open(t, b.String())
	charts := shownCharts(t, page)
	if len(charts) != 3 || len(charts[2].Rows) != 5 || charts[2].Rows[1][0] != "50ms/500ms" || charts[2].Rows[1][1] != "700 ms–1.40 s" || charts[2].Rows[4][1] != "✕" {
		t.Errorf("charts %+v", charts)
	}
	page.Screenshot("tuning")
	page.Width(400)
	if width := browsertest.Eval[float64](page, `document.documentElement.scrollWidth`); width > 400 {
		t.Errorf("on a screen of 400 pixels, the page is %v wide", width)
	}
	checkComplaints(t, page)
}
