package html

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// The rows of the heat map: so many to a power of ten, from 1 µs on.
const (
	heatPerDecade  = 6
	heatRows       = 9 * heatPerDecade
	heatLevels     = 8
	maxHeatColumns = 150
)

// heat counts the response times of a second, by row.
type heat [heatRows]uint32

// heatBound returns the lower bound of a row, in nanoseconds.
func heatBound(row int) float64 { return 1000 * math.Pow(10, float64(row)/heatPerDecade) }

// heatBounds returns the upper bounds of the rows.
func heatBounds() (bounds [heatRows]int64) {
	for row := range bounds {
		bounds[row] = int64(heatBound(row + 1))
	}
	bounds[heatRows-1] = math.MaxInt64
	return bounds
}

// add counts the samples of a histogram.
func (h *heat) add(l results.Latency, bounds *[heatRows]int64) error {
	row := 0
	return l.EachBucket(func(ns, n int64) { // in rising order
		for ns >= bounds[row] {
			row++
		}
		h[row] += uint32(min(n, math.MaxUint32))
	})
}

// heatColumns are the columns of a heat map, with their heat.
func heatColumns(seconds []column, most int) []column {
	columns := slices.Clone(joinColumns(seconds, most))
	bounds := heatBounds()
	for i := range columns {
		columns[i].heat = &heat{}
		for _, o := range columns[i].ops {
			if columns[i].heat.add(o.ResponseTime, &bounds) != nil {
				return nil
			}
		}
	}
	return columns
}

// heatLevel is the level of a cell with n operations, where the fullest has most: on a
// logarithmic scale, so that few slow ones can be seen beside many.
func heatLevel(n, most uint32) int {
	return min(heatLevels, 1+int(float64(heatLevels-1)*math.Log1p(float64(n))/math.Log1p(float64(most))+0.5))
}

// heatLegend are the levels that cells can have where the fullest has most operations, each
// with the least number of operations of it.
func heatLegend(most uint32) (legend []legendEntry) {
	for level := 1; level <= heatLevels; level++ {
		from := math.Exp(math.Log1p(float64(most))*(float64(level)-1.5)/(heatLevels-1)) - 1
		n := max(1, uint32(max(0, from)))
		for n < most && heatLevel(n, most) < level {
			n++
		}
		if heatLevel(n, most) == level {
			legend = append(legend, legendEntry{level, words.Count(int(n))})
		}
	}
	return legend
}

const heatCaption = "Heat map: the stronger the colour, the more operations. Operations that did not finish are at their lower bounds."

// heatFigure shows how the response times of each stretch are spread: darker is
// more of them.
func heatFigure(r *results.Run, columns []column, title string, width float64) (figure, bool) {
	low, high, most := heatRows, -1, uint32(0)
	for _, c := range columns {
		for row, n := range c.heat {
			if n > 0 {
				low, high, most = min(low, row), max(high, row), max(most, n)
			}
		}
	}
	if high < 0 {
		return figure{}, false
	}
	t := table{Head: []string{"from"}}
	for row := low; row <= high; row++ {
		t.Head = append(t.Head, "≥ "+words.Duration(int64(heatBound(row))))
	}
	var cells []heatCell
	for _, c := range columns {
		cellsOf := []string{secondsLabel(c.start.Seconds())}
		for row := low; row <= high; row++ {
			n := c.heat[row]
			if n == 0 {
				cellsOf = append(cellsOf, "")
				continue
			}
			cellsOf = append(cellsOf, words.Count(int(n)))
			cells = append(cells, heatCell{
				c.start.Seconds(), (c.start + c.length).Seconds(), heatBound(row), heatBound(row + 1), heatLevel(n, most),
			})
		}
		t.Rows = append(t.Rows, cellsOf)
	}
	u := timeUnit(heatBound(high + 1))
	ch := chart{
		title: fmt.Sprintf("%s (%s, log scale)", title, u.name), describe: "heat map: operations by response time and time",
		width: width, height: 260, overTime: true, legend: heatLegend(most),
		x: timeAxis(columns), y: axis{low: heatBound(low), high: heatBound(high + 1), log: true},
		xLabel: secondsLabel, yLabel: u.label, cells: cells, marks: timeMarks(r, columns),
	}
	if width == halfWidth {
		ch.height = operationsHeight
	}
	return figure{
		Title: ch.title, SVG: ch.svg(), Table: t, At: startsOf(columns),
		Caption: heatCaption,
	}, true
}

// places are where the rows of a chart's table lie along x, for the page's script.
func places(at []float64) string {
	var b strings.Builder
	for i, v := range at {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%.6g", v)
	}
	return b.String()
}
