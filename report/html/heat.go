package html

import (
	"fmt"
	"math"
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

// heatBound is where a row begins, in nanoseconds.
func heatBound(row int) float64 { return 1000 * math.Pow(10, float64(row)/heatPerDecade) }

// heatBounds are where the rows end.
func heatBounds() (bounds [heatRows]int64) {
	for row := range bounds {
		bounds[row] = int64(heatBound(row + 1))
	}
	bounds[heatRows-1] = math.MaxInt64
	return bounds
}

// add counts what a histogram holds.
func (h *heat) add(l results.Latency, bounds *[heatRows]int64) error {
	row := 0
	return l.EachBucket(func(ns, n int64) { // in rising order
		for ns >= bounds[row] {
			row++
		}
		h[row] += uint32(min(n, math.MaxUint32))
	})
}

func (h *heat) merge(other *heat) {
	for row, n := range other {
		h[row] += n
	}
}

// heatFigure shows how the response times of each stretch are spread: darker is
// more of them.
func heatFigure(r *results.Run, columns []column) (figure, bool) {
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
	var at []float64
	for _, c := range columns {
		at = append(at, c.start.Seconds())
		cellsOf := []string{secondsLabel(c.start.Seconds())}
		for row := low; row <= high; row++ {
			n := c.heat[row]
			if n == 0 {
				cellsOf = append(cellsOf, "")
				continue
			}
			cellsOf = append(cellsOf, words.Count(int(n)))
			// Logarithmic, so that the few slow ones can be seen beside the many.
			level := 1 + int(float64(heatLevels-1)*math.Log1p(float64(n))/math.Log1p(float64(most))+0.5)
			cells = append(cells, heatCell{
				c.start.Seconds(), (c.start + c.length).Seconds(), heatBound(row), heatBound(row + 1),
				min(level, heatLevels),
			})
		}
		t.Rows = append(t.Rows, cellsOf)
	}
	ch := chart{
		title: "Response times over time", describe: "how many operations took how long in each stretch",
		width: chartWidth, height: 260, overTime: true,
		x: timeAxis(columns), y: axis{low: heatBound(low), high: heatBound(high + 1), log: true},
		xLabel: secondsLabel, yLabel: words.AxisDuration, cells: cells, marks: timeMarks(r, columns),
	}
	return figure{
		Title: "Heat map of response times", SVG: ch.svg(), Table: t, At: places(at),
		Caption: "Each column is a stretch of time, each row a range of response times; the darker, the more operations, on a logarithmic " +
			"scale. Operations that did not finish are at their lower bounds. Behind them are the marks of the charts above.",
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
