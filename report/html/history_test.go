package html

import (
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// The page of a history.
func TestGoldenHistoryPage(t *testing.T) {
	runs := reporttest.PastRuns(t)
	var b strings.Builder
	if err := WriteHistory(&b, content.NewHistory(runs, []results.SeriesChange{reporttest.LevelChange(runs)}, []string{"read result x: truncated"})); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "history.html", []byte(reporttest.WithoutScripts(b.String())))
}

// In a browser, the chart of the target shows each run's figure, and its table the
// change of version.
func TestHistoryInABrowser(t *testing.T) {
	var page strings.Builder
	if err := WriteHistory(&page, content.NewHistory(reporttest.PastRuns(t), nil, nil)); err != nil {
		t.Fatal(err)
	}
	b := browsertest.Open(t, page.String())
	chart := shownCharts(t, b)[0]
	for n, row := range chart.Rows {
		if want := words.Rate(float64(9000 + n*500)); row[3] != want {
			t.Errorf("run %d: %q, want %q", n+1, row[3], want)
		}
	}
	if len(chart.Rows) != 6 || chart.Rows[3][4] != "etcd 3.6.14 → 3.7.3" || !strings.Contains(chart.Rows[5][4], "machine") {
		t.Errorf("rows %q", chart.Rows)
	}
	x, y, width, height := place(b, 0)
	b.Move(x+width*2.5/6, y+height/2)
	if got := browsertest.Eval[string](b, `document.querySelector('output').textContent`); !strings.Contains(got, "#3") || !strings.Contains(got, "10,000") {
		t.Errorf("under the pointer: %q", got)
	}
	b.Screenshot("history")
	checkComplaints(t, b)
}
