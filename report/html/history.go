package html

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
)

// WriteHistory writes the page of a history, with a chart for each figure.
func WriteHistory(w io.Writer, h content.History) error {
	head, rows := h.Table()
	c := chapter{
		Title: "History of " + words.Plural(len(h.Runs), "run", "runs"),
		Lead: "From the oldest to the newest. Runs of one series have the same plan, cluster and machine; their " +
			"versions may differ, which the dashed lines mark.",
	}
	for _, f := range content.HistoryFigures() {
		if fig, ok := historyChart(h, f, head, rows); ok {
			c.Figures = append(c.Figures, fig)
		}
	}
	series := table{Title: "Series", Words: true}
	for _, l := range h.SeriesLines() {
		name, what, _ := strings.Cut(l, ": ")
		series.Rows = append(series.Rows, []string{name, what})
	}
	c.Tables = []table{{Title: "Changes of level", Words: true, Rows: oneColumn(h.Found)}}
	c.Parts = []part{tablePart("runs", table{Title: "Runs", Words: true, Lines: true, Head: head, Rows: rows}), tablePart("series", series)}
	for _, n := range h.Notes {
		c.Notes = append(c.Notes, words.Clean(n))
	}
	return page{Title: "etcdbench history", Chapters: []chapter{c}}.write(w, nil)
}

// historyChart draws one figure of all runs, a line for each series.
func historyChart(h content.History, f content.HistoryFigure, head []string, rows [][]string) (figure, bool) {
	lines := make([]line, len(h.Series))
	for k := range lines {
		lines[k] = line{name: "series " + words.Letter(k), class: runClass(k), dots: true, series: k}
	}
	var marks []mark
	target := line{name: "target", class: "target"}
	var at []float64
	any := false
	for i, r := range h.Runs {
		x := float64(i + 1)
		at = append(at, x)
		v := f.Of(r)
		any = any || !math.IsNaN(v)
		l := &lines[h.Of[i]]
		l.at, l.value = append(l.at, x), append(l.value, v)
		if h.Changes[i] != "" {
			marks = append(marks, mark{x, x, "member", h.Changes[i], h.Changes[i]})
		}
		target.at, target.value = append(target.at, x), append(target.value, r.Target.Writes)
	}
	if !any {
		return figure{}, false
	}
	if f.Head == "writes/s" {
		target.series = len(lines)
		lines = append(lines, target)
	}
	_, high := bounds(lines, false)
	ch := chart{
		title: f.Title, describe: "of each run, oldest first", width: chartWidth, height: 240,
		x: axis{low: 0.5, high: float64(len(h.Runs)) + 0.5, whole: true}, y: axis{low: 0, high: high},
		xLabel: func(v float64) string { return fmt.Sprintf("#%.0f", v) }, yLabel: f.Axis, lines: lines, marks: marks,
	}
	place := slices.Index(head, f.Head)
	t := table{Head: []string{"run", "started", "series", head[place], "new"}}
	for _, row := range rows {
		t.Rows = append(t.Rows, []string{"#" + row[0], row[1], row[2], row[place], row[len(row)-1]})
	}
	return figure{Title: f.Title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at), Caption: f.Caption}, true
}
