package html

import (
	"math"
	"strings"
	"testing"
)

// A value between gaps has no line to a neighbour, and is a dot.
func TestValueBetweenGapsIsDrawn(t *testing.T) {
	gap := math.NaN()
	l := line{at: []float64{1, 2, 3, 4, 5, 6, 7, 8}, value: []float64{5, gap, 6, 7, gap, 8, gap, 9}}
	c := chart{x: axis{low: 1, high: 8, to: 100}, y: axis{high: 10, to: 100}}
	if got := strings.Count(c.path(l), shapeDot); got != 3 {
		t.Errorf("%d dots in %q, want 3", got, c.path(l))
	}
	l.dots = true // another path has them
	if got := c.path(l); strings.Contains(got, shapeDot) {
		t.Errorf("dots in %q", got)
	}
}
