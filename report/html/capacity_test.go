package html

import (
	"bytes"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// A capacity search as a page, and its curve in a browser.
func TestGoldenCapacityPage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCapacity(&b, reporttest.CapacitySearch(t)); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "capacity.html", []byte(reporttest.WithoutScripts(b.String())))
	page := browsertest.Open(t, b.String())
	chart := shownCharts(t, page)[0]
	if len(chart.Rows) != 5 || chart.Rows[2][0] != "9,240/s" || chart.Rows[1][2] != "41.0 ms" {
		t.Errorf("rows %q", chart.Rows)
	}
	page.Screenshot("capacity")
	checkComplaints(t, page)
}
