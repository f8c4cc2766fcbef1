package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// pastRuns are five runs of a series, the last two with another etcd, and one of
// another machine.
func pastRuns(t *testing.T) []results.HistoryRun {
	var runs []results.HistoryRun
	for n := range 6 {
		r := sample(t)
		r.Started = time.Date(2026, 11, 1+n, 10, 0, 0, 0, time.UTC)
		r.Target.Achieved, r.Target.Verdict = float64(9000+n*500), results.TargetMet
		r.Cluster.Version = "3.6.14"
		if n >= 3 {
			r.Cluster.Version = "3.7.3"
		}
		if n == 5 {
			r.Environment.CPUs = 64
		}
		runs = append(runs, results.HistoryRun{Path: fmt.Sprint("results/run", n+1), Run: r, Values: r.Figures()})
	}
	return runs
}

// A history has every run's figures, and says at which the versions and the
// machine changed.
func TestGoldenHistory(t *testing.T) {
	runs := pastRuns(t)
	for _, format := range HistoryFormats() {
		var b strings.Builder
		if err := WriteHistory(&b, format, runs, []results.SeriesChange{{Series: runs[0].Series(), Metric: "allocs", Unit: "objects", Run: "r4", Started: runs[3].Started, Label: "etcd 3.7.3", Before: 200, After: 220, Change: 0.1, P: 1e-9, Alert: true}}, []string{"read result x: truncated"}); err != nil {
			t.Fatal(err)
		}
		golden(t, "history."+format, []byte(body(b.String())))
	}
}

// In a browser, the chart of the target shows each run's figure, and its table the
// change of version.
func TestHistoryInABrowser(t *testing.T) {
	var page strings.Builder
	if err := WriteHistory(&page, "html", pastRuns(t), nil, nil); err != nil {
		t.Fatal(err)
	}
	b := browsertest.Open(t, page.String())
	chart := shownCharts(t, b)[0]
	for n, row := range chart.Rows {
		if want := rate(float64(9000 + n*500)); row[3] != want {
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
	calm(t, b)
}
