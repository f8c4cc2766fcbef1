package html

import (
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// runColumns is a document with its seconds.
type runColumns struct {
	content.Document
	columns []column
}

// runName is what a run is called among others: a letter, and its place.
func runName(i int, d content.Document) string {
	name := d.ID
	if d.Path != "" {
		name = filepath.Base(filepath.Clean(d.Path))
		if name == results.RunFile || name == results.JournalFile {
			name = filepath.Base(filepath.Dir(filepath.Clean(d.Path)))
		}
	}
	return words.Letter(i) + " " + words.Clean(name)
}

// runClass is the colour of a run; the sixth has the first's again, dashed.
func runClass(i int) string {
	class := memberClasses[i%len(memberClasses)]
	if i/len(memberClasses)%2 == 1 {
		class += " dashed"
	}
	return class
}

// overlay lays several runs over each other, each counted from its first measured
// second, and says in what else they differ.
func overlay(runs []runColumns) section {
	s := section{
		Title: fmt.Sprintf("%d runs side by side", len(runs)),
		Lead:  "Time counts from the first measured second of each run. Two runs differ by chance, too: one against one proves nothing.",
	}
	for i, r := range runs[1:] {
		for _, d := range judge.Differences(runs[0].Run, r.Run) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s and %s differ in %s", words.Letter(0), words.Letter(i+1), words.Clean(d)))
		}
	}
	s.Table = overlayTable(runs)
	for _, f := range []struct {
		title   string
		log     bool
		label   func(v float64) string
		of      func(c column) (value float64, cell string)
		caption string
	}{
		{
			"p99 over time", true, words.AxisDuration, p99Of,
			"The p99 of each second's response times, where ten samples lie beyond it. Operations that did not finish count " +
				"with lower bounds (≥).",
		},
		{
			"Throughput over time", false, func(v float64) string { return humanize.SI(v, "") },
			func(c column) (float64, string) { return c.sum.Throughput, humanize.SI(c.sum.Throughput, "") },
			"Operations completed in each second.",
		},
	} {
		if fig, ok := overlayOverTime(runs, f.title, f.log, f.label, f.of); ok {
			fig.Caption = f.caption
			s.Figures = append(s.Figures, fig)
		}
	}
	if fig, ok := overlayPercentiles(runs); ok {
		s.Figures = append(s.Figures, fig)
	}
	for i, r := range runs[1:] {
		for _, c := range r.Changes {
			s.Tables = append(s.Tables, table{
				Title: fmt.Sprintf("%s against %s: %s, for each operation", words.Letter(i+1), words.Letter(0), words.Clean(c.Title)),
				Head:  []string{"function", "before", "after", "change"}, Rows: content.ChangeRows(c, 15),
			})
		}
		for _, v := range r.Differences {
			v.Title = fmt.Sprintf("%s against %s: %s", words.Letter(i+1), words.Letter(0), v.Title)
			s.Views = append(s.Views, frames([]content.View{v})...)
		}
	}
	return s
}

// p99Of is a column's p99, and NaN where it is not resolved.
func p99Of(c column) (value float64, cell string) {
	q := c.sum.Percentile(99)
	if !q.Resolved {
		return math.NaN(), ""
	}
	return float64(q.Time), content.PercentileCell(q)
}

// overlayTable has a line for each run and measured operation.
func overlayTable(runs []runColumns) table {
	t := table{
		Head: []string{"run", "operation", "ops/s", "p50", "p99", "p99.9", "error rate", "CPU/op", "objects/op", "etcd", "validity", "target"},
	}
	for i, r := range runs {
		cost := map[string]map[string]float64{}
		if r.Server != nil {
			for _, c := range r.Server.Cost {
				if c.Member == "" {
					cost[c.Phase] = c.Figures
				}
			}
		}
		figure := func(phase, name string, print func(v float64) string) string {
			if v, ok := cost[phase][name]; ok {
				return print(v)
			}
			return "–"
		}
		for _, o := range content.Operations(r.Run) {
			if o.Of != "" {
				continue
			}
			cells := content.ResponseCells(o)
			t.Rows = append(t.Rows, []string{
				runName(i, r.Document), content.OperationName(r.Run, o), words.Rate(o.Throughput), cells[1], cells[3], cells[4],
				content.ErrorRate(o),
				figure(o.Phase, "cpu", func(v float64) string { return words.Duration(int64(v)) }), figure(o.Phase, "allocs", words.Rate),
				words.Clean(r.Cluster.Version), words.Clean(r.Validity.Verdict), words.Clean(r.Target.Verdict),
			})
		}
	}
	return t
}

// measuredColumns are those of the measured phases, counted from the first.
func measuredColumns(r runColumns) (columns []column, from time.Duration) {
	measured := content.MeasuredPhases(r.Run)
	for _, c := range r.columns {
		if !measured[c.phase] {
			continue
		}
		if len(columns) == 0 {
			from = c.start
		}
		columns = append(columns, c)
	}
	return columns, from
}

func overlayOverTime(runs []runColumns, title string, log bool, label func(v float64) string,
	of func(c column) (value float64, cell string),
) (figure, bool) {
	var lines []line
	cells := make([][]string, len(runs))
	var at []float64 // of the run that has the most columns
	end := 0.0
	for i, r := range runs {
		l := line{name: runName(i, r.Document), class: runClass(i)}
		columns, from := measuredColumns(r)
		for _, c := range columns {
			v, cell := of(c)
			cells[i] = append(cells[i], cell)
			l.at, l.value = append(l.at, (c.start-from).Seconds()), append(l.value, v)
			end = max(end, (c.start + c.length - from).Seconds())
		}
		if len(l.at) > len(at) {
			at = l.at
		}
		lines = append(lines, l)
	}
	if len(at) < 2 {
		return figure{}, false
	}
	t := table{Head: []string{"from"}}
	for _, l := range lines {
		t.Head = append(t.Head, l.name)
	}
	for _, x := range at {
		row := []string{secondsLabel(x)}
		for i, l := range lines {
			row = append(row, cellNear(l, cells[i], x))
		}
		t.Rows = append(t.Rows, row)
	}
	low, high := bounds(lines, log)
	ch := chart{
		title: title, describe: "of each run", width: chartWidth, height: 260, overTime: true,
		x: axis{low: 0, high: end}, y: axis{low: low, high: high, log: log}, xLabel: secondsLabel, yLabel: label, lines: lines,
	}
	return figure{Title: title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at)}, true
}

// cellNear is the cell of a line's last value at or before x, if it is not far from it.
func cellNear(l line, cells []string, x float64) string {
	cell := ""
	for i, at := range l.at {
		if at > x+1e-9 {
			break
		}
		if cell = ""; i+1 < len(l.at) || x-at < 2 {
			cell = cells[i]
		}
	}
	return cell
}

func overlayPercentiles(runs []runColumns) (figure, bool) {
	var lines []line
	t := table{Head: []string{"percentile"}, Rows: [][]string{{"50 %"}, {"90 %"}, {"99 %"}, {"99.9 %"}, {"99.99 %"}}}
	high := 0.0
	for i, r := range runs {
		sum, err := r.Measured("")
		if err != nil {
			continue
		}
		l := line{name: runName(i, r.Document), class: runClass(i)}
		for _, p := range curve(sum.ResponseTime) {
			l.at, l.value = append(l.at, p.nines), append(l.value, float64(p.ns))
			high = max(high, p.nines)
		}
		t.Head = append(t.Head, l.name)
		for k, q := range sum.Percentiles(content.Percentiles()...) {
			t.Rows[k] = append(t.Rows[k], content.PercentileCell(q))
		}
		lines = append(lines, l)
	}
	if high == 0 {
		return figure{}, false
	}
	from, to := bounds(lines, true)
	ch := chart{
		title: "Percentiles", describe: "response time of each run by percentile", width: chartWidth, height: 280,
		x: axis{low: 0, high: math.Ceil(high), whole: true}, y: axis{low: from, high: to, log: true},
		xLabel: ninesLabel, yLabel: words.AxisDuration, lines: lines,
	}
	return figure{
		Title: "Percentiles of response time", SVG: ch.svg(), Key: keyOf(lines), Table: t,
		At: places([]float64{math.Log10(2), 1, 2, 3, 4}), Caption: "Each step to the right is one nine more.",
	}, true
}
