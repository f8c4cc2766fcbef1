package html

import (
	"math"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// memberClasses are the colours of lines, each with dashes of its own.
var memberClasses = [...]string{"s1", "s2", "s3", "s4", "s5"}

// membersPart draws the figures of each member, on the time axis of the other charts.
func membersPart(r *results.Run, columns []column, members []string) part {
	p := part{ID: "members", Title: "Members", At: startsOf(columns)}
	members = members[:min(len(members), len(memberClasses))]
	for i, m := range members {
		p.Key = append(p.Key, keyEntry{Class: memberClasses[i], Name: words.Clean(m)})
	}
	for i := range memberCharts {
		if f, ok := memberFigure(r, columns, members, i); ok {
			p.Small = append(p.Small, f)
		}
	}
	return p
}

// memberFigure draws one figure of all members. A figure that is always 0 is not drawn.
func memberFigure(r *results.Run, columns []column, members []string, chartOf int) (figure, bool) {
	mc := memberCharts[chartOf]
	var lines []line
	moved := false
	t := table{Head: []string{"from"}, Rows: make([][]string, len(columns))}
	for k, c := range columns {
		t.Rows[k] = []string{secondsLabel(c.start.Seconds())}
	}
	for i, m := range members {
		l := line{name: words.Clean(m), class: memberClasses[i], series: i}
		t.Head = append(t.Head, words.Clean(m))
		for k, c := range columns {
			v, ok := c.server[m][mc.metric]
			cell := ""
			if ok {
				cell = mc.quantity.cell(v)
			} else {
				v = math.NaN()
			}
			moved = moved || ok && v != 0
			l.at, l.value = append(l.at, c.start.Seconds()), append(l.value, v)
			t.Rows[k] = append(t.Rows[k], cell)
		}
		lines = append(lines, l)
	}
	if !moved {
		return figure{}, false
	}
	_, high := bounds(lines, false)
	u := mc.quantity.unit(high)
	for i := range lines {
		for k := range lines[i].value {
			lines[i].value[k] /= u.size
		}
	}
	low, high := bounds(lines, false)
	title := titleWith(mc.title, u.name+mc.per)
	whole := mc.quantity == numbers && mc.per == "" // counts
	ch := chart{
		title: title, describe: "of each member over time", width: smallWidth, height: 150, overTime: true,
		x: timeAxis(columns), y: axis{low: low, high: high, whole: whole}, xLabel: secondsLabel, yLabel: plainNumber, lines: lines,
		marks: timeMarks(r, nil),
	}
	return figure{Title: title, SVG: ch.svg(), Table: t}, true
}
