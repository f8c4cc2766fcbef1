package html

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// runColumns is a document with its seconds, as one of several.
type runColumns struct {
	content.Document
	columns []column
	name    string
	class   string // its colour
	series  int    // its entry in the key
}

// runName is the name of a run in an overlay: a letter, and its place.
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

// newRuns gives runs their names and colours: each its own, or where they are compared one
// for each side. It also returns the key.
func newRuns(docs []content.Document, columns [][]column, compared *content.Compared) (runs []runColumns, key []keyEntry) {
	for i, d := range docs {
		r := runColumns{d, columns[i], runName(i, d), runClass(i), i}
		if compared != nil {
			r.series = 0
			if i >= len(compared.Base) {
				r.series = 1
			}
			r.class = memberClasses[r.series]
		} else {
			key = append(key, keyEntry{Class: r.class, Name: r.name})
		}
		runs = append(runs, r)
	}
	if compared != nil {
		key = []keyEntry{
			{Class: memberClasses[0], Name: "base: " + words.Plural(len(compared.Base), "run", "runs")},
			{Class: memberClasses[1], Name: "candidate: " + words.Plural(len(compared.Candidate), "run", "runs")},
		}
	}
	return runs, key
}

// line is an empty line of the run.
func (r runColumns) line(sides bool) line {
	return line{name: r.name, class: r.class, series: r.series, unnamed: sides}
}

// overlay draws several runs in the same charts, each counted from its first measured second,
// and lists their other differences. It begins with the comparison, if the runs are two sides
// of one.
func overlay(docs []content.Document, columns [][]column, compared *content.Compared) chapter {
	runs, key := newRuns(docs, columns, compared)
	c := chapter{
		Title: fmt.Sprintf("%d runs side by side", len(runs)),
		Lead: "Time counts from the first measured second of each run. " +
			"Two runs also differ by chance: a comparison of two single runs is not conclusive.",
	}
	runsTable := overlayTable(runs)
	if compared != nil {
		c.compare(*compared)
		c.Parts = append(c.Parts, tablePart("runs", runsTable))
	} else {
		c.Tables = append(c.Tables, runsTable)
	}
	for i, r := range runs[1:] {
		for _, d := range judge.Differences(runs[0].Run, r.Run) {
			c.Notes = append(c.Notes, fmt.Sprintf("%s and %s differ in %s", words.Letter(0), words.Letter(i+1), words.Clean(d)))
		}
	}
	charts := overlayCharts(runs, key, compared != nil)
	if compared != nil {
		c.Parts = append(c.Parts, part{ID: "overlay", Title: "Runs over time", Open: true, Figures: charts})
	} else {
		c.Figures = append(c.Figures, charts...)
	}
	if events, any := overlayEvents(runs); any {
		c.Parts = append(c.Parts, tablePart("disturbances", events))
	}
	c.Parts = append(c.Parts, changesPart(runs))
	return c
}

// compare puts a comparison at the beginning.
func (c *chapter) compare(compared content.Compared) {
	head, rows := compared.Table()
	c.Title, c.Lead = compared.Title(), compared.Note()
	if f, ok := comparisonFigure(compared); ok {
		c.Figures = append(c.Figures, f)
	}
	p := tablePart("metrics", table{Title: "Metrics", Words: true, Head: head, Rows: unbroken(rows)})
	p.Open = true
	c.Parts = append(c.Parts, p)
}

// overlayCharts draws the runs over time and by percentile.
func overlayCharts(runs []runColumns, key []keyEntry, sides bool) (figures []figure) {
	percentile, each := resolvingAll(runs)
	name := fmt.Sprintf("p%g", percentile)
	if f, ok := overlayOverTime(runs, sides, overTime{name + " of response time", true, each, func(c column) (float64, string) {
		q := c.sum.Percentile(percentile)
		if !q.Resolved {
			return math.NaN(), ""
		}
		return float64(q.Time), content.PercentileCell(q)
	}}); ok {
		f.Caption = fmt.Sprintf("Each point is the %s of the response times of %s, where ten samples lie beyond it. Operations that did "+
			"not finish count with lower bounds (≥).", name, words.Plural(each, "second", "seconds"))
		figures = append(figures, f)
	}
	if f, ok := overlayOverTime(runs, sides, overTime{"Throughput", false, 1, func(c column) (float64, string) {
		return c.sum.Throughput, words.Rate(c.sum.Throughput)
	}}); ok {
		f.Caption = "Operations completed in each second."
		figures = append(figures, f)
	}
	if f, ok := overlayPercentiles(runs, sides); ok {
		figures = append(figures, f)
	}
	for i := range figures {
		figures[i].Key = key
	}
	return figures
}

// changesPart shows in which functions the runs' costs differ from those of the first.
func changesPart(runs []runColumns) part {
	p := part{ID: "changes", Title: "Profile changes"}
	for i, r := range runs[1:] {
		for _, c := range r.Changes {
			p.Tables = append(p.Tables, table{
				Title: fmt.Sprintf("%s against %s: %s, for each operation", words.Letter(i+1), words.Letter(0), words.Clean(c.Title)),
				Head:  []string{"function", "before", "after", "change"}, Rows: content.ChangeRows(c, 15),
			})
		}
		for _, v := range r.Differences {
			v.Title = fmt.Sprintf("%s against %s: %s", words.Letter(i+1), words.Letter(0), v.Title)
			p.Views = append(p.Views, frames([]content.View{v})...)
		}
	}
	return p
}

// resolvingAll returns the highest percentile that all runs resolve over time, p99 at most,
// in points of so many seconds.
func resolvingAll(runs []runColumns) (percentile float64, each int) {
	percentile, each = 99, 1
	for _, r := range runs {
		percentiles, seconds := operationSeries{seconds: r.columns}.resolving(r.Run)
		percentile = min(percentile, percentiles[min(1, len(percentiles)-1)])
		each = max(each, seconds)
	}
	return percentile, each
}

// overlayTable has a line for each run and measured operation.
func overlayTable(runs []runColumns) table {
	t := table{
		Title: "Runs",
		Head:  []string{"run", "operation", "ops/s", "p50", "p99", "p99.9", "error rate", "CPU/op", "objects/op", "etcd", "validity", "target"},
	}
	for _, r := range runs {
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
				r.name, content.OperationName(r.Run, o), words.Rate(o.Throughput), cells[1], cells[3], cells[4],
				content.ErrorRate(o),
				figure(o.Phase, "cpu", func(v float64) string { return words.Duration(int64(v)) }), figure(o.Phase, "allocs", words.Rate),
				words.Clean(r.Cluster.Version), words.Clean(r.Validity.Verdict), words.Clean(r.Target.Verdict),
			})
		}
	}
	return t
}

// measuredColumns returns the columns of the measured phases, counted from the first phase.
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

// overTime is a figure of a second that is overlaid: times in nanoseconds on a logarithmic
// axis, or a rate.
type overTime struct {
	title string
	times bool
	each  int // seconds of a point
	of    func(c column) (value float64, cell string)
}

func overlayOverTime(runs []runColumns, sides bool, what overTime) (figure, bool) {
	var lines []line
	cells := make([][]string, len(runs))
	var at []float64 // of the run that has the most columns
	end := 0.0
	for i, r := range runs {
		l := r.line(sides)
		columns, from := measuredColumns(r)
		if columns = joinEach(columns, what.each); what.each > 1 && addSums(columns) != nil {
			continue
		}
		for _, c := range columns {
			v, cell := what.of(c)
			cells[i] = append(cells[i], cell)
			l.at, l.value = append(l.at, (c.start-from).Seconds()), append(l.value, v)
			end = max(end, (c.start + c.length - from).Seconds())
		}
		if len(l.at) > len(at) {
			at = l.at
		}
		lines = append(lines, l)
	}
	drawn := slices.ContainsFunc(lines, func(l line) bool {
		return slices.ContainsFunc(l.value, func(v float64) bool { return !math.IsNaN(v) })
	})
	if len(at) < 2 || !drawn {
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
	low, high := bounds(lines, what.times)
	title, label := what.title+" (operations/s)", plainNumber
	if what.times {
		u := timeUnit(high)
		title, label = fmt.Sprintf("%s (%s, log scale)", what.title, u.name), u.label
	}
	ch := chart{
		title: title, describe: "of each run over time", width: chartWidth, height: 260, overTime: true,
		x: axis{low: 0, high: end}, y: axis{low: low, high: high, log: what.times}, xLabel: secondsLabel, yLabel: label, lines: lines,
		marks: overlayMarks(runs, end),
	}
	return figure{Title: title, SVG: ch.svg(), Table: t, At: places(at)}, true
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

func overlayPercentiles(runs []runColumns, sides bool) (figure, bool) {
	var lines []line
	t := table{Head: []string{"percentile"}, Rows: [][]string{{"50 %"}, {"90 %"}, {"99 %"}, {"99.9 %"}, {"99.99 %"}}}
	drawn := false
	for _, r := range runs {
		sum, err := r.Measured("")
		if err != nil {
			continue
		}
		l := r.line(sides)
		l.addCurve(sum.ResponseTime)
		drawn = drawn || len(l.at) > 1
		t.Head = append(t.Head, l.name)
		for k, q := range sum.Percentiles(content.Percentiles()...) {
			t.Rows[k] = append(t.Rows[k], content.PercentileCell(q))
		}
		lines = append(lines, l)
	}
	if !drawn {
		return figure{}, false
	}
	return figureOfCurves("Percentiles of response time", lines, t, []float64{math.Log10(2), 1, 2, 3, 4},
		"Each step to the right adds a nine: 90 %, 99 %, 99.9 %."), true
}
