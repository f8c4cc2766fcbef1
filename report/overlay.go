package report

import (
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// runColumns is a document with its seconds.
type runColumns struct {
	Document
	columns []column
}

// runName is what a run is called among others: a letter, and its place.
func runName(i int, d Document) string {
	name := d.ID
	if d.Path != "" {
		name = filepath.Base(filepath.Clean(d.Path))
		if name == results.RunFile || name == results.JournalFile {
			name = filepath.Base(filepath.Dir(filepath.Clean(d.Path)))
		}
	}
	return runLetter(i) + " " + clean(name)
}

func runLetter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprintf("%s%d", runLetter(i%26), i/26)
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
	s := section{Title: fmt.Sprintf("%d runs side by side", len(runs)), Lead: "Time counts from the first measured second of each run. Two runs differ by chance, too: one against one proves nothing."}
	for i, r := range runs[1:] {
		for _, d := range results.Differences(runs[0].Run, r.Run) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s and %s differ in %s", runLetter(0), runLetter(i+1), clean(d)))
		}
	}
	s.Table = overlayTable(runs)
	for _, f := range []struct {
		title   string
		log     bool
		label   func(v float64) string
		of      func(c column) float64
		caption string
	}{
		{"p99 over time", true, nsLabel, func(c column) float64 { return float64(c.p99) }, "The p99 of each second's response times, where ten samples lie beyond it."},
		{"Throughput over time", false, func(v float64) string { return humanize.SI(v, "") }, func(c column) float64 { return float64(c.completed) / max(c.length.Seconds(), 1e-3) }, "Operations completed in each second."},
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
				Title: fmt.Sprintf("%s against %s: %s, for each operation", runLetter(i+1), runLetter(0), clean(c.Title)),
				Head:  []string{"function", "before", "after", "change"}, Rows: changeRows(c, 15),
			})
		}
		for _, v := range r.Differences {
			v.Title = fmt.Sprintf("%s against %s: %s", runLetter(i+1), runLetter(0), v.Title)
			s.Views = append(s.Views, frames([]View{v})...)
		}
	}
	return s
}

// overlayTable has a line for each run and measured operation.
func overlayTable(runs []runColumns) table {
	t := table{Head: []string{"run", "operation", "ops/s", "p50", "p99", "p99.9", "failed", "CPU/op", "objects/op", "etcd", "validity", "target"}}
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
		for _, o := range shownOperations(r.Run) {
			if o.Of != "" {
				continue
			}
			cells := responseCells(o)
			t.Rows = append(t.Rows, []string{
				runName(i, r.Document), operationName(r.Run, o), rate(o.Throughput), cells[1], cells[3], cells[4], count(o.Failed),
				figure(o.Phase, "cpu", func(v float64) string { return duration(int64(v)) }), figure(o.Phase, "allocs", rate),
				clean(r.Cluster.Version), clean(r.Validity.Verdict), clean(r.Target.Verdict),
			})
		}
	}
	return t
}

// measuredColumns are those of the measured phases, counted from the first.
func measuredColumns(r runColumns) (columns []column, from time.Duration) {
	measured := shown(r.Run)
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

func overlayOverTime(runs []runColumns, title string, log bool, label func(v float64) string, of func(c column) float64) (figure, bool) {
	var lines []line
	var at []float64 // of the run that has the most columns
	end := 0.0
	for i, r := range runs {
		l := line{name: runName(i, r.Document), class: runClass(i)}
		columns, from := measuredColumns(r)
		for _, c := range columns {
			v := of(c)
			if v <= 0 && log {
				v = math.NaN()
			}
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
		for _, l := range lines {
			row = append(row, valueNear(l, x, label))
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

// valueNear is a line's last value at or before x, if it is not far from it.
func valueNear(l line, x float64, label func(v float64) string) string {
	cell := ""
	for i, at := range l.at {
		if at > x+1e-9 {
			break
		}
		if cell = ""; !math.IsNaN(l.value[i]) && (i+1 < len(l.at) || x-at < 2) {
			cell = label(l.value[i])
		}
	}
	return cell
}

func overlayPercentiles(runs []runColumns) (figure, bool) {
	var lines []line
	t := table{Head: []string{"percentile"}, Rows: [][]string{{"50 %"}, {"90 %"}, {"99 %"}, {"99.9 %"}, {"99.99 %"}}}
	high := 0.0
	for i, r := range runs {
		merged, err := results.MergeLatency(responseTimes(r.Run)...)
		if err != nil {
			continue
		}
		l := line{name: runName(i, r.Document), class: runClass(i)}
		for _, p := range curve(merged) {
			l.at, l.value = append(l.at, p.nines), append(l.value, float64(p.ns))
			high = max(high, p.nines)
		}
		t.Head = append(t.Head, l.name)
		for k, q := range percentiles(merged) {
			cell := "?"
			if merged.Resolved(q.p) {
				cell = duration(q.ns)
			}
			t.Rows[k] = append(t.Rows[k], cell)
		}
		lines = append(lines, l)
	}
	if high == 0 {
		return figure{}, false
	}
	from, to := bounds(lines, true)
	ch := chart{
		title: "Percentiles", describe: "response time of each run by percentile", width: chartWidth, height: 280,
		x: axis{low: 0, high: math.Ceil(high), whole: true}, y: axis{low: from, high: to, log: true}, xLabel: ninesLabel, yLabel: nsLabel, lines: lines,
	}
	return figure{Title: "Percentiles of response time", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places([]float64{math.Log10(2), 1, 2, 3, 4}), Caption: "Each step to the right is one nine more."}, true
}

// responseTimes are those of the measured operations that were asked for.
func responseTimes(r *results.Run) []results.Latency {
	var all []results.Latency
	for _, o := range shownOperations(r) {
		if !o.Arrived {
			all = append(all, o.ResponseTime)
		}
	}
	return all
}
