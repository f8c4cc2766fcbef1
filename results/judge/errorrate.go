package judge

import (
	"math"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// errorRate is the metric of operations that failed, were dropped or did not finish.
const errorRate = "error_rate"

// Tried counts the measured requested operations of one run.
type Tried struct {
	// Ended is the number of operations with an outcome. NotCompleted is the number of those
	// that failed, were dropped or did not finish.
	Ended, NotCompleted uint64
}

func newTried(run *results.Run) Tried {
	all, err := run.Measured("")
	if err != nil {
		return Tried{}
	}
	return Tried{all.Ended(), all.NotCompleted()}
}

// rate returns the share of operations that did not complete.
func (t Tried) rate() float64 {
	if t.Ended == 0 {
		return 0
	}
	return float64(t.NotCompleted) / float64(t.Ended)
}

// judgeErrorRate compares the error rates. The test is that of the other metrics, on the
// differences of each round's two shares, so it includes the variation of failures between
// runs. A test that counts all operations as independent would not include it. The estimate is
// the difference over all rounds together. The upper bound is the larger of the test's bound
// and the bound of the two shares: without the latter, few operations without a failure would
// show that none ever fails.
func (r Rules) judgeErrorRate(v *results.MetricVerdict, rounds []Round) {
	var differences []float64
	var baseline, candidate []Tried
	for _, round := range rounds {
		if round.BaselineTried.Ended == 0 || round.CandidateTried.Ended == 0 {
			continue
		}
		differences = append(differences, round.CandidateTried.rate()-round.BaselineTried.rate())
		baseline, candidate = append(baseline, round.BaselineTried), append(candidate, round.CandidateTried)
	}
	if v.Rounds = len(differences); v.Rounds == 0 || v.Rounds < len(rounds) {
		return
	}
	b, c := sumTried(baseline), sumTried(candidate)
	v.Baseline, v.Candidate, v.Operations = b.rate(), c.rate(), c.Ended
	shift, err := stats.NewShift(differences, r.alphaFail(), r.alphaPass())
	if err != nil {
		return
	}
	if v.Rounds > 1 {
		_, v.Noise = stats.MeanAndDeviation(differences)
	}
	shift.Estimate = v.Candidate - v.Baseline
	shift.Upper = max(shift.Upper, shareDifferenceUpper(baseline, candidate, r.alphaPass()))
	applyShift(v, metric(errorRate), shift)
}

func sumTried(list []Tried) (sum Tried) {
	for _, t := range list {
		sum.Ended, sum.NotCompleted = sum.Ended+t.Ended, sum.NotCompleted+t.NotCompleted
	}
	return sum
}

// shareDifferenceUpper returns an upper bound of the difference of two shares of several
// runs each, from the exact bounds of each: the squares of their distances add up. (R. G.
// Newcombe, "Interval estimation for the difference between independent proportions", 1998.)
func shareDifferenceUpper(baseline, candidate []Tried, alpha float64) float64 {
	b, low, _ := shareBounds(baseline, alpha)
	c, _, high := shareBounds(candidate, alpha)
	return c - b + math.Hypot(high-c, b-low)
}

// dispersionAlpha is the probability that the dispersion of failures between runs, of which
// an upper bound is taken, is larger still.
const dispersionAlpha = 0.1

// shareBounds returns the share of several runs together and its exact bounds, each of which is
// wrong with probability alpha. Where the runs differ by more than counts of independent
// operations do, as many operations count as would differ so much: all of them divided by the
// dispersion. (J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered
// binary data", 1992.)
func shareBounds(runs []Tried, alpha float64) (rate, low, high float64) {
	sum := sumTried(runs)
	rate = sum.rate()
	dispersion := 1.0
	if len(runs) > 1 && rate > 0 && rate < 1 {
		squares := 0.0
		for _, t := range runs {
			n := float64(t.Ended)
			squares += (float64(t.NotCompleted) - n*rate) * (float64(t.NotCompleted) - n*rate) / (n * rate * (1 - rate))
		}
		dispersion = max(1, squares/stats.ChiSquaredQuantile(dispersionAlpha, len(runs)-1))
	}
	// Each of the two-sided bounds is wrong with half the probability.
	low, high = stats.ClopperPearson(float64(sum.NotCompleted)/dispersion, float64(sum.Ended)/dispersion, 2*alpha)
	return rate, low, high
}
