package stats

import (
	"fmt"
	"math"
	"slices"
)

// SignedRank is Wilcoxon's signed-rank distribution: the distribution of the sum of
// the ranks of the positive ones among n paired differences, when each is as likely
// positive as negative. Every one of the 2^n sets of signs is as likely as any other, so the
// number of sets with a given sum is the number of subsets of {1 … n} with that
// sum. (F. Wilcoxon, "Individual comparisons by ranking methods", 1945.)
type SignedRank struct {
	n int
	// atMost[w] is the probability of a sum of at most w.
	atMost []float64
}

// MaxDifferences is the largest number of differences of a [SignedRank]: beyond it,
// a float64 no longer resolves the probabilities of single sums.
const MaxDifferences = 500

// NewSignedRank returns the distribution for n differences, 1 to [MaxDifferences].
func NewSignedRank(n int) (SignedRank, error) {
	if n < 1 || n > MaxDifferences {
		return SignedRank{}, fmt.Errorf("signed-rank distribution of %d differences: want 1 to %d", n, MaxDifferences)
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

// AtMost returns the probability of a sum of at most w.
func (d SignedRank) AtMost(w int) float64 {
	switch {
	case w < 0:
		return 0
	case w >= len(d.atMost):
		return 1
	}
	return d.atMost[w]
}

// Critical returns the largest w for which a sum of at most w has a probability of at
// most alpha, or −1 where even a sum of 0 has a larger one.
func (d SignedRank) Critical(alpha float64) int {
	w := -1
	for w+1 < len(d.atMost) && d.atMost[w+1] <= alpha*(1+1e-12) {
		w++
	}
	return w
}

// Walsh returns the averages of all pairs of differences, each with itself too, in
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

// Shift is an estimate of a location, or of the difference of two, with bounds. A
// bound that so few values cannot give is infinite.
type Shift struct {
	Estimate, Lower, Upper float64
}

// NewShift returns the centre of paired differences: the Hodges–Lehmann estimate with
// exact one-sided bounds, which are those of the centres that the signed-rank test
// does not reject. Lower is above the true centre with probability alphaLower at most,
// and Upper below it with probability alphaUpper at most, if the differences are
// symmetric about it; nothing else is assumed of them.
func NewShift(differences []float64, alphaLower, alphaUpper float64) (Shift, error) {
	d, err := NewSignedRank(len(differences))
	if err != nil {
		return Shift{}, err
	}
	averages := Walsh(differences)
	s := Shift{Estimate: sortedMedian(averages), Lower: math.Inf(-1), Upper: math.Inf(1)}
	// The ranks of the negative differences add up to the number of Walsh averages at
	// or below the centre. Where that must be more than w, the bound is number w+1.
	if w := d.Critical(alphaLower); w >= 0 {
		s.Lower = averages[w]
	}
	if w := d.Critical(alphaUpper); w >= 0 {
		s.Upper = averages[len(averages)-1-w]
	}
	return s, nil
}
