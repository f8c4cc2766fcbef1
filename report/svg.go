package report

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
	return a.from + share*(a.to-a.from)
}

// ticks are round values along the axis, 1, 2 and 5 times powers of ten, and not
// many more than most.
func (a axis) ticks(most int) []float64 {
	most = max(most, 2)
	var list []float64
	if a.log {
		for decade := math.Pow(10, math.Floor(math.Log10(a.low))); decade <= a.high; decade *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if v := m * decade; v >= a.low*0.999 && v <= a.high*1.001 {
					list = append(list, v)
				}
			}
		}
		if len(list) > most { // the powers alone
			powers := list[:0]
			for _, v := range list {
				if l := math.Log10(v); math.Abs(l-math.Round(l)) < 1e-9 {
					powers = append(powers, v)
				}
			}
			list = powers
		}
		return list
	}
	span := a.high - a.low
	if span <= 0 {
		return []float64{a.low}
	}
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
	for v := math.Ceil(a.low/step) * step; v <= a.high*1.0001; v += step {
		list = append(list, v)
	}
	return list
}

// line is one series of a chart.
type line struct {
	name  string
	class string // its colour
	at    []float64
	value []float64 // NaN leaves a gap
}

// chart is a line chart.
type chart struct {
	title, describe string
	width, height   float64
	x, y            axis
	xLabel, yLabel  func(v float64) string
	lines           []line
	marks           []mark
}

// mark is a stretch along x that means something.
type mark struct {
	from, to float64
	class    string
	label    string
}

// svg draws the chart. Labels are escaped here.
func (c chart) svg() template.HTML {
	var b strings.Builder
	c.x.from, c.x.to = marginLeft, c.width-marginRight
	c.y.from, c.y.to = c.height-marginFoot, marginTop
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.width, c.height, html.EscapeString(c.title+": "+c.describe))
	for _, m := range c.marks {
		x0, x1 := c.x.place(m.from), c.x.place(m.to)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%.1f"><title>%s</title></rect>`,
			m.class, x0, marginTop, max(x1-x0, 1.5), c.y.from-marginTop, html.EscapeString(m.label))
	}
	for _, v := range c.y.ticks(int(c.height / 36)) {
		y := c.y.place(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			marginLeft, c.width-marginRight, y, y, marginLeft-6, y+4, html.EscapeString(c.yLabel(v)))
	}
	for _, v := range c.x.ticks(int(c.width / 110)) {
		x, anchor := c.x.place(v), "middle"
		if x > c.width-40 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%.1f"/><text class="tick" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`,
			x, x, marginTop, c.y.from, x, c.height-8, anchor, html.EscapeString(c.xLabel(v)))
	}
	for _, l := range c.lines {
		fmt.Fprintf(&b, `<path class="line %s" d="%s"><title>%s</title></path>`, l.class, c.path(l), html.EscapeString(l.name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (c chart) path(l line) string {
	var b strings.Builder
	pen := "M"
	for i, v := range l.value {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, c.x.place(l.at[i]), c.y.place(v))
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

func nsLabel(v float64) string {
	if v == 0 {
		return "0"
	}
	return duration(int64(v))
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
			if math.IsNaN(v) || log && v <= 0 {
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
