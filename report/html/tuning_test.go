package html

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// checkTraces compares the throughput around a kill of the leader with the document's: the
// recommended settings come first, and then the defaults.
func checkTraces(t *testing.T, c shownChart) {
	t.Helper()
	if !strings.HasPrefix(c.Title, "Throughput around a kill of the leader (operations/s)") || len(c.Rows) != 60 || len(c.Paths) != 4 {
		t.Fatalf("%q with %d rows and %d lines", c.Title, len(c.Rows), len(c.Paths))
	}
	if strings.Join(c.Head, "|") != "from|★ 50ms/500ms|defaults|50ms/250ms|25ms/500ms" {
		t.Errorf("heading %q", c.Head)
	}
	for _, want := range []string{"-1 s|200|200|200|200", "0 s|0|0|0|0", "+0.7 s|1,600|0|200|1,600", "+1.3 s|200|2,800|200|200"} {
		if !slices.ContainsFunc(c.Rows, func(row []string) bool { return strings.Join(row, "|") == want }) {
			t.Errorf("no row %q", want)
		}
	}
	for i, path := range c.Paths {
		places := heights(path)
		if len(places) != 60 || slices.Min(places) != places[10] || slices.Max(places) <= places[9] {
			t.Errorf("line %d does not fall at the fault and rise after it: %v", i, places)
		}
	}
}

// A tuning as a page, and a dot for each fault in a browser.
func TestGoldenTuningPage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTuning(&b, reporttest.PairTuning(t)); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "tuning.html", []byte(reporttest.WithoutScripts(b.String())))
	page := browsertest.Open(t, b.String())
	charts := shownCharts(t, page)
	if len(charts) != 2 || len(charts[0].Rows) != 8 || strings.Join(charts[0].Rows[1], "|") != "kill-leader|50ms/500ms|2|700 ms|1.40 s|0" {
		t.Errorf("charts %+v", charts)
	}
	dots := browsertest.Eval[[]float64](page, `[...document.querySelectorAll('svg.chart circle.dot')].map((c) => c.cx.baseVal.value)`)
	if len(dots) != 8 || dots[1] <= dots[0] || dots[0] <= dots[2] {
		t.Errorf("dots at %v", dots)
	}
	checkTraces(t, charts[1])
	page.Screenshot("tuning")
	page.Width(400)
	if width := browsertest.Eval[float64](page, `document.documentElement.scrollWidth`); width > 400 {
		t.Errorf("on a screen of 400 pixels, the page is %v wide", width)
	}
	checkComplaints(t, page)
}
