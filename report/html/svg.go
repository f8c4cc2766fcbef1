package html

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"iter"
	"math"
	"slices"
	"strings"
)

// A chart is drawn into a box of these units and scales with the page. Charts of one
// width have the same margins, so that their time axes are aligned.
const (
	chartWidth  = 960 // alone in its row
	halfWidth   = 490 // two in a row
	smallWidth  = 330 // three in a row
	marginLeft  = 62
	marginRight = 104 // for the names of lines
	marginSmall = 34  // the same of a small chart
	marginLong  = 224 // the same of a chart with long names
	marginTop   = 10
	marginFoot  = 26
	labelHeight = 17 // of a row of labels above the plot
)

// line is one series of a chart.
type line struct {
	name  string
	class string // its colour and dashes
	at    []float64
	value []float64 // NaN leaves a gap
	dots  bool      // one at each value
	// scattered values are not joined; shape is that of their dots.
	scattered bool
	shape     string
	// series is the entry of the chart's key that the line belongs to.
	series int
	// unnamed lines have no label at their end.
	unnamed bool
}

// chart is a line chart, or a heat map.
type chart struct {
	title, describe string
	width, height   float64
	x, y            axis
	xLabel, yLabel  func(v float64) string
	lines           []line
	limits          []limit
	marks           []mark
	cells           []heatCell
	// legend are the heat map's levels, the lowest first.
	legend []legendEntry
	// overTime means that x is time, along which the page can zoom.
	overTime bool
	// longNames means that the names of lines have the room that they need.
	longNames bool
}

// right returns the width for the names of lines, and the number of characters of a name that
// fit into it.
func (c chart) right() (room float64, most int) {
	switch {
	case c.width == smallWidth:
		return marginSmall, 4
	case c.longNames:
		return marginLong, 30
	}
	return marginRight, 14
}

// limit is a horizontal line with a label, such as a threshold.
type limit struct {
	value float64
	label string
}

// mark is a marked stretch along x.
type mark struct {
	from, to float64
	class    string
	// label describes the mark; short is the text above the plot, "" for none.
	label, short string
}

// heatCell is a rectangle of a heat map; level is from 1 to heatLevels.
type heatCell struct {
	x0, x1, y0, y1 float64
	level          int
}

// legendEntry is a level of a heat map and its label.
type legendEntry struct {
	level int
	label string
}

// plot is a chart's area for values: its size, and where it begins.
type plot struct{ top, width, height float64 }

// svg draws the chart. Labels are escaped here. What is drawn along x lies in a
// drawing of its own, of which the page's script can show a part.
func (c chart) svg() template.HTML {
	var b strings.Builder
	right, _ := c.right()
	p := plot{top: marginTop, width: c.width - marginLeft - right}
	c.x.from, c.x.to = 0, p.width
	labels, rows := c.markLabels(p)
	p.top += float64(rows * labelHeight)
	p.height = c.height - p.top - marginFoot
	c.y.from, c.y.to = p.height, 0
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %g %g" role="group" aria-roledescription="chart" aria-label="%s" tabindex="0"`,
		c.width, c.height, html.EscapeString(c.title+": "+c.describe))
	fmt.Fprintf(&b, ` data-left="%d" data-top="%g" data-width="%g" data-from="%.6g" data-to="%.6g"`,
		marginLeft, p.top, p.width, c.x.low, c.x.high)
	if c.overTime {
		b.WriteString(` data-time=""`)
	}
	b.WriteString(">")
	c.drawAxes(&b, p)
	fmt.Fprintf(&b, `<svg class="plot" x="%d" y="%g" width="%g" height="%g" viewBox="0 0 %g %g" preserveAspectRatio="none">`,
		marginLeft, p.top, p.width, p.height, p.width, p.height)
	for _, m := range c.marks {
		x0, x1 := c.x.place(m.from), c.x.place(m.to)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="0" width="%.1f" height="%g"><title>%s</title></rect>`,
			m.class, x0, max(x1-x0, 1.5), p.height, html.EscapeString(m.label))
	}
	c.drawCells(&b)
	for _, l := range c.limits {
		fmt.Fprintf(&b, `<path class="limit" d="M0 %.1fH%g"><title>%s</title></path>`, c.y.place(l.value), p.width, html.EscapeString(l.label))
	}
	for _, l := range c.lines {
		fmt.Fprintf(&b, `<path class="line %s" data-series="%d" d="%s"><title>%s</title></path>`,
			l.class, l.series, c.path(l), html.EscapeString(l.name))
		if l.dots && !l.scattered {
			l.scattered = true
			fmt.Fprintf(&b, `<path class="dots %s" data-series="%d" d="%s"/>`, l.class, l.series, c.path(l))
		}
	}
	b.WriteString("</svg>")
	b.WriteString(labels)
	c.drawNames(&b, p)
	c.drawLevels(&b, p)
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// drawAxes draws the grid and the ticks.
func (c chart) drawAxes(b *strings.Builder, p plot) {
	for v, label := range distinctTicks(c.y, int(c.height/36), c.yLabel) {
		y := p.top + c.y.place(v)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fh%g"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			marginLeft, y, p.width, marginLeft-6, y+4, html.EscapeString(label))
	}
	b.WriteString(`<g class="x">`)
	for v, label := range distinctTicks(c.x, int(c.width/110), c.xLabel) {
		x := marginLeft + c.x.place(v)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %gv%g"/><text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			x, p.top, p.height, x, c.height-8, html.EscapeString(label))
	}
	b.WriteString(`</g>`)
}

// distinctTicks yields the ticks of an axis with their labels, without those whose label is that of
// the tick before: on a short axis, labels of few digits repeat.
func distinctTicks(a axis, most int, label func(float64) string) iter.Seq2[float64, string] {
	return func(yield func(float64, string) bool) {
		last := ""
		for i, v := range a.ticks(most) {
			text := label(v)
			if i > 0 && text == last {
				continue
			}
			if last = text; !yield(v, text) {
				return
			}
		}
	}
}

// maxLabelRows is the largest number of rows of labels above a plot.
const maxLabelRows = 3

// markLabels writes the names of marks above the plot, in as many rows as they need. A
// name that finds no place is left out: the mark's description has it.
func (c chart) markLabels(p plot) (labels string, rows int) {
	var b strings.Builder
	var taken [maxLabelRows][][2]float64
	marks := slices.Clone(c.marks)
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, m := range marks {
		if m.short == "" || c.width == smallWidth {
			continue
		}
		short := clip(m.short, 28)
		x := c.x.place(m.from)
		end := x + 7.2*float64(len([]rune(short))) + 8
		for row := range taken {
			free := !slices.ContainsFunc(taken[row], func(t [2]float64) bool { return x < t[1] && t[0] < end })
			if !free || end > p.width+marginRight {
				continue
			}
			taken[row], rows = append(taken[row], [2]float64{x, end}), max(rows, row+1)
			fmt.Fprintf(&b, `<text class="tick at" data-at="%.6g" x="%.1f" y="%d">%s</text>`,
				m.from, marginLeft+x, marginTop+labelHeight*row+8, html.EscapeString(short))
			break
		}
	}
	return b.String(), rows
}

// rank is the order in which marks get their labels.
func (m mark) rank() int { return slices.Index([]string{"event", "warmup", "slow", "member"}, m.class) }

// clip shortens a text to that many characters.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// endName is a label beside the plot.
type endName struct {
	y     float64
	name  string
	class string
	// series is the entry of the key, -1 for none.
	series int
}

// drawNames writes the names of lines where these end, and those of limits, moved apart
// as far as needed.
func (c chart) drawNames(b *strings.Builder, p plot) {
	_, most := c.right()
	var names []endName
	for _, l := range c.limits {
		names = append(names, endName{c.y.place(l.value), l.label, "limit", -1})
	}
	for _, l := range c.lines {
		last := len(l.value) - 1
		for last >= 0 && math.IsNaN(l.value[last]) {
			last--
		}
		if last >= 0 && !l.unnamed && (c.width > smallWidth || len([]rune(l.name)) <= most) {
			names = append(names, endName{c.y.place(l.value[last]), l.name, l.class, l.series})
		}
	}
	slices.SortStableFunc(names, func(a, b endName) int { return cmp.Compare(a.y, b.y) })
	const apart = 14
	for i := range names {
		if i > 0 {
			names[i].y = max(names[i].y, names[i-1].y+apart)
		}
	}
	for i, room := len(names)-1, p.height+4; i >= 0; i, room = i-1, room-apart {
		names[i].y = min(names[i].y, room)
	}
	for _, n := range names {
		fmt.Fprintf(b, `<text class="tick end %s" data-series="%d" x="%g" y="%.1f">%s</text>`,
			n.class, n.series, marginLeft+p.width+6, p.top+n.y+4, html.EscapeString(clip(n.name, most)))
	}
}

// heatOpacity is the opacity of a level of a heat map, from 1 to heatLevels.
func heatOpacity(level int) float64 { return 0.12 + 0.88*float64(level-1)/(heatLevels-1) }

// drawLevels draws the legend of a heat map beside the plot, the most at the top.
func (c chart) drawLevels(b *strings.Builder, p plot) {
	if len(c.legend) == 0 {
		return
	}
	const box = 17
	fmt.Fprintf(b, `<text class="tick end" x="%g" y="%g">operations</text>`, marginLeft+p.width+14, p.top+8)
	for i, e := range c.legend {
		y := p.top + 16 + float64(box*(len(c.legend)-1-i))
		fmt.Fprintf(b, `<rect class="heat" fill-opacity="%.2f" x="%g" y="%g" width="16" height="%d"/>`,
			heatOpacity(e.level), marginLeft+p.width+14, y, box-2)
		fmt.Fprintf(b, `<text class="tick end" x="%g" y="%g">≥ %s</text>`, marginLeft+p.width+36, y+12, html.EscapeString(e.label))
	}
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
			fmt.Fprintf(b, `<path class="heat" fill-opacity="%.2f" d="%s"/>`, heatOpacity(level), d)
		}
	}
}

// The shapes of dots other than a circle.
const (
	shapeCross = "m-4 -4l8 8m-8 0l8 -8m-4 4"
	shapeRing  = "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0m4 0"
	shapeDot   = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0m3 0"
)

// path returns the path of a line, or of its dots if it is scattered. A value between gaps is a dot, because
// a line needs two values.
func (c chart) path(l line) string {
	missing := func(i int) bool { return i < 0 || i == len(l.value) || math.IsNaN(l.value[i]) }
	var b strings.Builder
	pen := "M"
	for i, v := range l.value {
		if missing(i) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, c.x.place(l.at[i]), c.y.place(v))
		alone := !l.dots && !l.scattered && missing(i-1) && missing(i+1)
		if l.dots && l.scattered || alone {
			b.WriteString(cmp.Or(l.shape, shapeDot))
		}
		if pen = "L"; l.scattered {
			pen = "M"
		}
	}
	return b.String()
}
