package stats

import (
	"math"
	"slices"
	"sort"

	"github.com/aclements/go-moremath/stats"
)

// rankSumCritical returns the largest u such that a Mann–Whitney sum of at most u has
// a probability of at most alpha when m and n values are drawn alike; −1 where even
// 0 has more. (H. B. Mann and D. R. Whitney, "On a test of whether one of two random
// variables is stochastically larger than the other", 1947.)
func rankSumCritical(m, n int, alpha float64) int {
	distribution := stats.UDist{N1: m, N2: n}
	return sort.Search(m*n+1, func(u int) bool { return distribution.CDF(float64(u)) > alpha*(1+1e-12) }) - 1
}

// NewTwoSampleShift returns by how much the second sample lies above the first: the
// Hodges–Lehmann estimate, which is the median of the differences of all pairs, with
// the exact bounds of the two-sided Mann–Whitney test. The bounds miss the true shift
// with probability alpha at most, if the two distributions differ in location only.
func NewTwoSampleShift(first, second []float64, alpha float64) Shift {
	var differences []float64
	for _, a := range first {
		for _, b := range second {
			differences = append(differences, b-a)
		}
	}
	slices.Sort(differences)
	s := Shift{Estimate: sortedMedian(differences), Lower: math.Inf(-1), Upper: math.Inf(1)}
	if u := rankSumCritical(len(first), len(second), alpha/2); u >= 0 {
		s.Lower, s.Upper = differences[u], differences[len(differences)-1-u]
	}
	return s
}
