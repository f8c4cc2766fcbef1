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
	c := chapter{Title: sentence(content.ScaleTitle(s)), Lead: sentence(content.ScaleFitNote(s)), Notes: content.ScaleNotes(s)}
	for _, row := range experimentTable(s.Cluster, s.Environment, "experiment", s.ID).Rows {
		c.Facts = append(c.Facts, fact{Name: row[0], Value: row[1]})
	}
	if len(s.Rungs) > 0 {
		c.Figures = scaleFigures(s)
		head, rows := content.ScaleTable(s)
		figures := tablePart("figures", table{Title: "Figures by amount of data", Words: true, Head: head, Rows: unbroken(rows)})
		figures.Open = true
		head, rows = content.ScaleEvents(s)
		events := tablePart("events", table{Title: "Events under load", Words: true, Head: head, Rows: unbroken(rows)})
		c.Parts = []part{figures, growthPart(s), events}
	}
	return page{Title: "etcdbench scale " + words.Clean(s.Workload), Chapters: []chapter{c}}.write(w, nil)
}

// scaleClasses are the lines of one chart. The dots of those with one colour differ in shape.
var scaleClasses = [...]string{"s1", "s2", "s3", "s4", "s5", "s1 dashed", "s2 dashed", "s3 dashed", "s4 dashed", "s5 dashed"}

// scaleShape is the shape of the dots of a line.
func scaleShape(line int) string {
	if line < len(scaleClasses)/2 {
		return shapeDot
	}
	return shapeCross
}

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
		lines = append(lines, line{name: words.Clean(f.Name), class: scaleClasses[i], dots: true, shape: scaleShape(i), series: i})
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
	low, high := bounds(lines, true)
	ch := chart{
		title: title + ", by size of the data (log scales)", describe: namesOf(lines), width: chartWidth, height: 280,
		x: axis{low: at[0] * 0.9, high: at[len(at)-1] * 1.1, log: true}, y: axis{low: low, high: high, log: true},
		xLabel: scaleBytes, yLabel: scaleLabel(list[0].Unit), lines: lines, longNames: true,
	}
	return figure{
		Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "Each dot is a rung of the ladder.",
	}
}

func scaleBytes(v float64) string { return content.ScaleSize(int64(v)) }

// scaleLabel prints the ticks of an axis of a unit.
func scaleLabel(unit string) func(v float64) string {
	if unit == "bytes" {
		return scaleBytes
	}
	return words.AxisDuration
}

// growthPart draws each figure that has a fit: the rungs, and the power law with its interval.
func growthPart(s *results.Scale) part {
	p := part{ID: "growth", Title: "Growth of each figure", Open: true, Key: []keyEntry{
		{Class: scaleClasses[0], Name: "measured"}, {Class: scaleClasses[1], Name: "power law"},
		{Class: scaleClasses[2], Name: "95 % interval of the law"},
	}}
	var at []float64
	for _, r := range s.Rungs {
		at = append(at, float64(r.Size))
	}
	p.At = places(at)
	for _, f := range judge.ScaleFigures(s) {
		if curve := judge.ScaleCurve(s, f); len(curve) > 0 {
			p.Small = append(p.Small, growthFigure(s, f, curve))
		}
	}
	if len(p.Small) > 0 {
		p.Notes = []string{
			content.ScaleFitNote(s), "Each dot is a rung of the ladder. Where an interval is wider than the chart, it is not drawn.",
		}
	}
	return p
}

// growthFigure draws a figure with its law. Its axis has room for the rungs; an interval that
// is wider leaves the chart.
func growthFigure(s *results.Scale, f judge.ScaleFigure, curve []judge.ScalePoint) figure {
	measured := line{name: "measured", class: scaleClasses[0], dots: true, scattered: true}
	law := line{name: "power law", class: scaleClasses[1], series: 1, unnamed: true}
	low := line{name: "95 % interval", class: scaleClasses[2], series: 2, unnamed: true}
	high := low
	t := table{Head: []string{"data", words.Clean(f.Name)}}
	for i := range s.Rungs {
		r := &s.Rungs[i]
		v := f.Of(r)
		t.Rows = append(t.Rows, []string{content.ScaleSize(r.Size), content.ScaleValue(f.Unit, v)})
		if v > 0 {
			measured.at, measured.value = append(measured.at, float64(r.Size)), append(measured.value, v)
		}
	}
	const room = 2
	least, most := bounds([]line{measured}, true)
	y := axis{low: least / room, high: most * room, log: true}
	for _, p := range curve {
		law.at, law.value = append(law.at, p.Size), append(law.value, y.within(p.Value))
		low.at, low.value = append(low.at, p.Size), append(low.value, y.within(p.Low))
		high.at, high.value = append(high.at, p.Size), append(high.value, y.within(p.High))
	}
	title := words.Clean(f.Name)
	ch := chart{
		title: title, describe: "by size of the data, with a power law", width: smallWidth, height: 170,
		x: axis{low: curve[0].Size * 0.9, high: curve[len(curve)-1].Size, log: true}, y: y,
		xLabel: scaleBytes, yLabel: scaleLabel(f.Unit), lines: []line{measured, law, low, high},
	}
	return figure{Title: title, SVG: ch.svg(), Table: t}
}
