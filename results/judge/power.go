package judge

import (
	"math"
	"sort"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// foundShare is the share of simulated jobs that must fail for a change that is detected nine
// times in ten. It is higher, because real noise can be worse than that of the simulation: it
// drifts and comes in bursts.
const foundShare = 0.95

// powers caches the simulations of a set of rules.
type powers struct {
	rules Rules
	made  map[[2]int]stats.Power
}

func (r Rules) powers() powers { return powers{r, map[[2]int]stats.Power{}} }

// of returns the power of that number of rounds. known is the number of rounds from which the
// noise is estimated.
func (p powers) of(rounds, known int) (stats.Power, error) {
	key := [2]int{rounds, known}
	if power, ok := p.made[key]; ok {
		return power, nil
	}
	power, err := stats.NewPower(rounds, p.rules.alphaFail(), known-1)
	p.made[key] = power
	return power, err
}

// detectable returns the smallest change for the worse that a job of so many rounds fails
// nine times in ten, on the scale of Metric.size; infinite where there is none. The noise is
// that of v.
func (p powers) detectable(v results.MetricVerdict, rounds int) float64 {
	m := metric(v.Name)
	if v.Rounds < 2 || v.Verdict == results.NotMeasured {
		return math.Inf(1)
	}
	power, err := p.of(rounds, v.Rounds)
	if err != nil {
		return math.Inf(1)
	}
	delta := m.size(v.Margin)
	if !m.Absolute {
		return power.Detectable(math.Log1p(v.Noise), delta, foundShare)
	}
	return detectableShare(v, power, delta)
}

// detectableShare is like detectable, for error rates: a larger rate has a larger variance.
func detectableShare(v results.MetricVerdict, power stats.Power, delta float64) float64 {
	const steps = 200 // of 5 %, from the margin on
	at := sort.Search(steps, func(k int) bool {
		rate := delta * math.Pow(1.05, float64(k))
		scatter := 0.0
		if v.Operations > 0 {
			scatter = rate / (float64(v.Operations) / float64(v.Rounds))
		}
		return power.Detectable(math.Sqrt(v.Noise*v.Noise+scatter), delta, foundShare) <= rate
	})
	if rate := delta * math.Pow(1.05, float64(at)); at < steps && rate <= 1 {
		return rate
	}
	return math.Inf(1)
}

// AddDetectable adds to each metric the smallest regression that the job would have failed nine
// times in ten.
func (r Rules) AddDetectable(metrics []results.MetricVerdict) {
	p := r.powers()
	for i := range metrics {
		v := &metrics[i]
		if d := p.detectable(*v, v.Rounds); !math.IsInf(d, 1) {
			v.Detectable = metric(v.Name).share(d)
		}
	}
}

// AddNeeded adds to each metric the number of rounds that detect a change of one and a half
// margins, of two, and of 20 %.
func (r Rules) AddNeeded(metrics []results.MetricVerdict) {
	p := r.powers()
	for i := range metrics {
		v := &metrics[i]
		if v.Verdict == results.NotMeasured {
			continue
		}
		effects := []float64{1.5 * v.Margin, 2 * v.Margin, 0.20}
		if v.Absolute {
			effects = effects[:2]
		}
		v.Needed = nil
		for _, effect := range effects {
			if effect <= v.Margin {
				continue // no number of rounds detects it
			}
			v.Needed = append(v.Needed, results.NeededRounds{Effect: effect, Rounds: p.needed(*v, effect)})
		}
	}
}

// RoundsNeeded returns the number of rounds with which a job fails a regression of the size
// effect, a share, nine times in ten. The noise is estimated from v's rounds. It returns 0 if
// more than [stats.MaxDifferences] are needed: a change of no more than the margin fails every
// other time, for any number of rounds.
func (r Rules) RoundsNeeded(v results.MetricVerdict, effect float64) int {
	return r.powers().needed(v, effect)
}

func (p powers) needed(v results.MetricVerdict, effect float64) int {
	m := metric(v.Name)
	size := m.size(effect)
	if alpha := p.rules.alphaFail(); !(alpha > 0 && alpha < 1) || !(size > m.size(v.Margin)) {
		return 0
	}
	n := 1 + sort.Search(stats.MaxDifferences, func(n int) bool { return p.detectable(v, n+1) <= size })
	if n > stats.MaxDifferences {
		return 0
	}
	return n
}
