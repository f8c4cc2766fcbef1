package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// powerDraws is the number of samples that a [Power] draws.
	powerDraws = 1000
	// powerExact is the largest sample that a [Power] draws value by value. Estimate and
	// bound of larger ones are close to normal.
	powerExact = 48
	// signedRankEfficiency is how many normal differences a t-test needs for each one that
	// the signed-rank test needs: 3/π. (E. J. G. Pitman, "Notes on non-parametric statistical
	// inference", 1948.)
	signedRankEfficiency = 3 / math.Pi
)

// A Power computes which centre of paired differences a test detects. The test requires two
// properties of [NewShift]: a lower bound above 0, and an estimate of at least a margin. It
// draws differences with a fixed seed, so that the same question has the same answer.
type Power struct {
	shifts []Shift // of differences with standard deviation 1 about 0
	// scales are the true standard deviation divided by its estimate.
	scales []float64
}

// NewPower returns the power of a test with so many differences, whose lower bound is
// wrong with probability alpha. The differences have heavy tails, which cost a test of few
// differences most. freedom are the degrees of freedom that their standard deviation is
// estimated with, 0 where it is known: the power is that over all estimates.
func NewPower(differences int, alpha float64, freedom int) (Power, error) {
	r := rand.New(rand.NewPCG(uint64(differences), uint64(freedom)))
	p := Power{shifts: make([]Shift, powerDraws), scales: make([]float64, powerDraws)}
	for i := range powerDraws {
		p.scales[i] = 1
		if freedom > 0 {
			_, deviation := MeanAndDeviation(heavyTailed(r, freedom+1))
			p.scales[i] = 1 / deviation
		}
		if differences > powerExact {
			se := 1 / math.Sqrt(signedRankEfficiency*float64(differences))
			scale := math.Sqrt(chiSquared(r, differences-1) / float64(differences-1))
			p.shifts[i].Estimate = se * r.NormFloat64()
			p.shifts[i].Lower = p.shifts[i].Estimate - se*scale*NormalQuantile(1-alpha)
			continue
		}
		var err error
		if p.shifts[i], err = NewShift(heavyTailed(r, differences), alpha, 0.5); err != nil {
			return p, err
		}
	}
	return p, nil
}

// heavyTailed draws n values with standard deviation 1: normal ones, of which one in ten has
// three times the width of the others.
func heavyTailed(r *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = r.NormFloat64() / math.Sqrt(0.9+0.1*3*3)
		if r.Float64() < 0.1 {
			values[i] *= 3
		}
	}
	return values
}

// chiSquared draws from the χ² distribution.
func chiSquared(r *rand.Rand, freedom int) (sum float64) {
	for range freedom {
		z := r.NormFloat64()
		sum += z * z
	}
	return sum
}

// Detectable returns the smallest centre that is detected with the given probability, if the
// differences have the estimated standard deviation. It is infinite if the number of
// differences is too small.
func (p Power) Detectable(deviation, margin, probability float64) float64 {
	needed := make([]float64, len(p.shifts))
	for i, s := range p.shifts {
		scale := deviation * p.scales[i]
		if math.IsInf(s.Lower, -1) {
			return math.Inf(1)
		}
		needed[i] = max(-scale*s.Lower, margin-scale*s.Estimate)
	}
	slices.Sort(needed)
	at := int(math.Ceil(probability * float64(len(needed))))
	return needed[min(at, len(needed)-1)]
}
