package html

import (
	"io"
	"math"
	"slices"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// WriteScale writes the page of a scale experiment, which draws its figures over the size.
func WriteScale(w io.Writer, s *results.Scale) error {
	c := chapter{Title: content.ScaleTitle(s), Lead: content.ScaleFitNote(s), Notes: content.ScaleNotes(s)}
	for _, row := range experimentTable(s.Cluster, s.Environment, "experiment", s.ID).Rows {
		c.Facts = append(c.Facts, fact{row[0], row[1]})
	}
	if len(s.Rungs) > 0 {
		c.Figures = scaleFigures(s)
		head, rows := content.ScaleTable(s)
		figures := tablePart("figures", table{Title: "Figures by amount of data", Words: true, Head: head, Rows: unbroken(rows)})
		figures.Open = true
		head, rows = content.ScaleEvents(s)
		c.Parts = []part{figures, tablePart("events", table{Title: "Events under load", Words: true, Head: head, Rows: unbroken(rows)})}
	}
	return page{Title: "etcdbench scale " + words.Clean(s.Workload), Chapters: []chapter{c}}.write(w, nil)
}

// scaleClasses are the lines of one chart.
var scaleClasses = [...]string{"s1", "s2", "s3", "s4", "s5", "s1 dashed", "s2 dashed", "s3 dashed", "s4 dashed", "s5 dashed"}

// scaleFigures are the curves over the size, grouped by unit.
func scaleFigures(s *results.Scale) (figures []figure) {
	groups := []struct {
		title  string
		belong func(f judge.ScaleFigure) bool
	}{
		{"File and memory of the largest member", func(f judge.ScaleFigure) bool { return f.Unit == "bytes" }},
		{"Response time p50 in the steady state", func(f judge.ScaleFigure) bool { return f.Unit == "ns" && !scaleEvent(s, f.Name) }},
		{"Duration of maintenance and of list storms", func(f judge.ScaleFigure) bool {
			return scaleEvent(s, f.Name) && !results.Recovers(f.Name)
		}},
		{"Time to full redundancy", func(f judge.ScaleFigure) bool { return results.Recovers(f.Name) }},
	}
	for _, g := range groups {
		list := slices.DeleteFunc(judge.ScaleFigures(s), func(f judge.ScaleFigure) bool { return !g.belong(f) })
		if len(list) > 0 {
			figures = append(figures, scaleCurves(s, g.title, list[:min(len(list), len(scaleClasses))]))
		}
	}
	return figures
}

// scaleEvent reports whether a figure is that of a kind of event.
func scaleEvent(s *results.Scale, name string) bool {
	return slices.ContainsFunc(s.Rungs, func(r results.ScaleRung) bool {
		return slices.ContainsFunc(r.Events, func(e results.ScaleEvent) bool { return e.Kind == name })
	})
}

func scaleCurves(s *results.Scale, title string, list []judge.ScaleFigure) figure {
	t := table{Head: []string{"data"}}
	var lines []line
	for i, f := range list {
		lines = append(lines, line{name: words.Clean(f.Name), class: scaleClasses[i], dots: true, series: i})
		t.Head = append(t.Head, words.Clean(f.Name))
	}
	var at []float64
	for k := range s.Rungs {
		r := &s.Rungs[k]
		row := []string{content.ScaleSize(r.Size)}
		at = append(at, float64(r.Size))
		for i, f := range list {
			v := f.Of(r)
			row = append(row, content.ScaleValue(f.Unit, v))
			if !(v > 0) {
				v = math.NaN()
			}
			lines[i].at, lines[i].value = append(lines[i].at, float64(r.Size)), append(lines[i].value, v)
		}
		t.Rows = append(t.Rows, row)
	}
	label := words.AxisDuration
	if list[0].Unit == "bytes" {
		label = scaleBytes
	}
	low, high := bounds(lines, true)
	ch := chart{
		title: title + ", by size of the data (log scales)", describe: namesOf(lines), width: chartWidth, height: 280,
		x: axis{low: at[0] * 0.9, high: at[len(at)-1] * 1.1, log: true}, y: axis{low: low, high: high, log: true},
		xLabel: scaleBytes, yLabel: label, lines: lines,
	}
	return figure{
		Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "Each dot is a rung of the ladder.",
	}
}

func scaleBytes(v float64) string { return content.ScaleSize(int64(v)) }
