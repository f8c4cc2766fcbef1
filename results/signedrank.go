package results

import (
	"fmt"
	"math"
	"slices"
)

// SignedRank is Wilcoxon's signed-rank distribution: that of the sum of the ranks
// of positive differences among n paired ones, when each is as likely positive as
// negative. Every one of the 2^n sets of signs is as likely as any other, so the
// number of sets with a given sum is the number of subsets of {1 … n} with that
// sum. (F. Wilcoxon, "Individual comparisons by ranking methods", 1945.)
type SignedRank struct {
	n int
	// atMost[w] is the probability of a sum of at most w.
	atMost []float64
}

// maxRounds bounds n: beyond, the probabilities of single sums are no longer
// told apart by what a float64 holds.
const maxRounds = 500

// NewSignedRank computes the distribution for n differences, 1 to 500.
func NewSignedRank(n int) (SignedRank, error) {
	if n < 1 || n > maxRounds {
		return SignedRank{}, fmt.Errorf("signed-rank distribution of %d differences: want 1 to %d", n, maxRounds)
	}
	most := n * (n + 1) / 2
	// The probability of each sum: every rank is in the subset with probability ½.
	p := make([]float64, most+1)
	p[0] = 1
	reach := 0
	for rank := 1; rank <= n; rank++ {
		reach += rank
		for w := reach; w >= 0; w-- {
			p[w] /= 2
			if w >= rank {
				p[w] += p[w-rank] / 2
			}
		}
	}
	sum := 0.0
	for w := range p {
		sum += p[w]
		p[w] = sum
	}
	return SignedRank{n, p}, nil
}

// AtMost is the probability of a sum of at most w.
func (d SignedRank) AtMost(w int) float64 {
	switch {
	case w < 0:
		return 0
	case w >= len(d.atMost):
		return 1
	}
	return d.atMost[w]
}

// Critical is the largest w such that a sum of at most w has a probability of at
// most alpha; −1 where even a sum of 0 has more.
func (d SignedRank) Critical(alpha float64) int {
	w := -1
	for w+1 < len(d.atMost) && d.atMost[w+1] <= alpha*(1+1e-12) {
		w++
	}
	return w
}

// Walsh are the averages of all pairs of differences, each with itself too, in
// rising order. Their median is the Hodges–Lehmann estimate of the differences'
// centre. (J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank
// tests", 1963.)
func Walsh(differences []float64) []float64 {
	averages := make([]float64, 0, len(differences)*(len(differences)+1)/2)
	for i, a := range differences {
		for _, b := range differences[:i+1] {
			averages = append(averages, (a+b)/2)
		}
	}
	slices.Sort(averages)
	return averages
}

// Shift is the centre of paired differences: the Hodges–Lehmann estimate with
// exact one-sided bounds. No bound there can be is ±infinity.
type Shift struct {
	Estimate float64
	// Lower is below the true centre but for a probability of alphaLower, Upper
	// above it but for one of alphaUpper, if the differences are symmetric about
	// it; no other property of theirs is assumed.
	Lower, Upper float64
}

// NewShift estimates the centre of differences. The bounds are the signed-rank
// test turned around: the centres that it would not reject.
func NewShift(differences []float64, alphaLower, alphaUpper float64) (Shift, error) {
	d, err := NewSignedRank(len(differences))
	if err != nil {
		return Shift{}, err
	}
	averages := Walsh(differences)
	s := Shift{Estimate: median(averages), Lower: math.Inf(-1), Upper: math.Inf(1)}
	// As many Walsh averages lie at or below the centre as the ranks of negative
	// differences add up to: where more than w must, the bound is the w+1st.
	if w := d.Critical(alphaLower); w >= 0 {
		s.Lower = averages[w]
	}
	if w := d.Critical(alphaUpper); w >= 0 {
		s.Upper = averages[len(averages)-1-w]
	}
	return s, nil
}

// median is that of sorted values; 0 of none.
func median(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
