package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// Metric is a figure of a run that gates compare, see [results.Run.Figures].
type Metric struct {
	Name, Unit string
	// Higher means that larger values are better.
	Higher bool
	// Primary means that the verdict depends on it, unless other metrics are named.
	Primary bool
	// Margin is the smallest change for the worse that matters, as a share of the baseline.
	Margin float64
	// Absolute means that the metric is a share itself: its margin is a difference.
	Absolute bool
	// Cost means that the members report it. Not all members can.
	Cost bool
}

// Metrics returns the metrics of gates.
func Metrics() []Metric {
	return []Metric{
		{Name: "throughput", Unit: "/s", Higher: true, Primary: true, Margin: 0.05},
		{Name: errorRate, Unit: "share", Absolute: true, Primary: true, Margin: 0.001},
		{Name: "p50", Unit: "ns", Primary: true, Margin: 0.05},
		{Name: "p99", Unit: "ns", Primary: true, Margin: 0.10},
		{Name: "cpu", Cost: true, Unit: "ns", Primary: true, Margin: 0.05},
		{Name: "allocs", Cost: true, Unit: "objects", Primary: true, Margin: 0.02},
		{Name: "alloc_bytes", Cost: true, Unit: "bytes", Primary: true, Margin: 0.02},
		{Name: "network_bytes", Cost: true, Unit: "bytes", Primary: true, Margin: 0.02},
		{Name: "fsyncs", Cost: true, Primary: true, Margin: 0.02},
		{Name: "wal_bytes", Cost: true, Unit: "bytes", Margin: 0.02},
		{Name: "disk_written", Cost: true, Unit: "bytes", Margin: 0.02},
		{Name: "p99.9", Unit: "ns", Margin: 0.10},
		{Name: "failover", Unit: "ns", Margin: 0.10},
	}
}

// Rules decide an A/B comparison from its rounds. They are the [results.GateRules] of a job.
type Rules results.GateRules

// DefaultRules returns rules that decide after 12 or after 24 rounds. They fail at most 1 % of
// the jobs when nothing differs, and pass at most 5 % when a metric is worse by its margin.
func DefaultRules() Rules {
	rules := Rules{Margins: map[string]float64{}, Looks: []int{12, 24}, FalseFail: 0.01, FalsePass: 0.05}
	for _, m := range Metrics() {
		rules.Margins[m.Name] = m.Margin
		if m.Primary {
			rules.Primary = append(rules.Primary, m.Name)
		}
		if m.Primary && m.Cost {
			rules.Optional = append(rules.Optional, m.Name)
		}
	}
	return rules
}

// Validate returns an error for rules that cannot be applied.
func (r Rules) Validate() error {
	switch {
	case len(r.Primary) == 0:
		return fmt.Errorf("a gate needs a primary metric")
	case len(r.Looks) == 0 || !slices.IsSorted(r.Looks) || r.Looks[0] < 1 || r.Looks[len(r.Looks)-1] > stats.MaxDifferences:
		return fmt.Errorf("rounds must be between 1 and %d, and rise", stats.MaxDifferences)
	case !(r.FalseFail > 0 && r.FalseFail < 1) || !(r.FalsePass > 0 && r.FalsePass < 1):
		return fmt.Errorf("the probabilities of a false verdict must be between 0 and 1")
	}
	for _, name := range r.Primary {
		if err := checkMetric(name); err != nil {
			return err
		}
	}
	for name, margin := range r.Margins {
		if err := checkMetric(name); err != nil {
			return err
		}
		most := 10.0
		if m := metric(name); m.Higher || m.Absolute {
			most = 1
		}
		if !(margin > 0 && margin < most) {
			return fmt.Errorf("the margin of %s must be above 0 %% and below %.0f %%, not %v", name, 100*most, margin)
		}
	}
	// The smallest probability that this number of rounds can show.
	if n := r.Looks[len(r.Looks)-1]; math.Pow(0.5, float64(n)) > r.alphaFail() {
		return fmt.Errorf("%d rounds cannot fail a metric at a false-fail rate of %g with %d metrics: at least %d are needed",
			n, r.FalseFail, len(r.Primary), int(math.Ceil(-math.Log2(r.alphaFail()))))
	}
	return nil
}

func checkMetric(name string) error {
	var names []string
	for _, m := range Metrics() {
		if m.Name == name {
			return nil
		}
		names = append(names, m.Name)
	}
	return fmt.Errorf("no metric %q%s: use one of %s", name, results.Nearest(name, names), strings.Join(names, ", "))
}

// metric returns the metric with that name, or one with nothing but the name.
func metric(name string) Metric {
	for _, m := range Metrics() {
		if m.Name == name {
			return m
		}
	}
	return Metric{Name: name}
}

// size returns the size of a regression on the scale of the differences: a positive logarithm,
// or the difference of an absolute metric.
func (m Metric) size(change float64) float64 {
	switch {
	case m.Absolute:
		return change
	case m.Higher:
		return -math.Log1p(-min(change, 1))
	}
	return math.Log1p(change)
}

// share is the inverse of size for a figure of which smaller values are better.
func (m Metric) share(size float64) float64 {
	if m.Absolute {
		return size
	}
	return math.Expm1(size)
}

// alphaFail returns the share of the false fails for each primary metric and look. By
// Bonferroni's inequality, their sum bounds the false fails of the job.
func (r Rules) alphaFail() float64 {
	return r.FalseFail / float64(len(r.Looks)*len(r.Primary))
}

// alphaPass returns the share of the false passes for each look. It is not divided among
// metrics: a pass requires all of them, so a job that passes wrongly also passes the metric
// that is worse.
func (r Rules) alphaPass() float64 { return r.FalsePass / float64(len(r.Looks)) }

// Round is one round of an A/B comparison, with the figures of each side.
type Round struct {
	Number              int
	Baseline, Candidate map[string]float64
	// BaselineAtLeast and CandidateAtLeast are the figures that are lower bounds.
	BaselineAtLeast, CandidateAtLeast map[string]bool
	// BaselineTried and CandidateTried count the operations behind the error rate.
	BaselineTried, CandidateTried Tried
}

// NewRound returns the figures of the two runs of a round.
func NewRound(number int, baseline, candidate *results.Run) Round {
	r := Round{Number: number, BaselineTried: newTried(baseline), CandidateTried: newTried(candidate)}
	r.Baseline, r.BaselineAtLeast = baseline.BoundedFigures()
	r.Candidate, r.CandidateAtLeast = candidate.BoundedFigures()
	return r
}

// Judge compares the two sides of all rounds, metric by metric. It may be called after
// every round to show the progress; the verdicts hold only after a number of rounds
// that the rules name, see [Rules.Look].
func (r Rules) Judge(rounds []Round) []results.MetricVerdict {
	var list []results.MetricVerdict
	for _, m := range Metrics() {
		// A metric that is not primary and that no run has is omitted.
		if v := r.judgeMetric(m, rounds); v.Primary || v.Rounds > 0 {
			list = append(list, v)
		}
	}
	return list
}

func (r Rules) judgeMetric(m Metric, rounds []Round) results.MetricVerdict {
	v := results.MetricVerdict{
		Name: m.Name, Unit: m.Unit, Higher: m.Higher, Absolute: m.Absolute, Primary: slices.Contains(r.Primary, m.Name),
		Margin: r.margin(m), Verdict: results.NotMeasured,
	}
	if m.Absolute {
		r.judgeErrorRate(&v, rounds)
		return v
	}
	var differences, baseline, candidate []float64
	either := false
	for _, round := range rounds {
		b, okB := round.Baseline[m.Name]
		c, okC := round.Candidate[m.Name]
		either = either || okB || okC
		if !okB || !okC || b <= 0 || c <= 0 {
			continue
		}
		v.BaselineAtLeast = v.BaselineAtLeast || round.BaselineAtLeast[m.Name]
		v.CandidateAtLeast = v.CandidateAtLeast || round.CandidateAtLeast[m.Name]
		d := math.Log(c / b)
		if m.Higher {
			d = -d
		}
		differences, baseline, candidate = append(differences, d), append(baseline, b), append(candidate, c)
	}
	v.Rounds = len(differences)
	if !either && len(rounds) > 0 && v.Primary && slices.Contains(r.Optional, m.Name) {
		v.Primary, v.Note = false, leftOut
	}
	if len(differences) == 0 || len(differences) < len(rounds) {
		return v
	}
	v.Baseline, v.Candidate = stats.Median(baseline), stats.Median(candidate)
	shift, err := stats.NewShift(differences, r.alphaFail(), r.alphaPass())
	if err != nil {
		return v
	}
	applyShift(&v, m, shift)
	_, deviation := stats.MeanAndDeviation(differences)
	v.Noise = m.share(deviation)
	return v
}

// leftOut is the note of an optional metric that no run of either side has.
const leftOut = "left out: no run of either side measured it"

// margin returns the smallest change of a metric that matters.
func (r Rules) margin(m Metric) float64 { return cmp.Or(r.Margins[m.Name], m.Margin) }

// applyShift converts a shift on the scale of m.size into a verdict and shares.
func applyShift(v *results.MetricVerdict, m Metric, s stats.Shift) {
	delta := m.size(v.Margin)
	switch {
	case s.Lower > 0 && s.Estimate >= delta:
		v.Verdict = results.Fail
	case s.Upper < delta:
		v.Verdict = results.Pass
		if s.Lower > 0 {
			v.Note = "worse by less than the margin"
		}
	default:
		v.Verdict = results.Inconclusive
	}
	if s.Upper < 0 {
		v.Note = "better"
	}
	// The candidate may be worse than its lower bound, and the baseline, too.
	if v.CandidateAtLeast && v.Verdict == results.Pass || v.BaselineAtLeast && v.Verdict == results.Fail {
		v.Verdict, v.Note = results.Inconclusive, "operations did not finish: the measured value is a lower bound"
	}
	v.Estimate = m.share(s.Estimate)
	bound := func(size float64) *float64 {
		if math.IsInf(size, 0) {
			return nil
		}
		b := m.share(size)
		return &b
	}
	v.Lower, v.Upper = bound(s.Lower), bound(s.Upper)
}

// Decide combines the verdicts on the primary metrics into that of the job: fail if any fails,
// pass if all pass, inconclusive otherwise.
func Decide(metrics []results.MetricVerdict) (verdict, reason string) {
	names := map[string][]string{}
	var bounds []string
	for _, m := range metrics {
		if m.Primary {
			names[m.Verdict] = append(names[m.Verdict], m.Name)
		}
		if m.Primary && m.Verdict == results.Inconclusive && (m.BaselineAtLeast || m.CandidateAtLeast) {
			bounds = append(bounds, m.Name)
		}
	}
	var reasons []string
	add := func(why string, names []string) {
		if len(names) > 0 {
			reasons = append(reasons, why+strings.Join(names, ", "))
		}
	}
	switch {
	case len(names[results.Fail]) > 0:
		return results.Fail, "worse by more than the margin: " + strings.Join(names[results.Fail], ", ")
	case len(names[results.Pass])+len(names[results.Inconclusive]) == 0:
		add("no primary metric was measured in every round: ", names[results.NotMeasured])
		return results.Inconclusive, cmp.Or(strings.Join(reasons, "; "), "no primary metric was measured")
	}
	add("operations did not finish, so that only lower bounds are known: ", bounds)
	unclear := slices.DeleteFunc(names[results.Inconclusive], func(name string) bool { return slices.Contains(bounds, name) })
	add("too few rounds or too much noise: ", unclear)
	add("not measured in every round: ", names[results.NotMeasured])
	if len(reasons) > 0 {
		return results.Inconclusive, strings.Join(reasons, "; ")
	}
	return results.Pass, "no primary metric is worse by its margin or more"
}

// Look judges the rounds and reports whether the job is done: after a number of rounds
// that the rules name, if the verdict is not inconclusive or the number is the last.
func (r Rules) Look(rounds []Round) (metrics []results.MetricVerdict, verdict, reason string, done bool) {
	metrics = r.Judge(rounds)
	verdict, reason = Decide(metrics)
	look := slices.Index(r.Looks, len(rounds))
	done = look >= 0 && (verdict != results.Inconclusive || look == len(r.Looks)-1)
	return metrics, verdict, reason, done
}

// maxDropped is the share of dropped rounds above which a comparison is void.
const maxDropped = 0.20

// TooManyDropped reports whether so many rounds were dropped that the others may be a biased
// selection.
func TooManyDropped(dropped, counted int) bool {
	return float64(dropped) > maxDropped*float64(dropped+counted)
}
