package html

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"
)

// A chart is drawn into a box of these units and scales with the page; a small
// one has its place beside others.
const (
	chartWidth  = 960
	smallWidth  = 330
	marginLeft  = 78
	marginRight = 12
	marginTop   = 10
	marginFoot  = 26
)

// axis maps values to places along one side of a chart.
type axis struct {
	low, high float64
	log       bool
	whole     bool    // ticks at whole numbers only
	from, to  float64 // places
}

func (a axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log10(max(v, a.low)), math.Log10(low), math.Log10(high)
	}
	if high <= low {
		return a.from
	}
	share := min(max((v-low)/(high-low), 0), 1)
	if math.IsNaN(share) {
		return a.from
	}
	return a.from + share*(a.to-a.from)
}

// ticks are round values along the axis, 1, 2 and 5 times powers of ten, and not
// many more than most.
func (a axis) ticks(most int) []float64 {
	most = max(most, 2)
	span := a.high - a.low
	if !(span > 0) || math.IsInf(span, 0) {
		return []float64{a.low}
	}
	if a.log && a.low > 0 {
		if list := a.logTicks(most); len(list) >= 2 {
			return list
		}
		// So near each other that none of these lies between: evenly, then.
	}
	var list []float64
	step := math.Pow(10, math.Floor(math.Log10(span/float64(most))))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(m*step) <= float64(most) {
			step *= m
			break
		}
	}
	if a.whole {
		step = max(1, math.Round(step))
	}
	// The bound is for steps that are too small to change the sum.
	for v := math.Ceil(a.low/step) * step; v <= a.high*1.0001 && len(list) <= 2*most; v += step {
		list = append(list, v)
	}
	if len(list) < 2 && !a.whole && most < 32 { // one place alone says nothing
		return a.ticks(2 * most)
	}
	return list
}

// logTicks are round values along a logarithmic axis: 1, 2 and 5 times powers of ten,
// or the powers alone where there would be more than most.
func (a axis) logTicks(most int) []float64 {
	var list []float64
	first, last := math.Floor(math.Log10(a.low)), math.Floor(math.Log10(a.high))
	for power := first; power <= last; power++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, power); v >= a.low*0.999 && v <= a.high*1.001 {
				list = append(list, v)
			}
		}
	}
	if len(list) <= most {
		return list
	}
	powers := list[:0]
	for _, v := range list {
		if l := math.Log10(v); math.Abs(l-math.Round(l)) < 1e-9 {
			powers = append(powers, v)
		}
	}
	return powers
}

// line is one series of a chart.
type line struct {
	name  string
	class string // its colour
	at    []float64
	value []float64 // NaN leaves a gap
	dots  bool      // one at each value
}

// chart is a line chart, or a heat map.
type chart struct {
	title, describe string
	width, height   float64
	x, y            axis
	xLabel, yLabel  func(v float64) string
	lines           []line
	// bands fills what lies between each line and the one before it.
	bands bool
	marks []mark
	cells []heatCell
	// overTime says that x is time, along which the page can zoom.
	overTime bool
}

// mark is a stretch along x that means something.
type mark struct {
	from, to float64
	class    string
	label    string
}

// heatCell is a rectangle of a heat map; level is from 1 to heatLevels.
type heatCell struct {
	x0, x1, y0, y1 float64
	level          int
}

// svg draws the chart. Labels are escaped here. What is drawn along x lies in a
// drawing of its own, of which the page's script can show a part.
func (c chart) svg() template.HTML {
	var b strings.Builder
	width, height := c.width-marginLeft-marginRight, c.height-marginTop-marginFoot
	c.x.from, c.x.to = 0, width
	c.y.from, c.y.to = height, 0
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s" tabindex="0"`,
		c.width, c.height, html.EscapeString(c.title+": "+c.describe))
	fmt.Fprintf(&b, ` data-left="%d" data-width="%g" data-from="%.6g" data-to="%.6g"`, marginLeft, width, c.x.low, c.x.high)
	if c.overTime {
		b.WriteString(` data-time=""`)
	}
	b.WriteString(">")
	for _, v := range c.y.ticks(int(c.height / 36)) {
		y := marginTop + c.y.place(v)
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fh%g"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			marginLeft, y, width, marginLeft-6, y+4, html.EscapeString(c.yLabel(v)))
	}
	b.WriteString(`<g class="x">`)
	for _, v := range c.x.ticks(int(c.width / 110)) {
		x, anchor := marginLeft+c.x.place(v), "middle"
		if x > c.width-40 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dv%g"/><text class="tick" x="%.1f" y="%g" text-anchor="%s">%s</text>`,
			x, marginTop, height, x, c.height-8, anchor, html.EscapeString(c.xLabel(v)))
	}
	fmt.Fprintf(&b, `</g><svg class="plot" x="%d" y="%d" width="%g" height="%g" viewBox="0 0 %g %g" preserveAspectRatio="none">`,
		marginLeft, marginTop, width, height, width, height)
	for _, m := range c.marks {
		x0, x1 := c.x.place(m.from), c.x.place(m.to)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="0" width="%.1f" height="%g"><title>%s</title></rect>`,
			m.class, x0, max(x1-x0, 1.5), height, html.EscapeString(m.label))
	}
	c.drawCells(&b)
	for i := 1; i < len(c.lines) && c.bands; i++ {
		if d := c.band(c.lines[i-1], c.lines[i]); d != "" {
			fmt.Fprintf(&b, `<path class="band %s" data-series="%d" d="%s"/>`, c.lines[i].class, i, d)
		}
	}
	for i, l := range c.lines {
		fmt.Fprintf(&b, `<path class="line %s" data-series="%d" d="%s"><title>%s</title></path>`,
			l.class, i, c.path(l), html.EscapeString(l.name))
	}
	b.WriteString("</svg></svg>")
	return template.HTML(b.String())
}

// drawCells draws the cells of one level as one path.
func (c chart) drawCells(b *strings.Builder) {
	paths := make([]strings.Builder, heatLevels+1)
	for _, cell := range c.cells {
		x0, x1, y0, y1 := c.x.place(cell.x0), c.x.place(cell.x1), c.y.place(cell.y0), c.y.place(cell.y1)
		fmt.Fprintf(&paths[cell.level], "M%.1f %.1fh%.1fV%.1fh%.1fz", x0, y0, x1-x0, y1, x0-x1)
	}
	for level := range paths {
		if d := paths[level].String(); d != "" {
			fmt.Fprintf(b, `<path class="heat" fill-opacity="%.2f" d="%s"/>`, 0.12+0.88*float64(level-1)/(heatLevels-1), d)
		}
	}
}

// band outlines what lies between two lines, stretch by stretch where both are.
func (c chart) band(lower, upper line) string {
	var b strings.Builder
	for from := 0; from < len(upper.value); from++ {
		to := from
		for to < len(upper.value) && !math.IsNaN(upper.value[to]) && !math.IsNaN(lower.value[to]) {
			to++
		}
		if to-from < 2 {
			continue
		}
		for i, pen := from, "M"; i < to; i, pen = i+1, "L" {
			fmt.Fprintf(&b, "%s%.1f %.1f", pen, c.x.place(upper.at[i]), c.y.place(upper.value[i]))
		}
		for i := to - 1; i >= from; i-- {
			fmt.Fprintf(&b, "L%.1f %.1f", c.x.place(lower.at[i]), c.y.place(lower.value[i]))
		}
		b.WriteString("z")
		from = to
	}
	return b.String()
}

func (c chart) path(l line) string {
	var b strings.Builder
	pen := "M"
	for i, v := range l.value {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		x, y := c.x.place(l.at[i]), c.y.place(v)
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, x, y)
		if l.dots {
			fmt.Fprintf(&b, "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0m3 0")
		}
		pen = "L"
	}
	return b.String()
}

func secondsLabel(v float64) string {
	d := time.Duration(v * float64(time.Second))
	if d >= 10*time.Minute {
		return fmt.Sprintf("%.4g min", d.Minutes())
	}
	return fmt.Sprintf("%.4g s", d.Seconds())
}

// ninesLabel names a percentile by its nines.
func ninesLabel(v float64) string {
	switch {
	case v == 0:
		return "0 %"
	case v == 1:
		return "90 %"
	}
	return "99" + strings.TrimSuffix("."+strings.Repeat("9", max(0, int(math.Round(v))-2)), ".") + " %"
}

// bounds are the least and the greatest of all lines, for an axis.
func bounds(lines []line, log bool) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, v := range l.value {
			if math.IsNaN(v) || math.IsInf(v, 0) || log && v <= 0 {
				continue
			}
			low, high = min(low, v), max(high, v)
		}
	}
	switch {
	case math.IsInf(low, 1):
		return 0.1, 1
	case log:
		return low * 0.9, high * 1.1
	}
	low = min(0, low)
	if high <= low {
		high = low + 1
	}
	return low, high * 1.05
}
