package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// MinSide is the smallest number of values on either side of a change.
const MinSide = 5

// changeP is the largest p-value of a change.
const changeP = 0.001

// ChangePoints returns the indices at which the level of a series changes, each that
// of the first value of the new level, in rising order. The method is E-divisive means
// with Welch's t-test in place of permutations, so that the same series always has the
// same changes, as in Apache Otava: a stretch is split where its two sides differ most,
// for as long as they differ significantly, and splits that later ones have made
// insignificant are removed. A change has at least [MinSide] values on either side and
// p ≤ 0.001. (D. S. Matteson and N. A. James, "A nonparametric approach for multiple
// change point analysis of multivariate data", 2014.)
func ChangePoints(series []float64) []int {
	points := splits(series, 0, len(series))
	slices.Sort(points)
	for len(points) > 0 {
		weakest, most := -1, changeP
		for i := range points {
			from, to := neighbours(points, i, len(series))
			if p := Welch(series[from:points[i]], series[points[i]:to]); p > most {
				weakest, most = i, p
			}
		}
		if weakest < 0 {
			break
		}
		points = slices.Delete(points, weakest, weakest+1)
	}
	return points
}

// neighbours returns the bounds of the stretches before and after a change.
func neighbours(points []int, i, end int) (from, to int) {
	to = end
	if i > 0 {
		from = points[i-1]
	}
	if i+1 < len(points) {
		to = points[i+1]
	}
	return from, to
}

// splits divides a stretch for as long as its two sides differ.
func splits(series []float64, from, to int) []int {
	at := bestSplit(series[from:to])
	if at < 0 || Welch(series[from:from+at], series[from+at:to]) > changeP {
		return nil
	}
	at += from
	return slices.Concat(splits(series, from, at), []int{at}, splits(series, at, to))
}

// bestSplit returns the split with the largest energy distance between the two sides,
// weighted by their sizes, or −1 where there are too few values for two sides, or where
// all are the same: rounding would tell their means apart.
func bestSplit(x []float64) int {
	n := len(x)
	if n < 2*MinSide || slices.Min(x) == slices.Max(x) {
		return -1
	}
	// Sums of distances between the sides, and within each, as the split moves.
	var between, left, right float64
	for i := range n {
		for j := range i {
			right += math.Abs(x[i] - x[j])
		}
	}
	best, most := -1, math.Inf(-1)
	for at := 1; at < n; at++ {
		moved := x[at-1]
		for i, v := range x {
			d := math.Abs(v - moved)
			switch {
			case i < at-1: // was between
				between -= d
				left += d
			case i >= at:
				right -= d
				between += d
			}
		}
		if at < MinSide || n-at < MinSide {
			continue
		}
		a, b := float64(at), float64(n-at)
		q := a * b / (a + b) * (2*between/(a*b) - left/(a*(a-1)/2) - right/(b*(b-1)/2))
		if q > most {
			best, most = at, q
		}
	}
	return best
}

// Welch returns the two-sided p-value of Welch's t-test: the probability that the
// means of two samples differ as much as they do, when both are drawn from normal
// distributions with the same mean. It is 1 for a sample of fewer than two values. (B.
// L. Welch, "The generalization of 'Student's' problem when several different
// population variances are involved", 1947.)
func Welch(a, b []float64) float64 {
	if len(a) < 2 || len(b) < 2 {
		return 1
	}
	meanA, sdA := MeanAndDeviation(a)
	meanB, sdB := MeanAndDeviation(b)
	va, vb := sdA*sdA/float64(len(a)), sdB*sdB/float64(len(b))
	if va+vb == 0 {
		if meanA == meanB {
			return 1
		}
		return 0
	}
	t := math.Abs(meanA-meanB) / math.Sqrt(va+vb)
	freedom := (va + vb) * (va + vb) / (va*va/float64(len(a)-1) + vb*vb/float64(len(b)-1))
	return 2 * distuv.StudentsT{Sigma: 1, Nu: freedom}.Survival(t)
}
