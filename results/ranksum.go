package results

import (
	"math"
	"slices"
)

// rankSumCritical is the largest u such that a Mann–Whitney sum of at most u has
// a probability of at most alpha when m and n values are drawn alike; −1 where even
// 0 has more. The number of orders with sum u obeys
// f(m, n, u) = f(m−1, n, u−n) + f(m, n−1, u).
// (H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables
// is stochastically larger than the other", 1947.)
func rankSumCritical(m, n int, alpha float64) int {
	// Probabilities rather than counts, which overflow: the last value in order is
	// one of the m with probability m/(m+n), and then larger than all n.
	p := make([][]float64, n+1) // by j, for the present i
	for i := range m + 1 {
		next := make([][]float64, n+1)
		for j := range n + 1 {
			next[j] = make([]float64, i*j+1)
			if i == 0 || j == 0 {
				next[j][0] = 1
				continue
			}
			share := float64(i) / float64(i+j)
			for u, v := range p[j] {
				next[j][u+j] += share * v
			}
			for u, v := range next[j-1] {
				next[j][u] += (1 - share) * v
			}
		}
		p = next
	}
	u, sum := -1, 0.0
	for _, v := range p[n] {
		if sum += v; sum > alpha*(1+1e-12) {
			break
		}
		u++
	}
	return u
}

// newTwoSampleShift is by how much the second sample lies above the first: the
// Hodges–Lehmann estimate, the median of all pairs' differences, with exact bounds
// of the Mann–Whitney test.
func newTwoSampleShift(first, second []float64, alpha float64) Shift {
	var differences []float64
	for _, a := range first {
		for _, b := range second {
			differences = append(differences, b-a)
		}
	}
	slices.Sort(differences)
	s := Shift{Estimate: median(differences), Lower: math.Inf(-1), Upper: math.Inf(1)}
	if u := rankSumCritical(len(first), len(second), alpha/2); u >= 0 {
		s.Lower, s.Upper = differences[u], differences[len(differences)-1-u]
	}
	return s
}
