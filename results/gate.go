package results

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// GateMetric is a figure of a run that gates compare.
type GateMetric struct {
	Name, Unit string
	// Higher says that more is better.
	Higher bool
	// Primary says that the verdict rests on it, unless other metrics are named.
	Primary bool
	// Margin is the smallest change that matters, as a share.
	Margin float64
}

// GateMetrics lists what gates compare.
func GateMetrics() []GateMetric {
	return []GateMetric{
		{Name: "throughput", Unit: "/s", Higher: true, Primary: true, Margin: 0.05},
		{Name: "p50", Unit: "ns", Primary: true, Margin: 0.05},
		{Name: "p99", Unit: "ns", Primary: true, Margin: 0.10},
		{Name: "cpu", Unit: "ns", Primary: true, Margin: 0.05},
		{Name: "allocs", Unit: "objects", Primary: true, Margin: 0.02},
		{Name: "alloc_bytes", Unit: "bytes", Primary: true, Margin: 0.02},
		{Name: "network_bytes", Unit: "bytes", Primary: true, Margin: 0.02},
		{Name: "fsyncs", Primary: true, Margin: 0.02},
		{Name: "wal_bytes", Unit: "bytes", Margin: 0.02},
		{Name: "disk_written", Unit: "bytes", Margin: 0.02},
		{Name: "p99.9", Unit: "ns", Margin: 0.10},
		{Name: "failover", Unit: "ns", Margin: 0.10},
	}
}

// Figures are a run's values by the names of [GateMetrics]: throughput and
// response times of all measured operations that were asked for, and what one of
// them cost all members together. What a run cannot tell is left out.
func (r *Run) Figures() map[string]float64 {
	measured := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		measured[ph.Name] = !ph.Warmup
	}
	figures := map[string]float64{}
	var seconds, completed float64
	for _, ph := range r.Phases {
		if measured[ph.Name] {
			seconds += ph.Length.Seconds()
		}
	}
	var times []Latency
	for _, o := range r.Operations {
		if measured[o.Phase] && !o.Arrived {
			completed += float64(o.Completed - o.CompletedLate)
			times = append(times, o.ResponseTime)
		}
	}
	if completed > 0 && seconds > 0 {
		figures["throughput"] = completed / seconds
	}
	if all, err := MergeLatency(times...); err == nil {
		for name, q := range map[string]struct {
			p  float64
			ns int64
		}{"p50": {50, all.P50}, "p99": {99, all.P99}, "p99.9": {99.9, all.P999}} {
			if all.Resolved(q.p) && q.ns > 0 {
				figures[name] = float64(q.ns)
			}
		}
	}
	r.addCosts(figures)
	if failover := r.failover(); failover > 0 {
		figures["failover"] = float64(failover)
	}
	return figures
}

// addCosts adds what an operation cost all members, over the measured phases.
func (r *Run) addCosts(figures map[string]float64) {
	if r.Server == nil {
		return
	}
	sums, operations := map[string]float64{}, 0.0
	for _, c := range r.Server.Cost {
		if c.Member != "" {
			continue
		}
		operations += float64(c.Operations)
		for name, v := range c.Figures {
			sums[name] += v * float64(c.Operations)
		}
	}
	peers, okPeers := sums["peer_bytes"]
	clients, okClients := sums["client_bytes"]
	if okPeers && okClients {
		sums["network_bytes"] = peers + clients
	}
	for name, sum := range sums {
		if operations > 0 && sum > 0 {
			figures[name] = sum / operations
		}
	}
}

// GateRules are what an A/B comparison is judged by.
type GateRules struct {
	// Primary are the metrics that the verdict rests on.
	Primary []string `json:"primary"`
	// Margins are the smallest changes that matter, as shares, by metric.
	Margins map[string]float64 `json:"margins"`
	// Looks are the numbers of rounds after which there may be a verdict, rising.
	Looks []int `json:"looks"`
	// FalseFail is the largest probability of a fail when nothing differs, and
	// FalsePass that of a pass when some metric is worse by its margin.
	FalseFail float64 `json:"false_fail"`
	FalsePass float64 `json:"false_pass"`
}

// DefaultGateRules looks after 12 and after 24 rounds, and is wrong with 1 % of
// its fails and 5 % of its passes at most.
func DefaultGateRules() GateRules {
	rules := GateRules{Margins: map[string]float64{}, Looks: []int{12, 24}, FalseFail: 0.01, FalsePass: 0.05}
	for _, m := range GateMetrics() {
		rules.Margins[m.Name] = m.Margin
		if m.Primary {
			rules.Primary = append(rules.Primary, m.Name)
		}
	}
	return rules
}

// Validate says what is wrong with rules.
func (r GateRules) Validate() error {
	switch {
	case len(r.Primary) == 0:
		return fmt.Errorf("a gate needs a primary metric")
	case len(r.Looks) == 0 || !slices.IsSorted(r.Looks) || r.Looks[0] < 1 || r.Looks[len(r.Looks)-1] > maxRounds:
		return fmt.Errorf("rounds must be between 1 and %d, and rise", maxRounds)
	case !(r.FalseFail > 0 && r.FalseFail < 1) || !(r.FalsePass > 0 && r.FalsePass < 1):
		return fmt.Errorf("the probabilities of a false verdict must be between 0 and 1")
	}
	for _, name := range r.Primary {
		if err := checkGateMetric(name); err != nil {
			return err
		}
	}
	for name, margin := range r.Margins {
		if err := checkGateMetric(name); err != nil {
			return err
		}
		if !(margin > 0 && margin < 10) {
			return fmt.Errorf("the margin of %s must be a positive share, not %v", name, margin)
		}
	}
	// The smallest probability that so many rounds can show.
	if n := r.Looks[len(r.Looks)-1]; math.Pow(0.5, float64(n)) > r.alphaFail() {
		return fmt.Errorf("%d rounds cannot fail anything at a false-fail rate of %g over %d metrics: it takes %d",
			n, r.FalseFail, len(r.Primary), int(math.Ceil(-math.Log2(r.alphaFail()))))
	}
	return nil
}

func checkGateMetric(name string) error {
	var names []string
	for _, m := range GateMetrics() {
		if m.Name == name {
			return nil
		}
		names = append(names, m.Name)
	}
	return fmt.Errorf("no metric %q%s: there are %s", name, Nearest(name, names), strings.Join(names, ", "))
}

// alphaFail is the share of the false fails that each primary metric has at each
// look: by Bonferroni's inequality, their sum bounds that of the job.
func (r GateRules) alphaFail() float64 {
	return r.FalseFail / float64(len(r.Looks)*len(r.Primary))
}

// alphaPass is the share of the false passes at each look. It is not split over
// metrics: a pass wants all of them, so a job that passes wrongly passes the one
// that is worse, whichever that is.
func (r GateRules) alphaPass() float64 { return r.FalsePass / float64(len(r.Looks)) }

// Round is one round of an A/B comparison: each side's figures.
type Round struct {
	Number              int
	Baseline, Candidate map[string]float64
}

// Judge compares the sides of all rounds. It may be called after each, for a look
// at how things stand; a verdict is one only after a number of rounds that the
// rules name.
func (r GateRules) Judge(rounds []Round) []MetricVerdict {
	var list []MetricVerdict
	for _, m := range GateMetrics() {
		// What nobody asked for and no run has is left out.
		if v := r.judgeMetric(m, rounds); v.Primary || v.Rounds > 0 {
			list = append(list, v)
		}
	}
	return list
}

func (r GateRules) judgeMetric(m GateMetric, rounds []Round) MetricVerdict {
	margin := r.Margins[m.Name]
	if margin == 0 {
		margin = m.Margin
	}
	v := MetricVerdict{Name: m.Name, Unit: m.Unit, Higher: m.Higher, Primary: slices.Contains(r.Primary, m.Name), Margin: margin, Verdict: NotMeasured}
	var differences, baseline, candidate []float64
	for _, round := range rounds {
		b, okB := round.Baseline[m.Name]
		c, okC := round.Candidate[m.Name]
		if !okB || !okC || b <= 0 || c <= 0 {
			continue
		}
		d := math.Log(c / b)
		if m.Higher {
			d = -d
		}
		differences, baseline, candidate = append(differences, d), append(baseline, b), append(candidate, c)
	}
	v.Rounds = len(differences)
	if len(differences) == 0 || len(differences) < len(rounds) {
		return v
	}
	slices.Sort(baseline)
	slices.Sort(candidate)
	v.Baseline, v.Candidate = median(baseline), median(candidate)
	shift, err := NewShift(differences, r.alphaFail(), r.alphaPass())
	if err != nil {
		return v
	}
	v.apply(shift, math.Log1p(margin))
	v.Noise = math.Expm1(spread(differences))
	v.Detectable = detectable(shift, r.alphaFail(), math.Log1p(margin))
	return v
}

// apply turns a shift of logarithms into a verdict and shares.
func (v *MetricVerdict) apply(s Shift, delta float64) {
	switch {
	case s.Lower > 0 && s.Estimate >= delta:
		v.Verdict = Fail
	case s.Upper < delta:
		v.Verdict = Pass
		if s.Lower > 0 {
			v.Note = "worse, but by less than the margin"
		}
	default:
		v.Verdict = Inconclusive
	}
	if s.Upper < 0 {
		v.Note = "better"
	}
	v.Estimate = math.Expm1(s.Estimate)
	share := func(bound float64) *float64 {
		if math.IsInf(bound, 0) {
			return nil
		}
		b := math.Expm1(bound)
		return &b
	}
	v.Lower, v.Upper = share(s.Lower), share(s.Upper)
}

// detectable is the smallest change that such a job fails nine times in ten: the
// lower bound must be above 0 and the estimate above the margin, each of which
// scatters as the distance of the bound from the estimate tells.
func detectable(s Shift, alpha, delta float64) float64 {
	if math.IsInf(s.Lower, -1) {
		return 0
	}
	width := s.Estimate - s.Lower
	scatter := width / normalQuantile(1-alpha)
	return math.Expm1(max(delta, width) + normalQuantile(0.9)*scatter)
}

// spread is a standard deviation that a few wild rounds do not decide: from the
// median distance to the median, as of a normal distribution.
func spread(differences []float64) float64 {
	sorted := slices.Sorted(slices.Values(differences))
	centre := median(sorted)
	for i, d := range sorted {
		sorted[i] = math.Abs(d - centre)
	}
	slices.Sort(sorted)
	return median(sorted) / normalQuantile(0.75)
}

// RoundsNeeded is how many rounds it takes to fail a change of that size nine times
// in ten, where rounds differ by so much noise (both as shares), or 0 where more
// than 500 would be needed. The signed-rank test needs 5 % more rounds than the
// t-test of normal differences.
func (r GateRules) RoundsNeeded(noise, effect float64) int {
	alpha := r.alphaFail()
	least := int(math.Ceil(-math.Log2(alpha)))
	sd, size := math.Log1p(noise), math.Log1p(effect)
	z := normalQuantile(1-alpha) + normalQuantile(0.9)
	n := max(least, int(math.Ceil(1.05*math.Pow(z*sd/size, 2))))
	if n > maxRounds {
		return 0
	}
	return n
}

// normalQuantile is that of the standard normal distribution.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// Decide joins the metrics' verdicts into the job's: fail if any primary metric
// fails, pass if all pass, inconclusive otherwise.
func Decide(metrics []MetricVerdict) (verdict, reason string) {
	names := map[string][]string{}
	for _, m := range metrics {
		if m.Primary {
			names[m.Verdict] = append(names[m.Verdict], m.Name)
		}
	}
	switch {
	case len(names[Fail]) > 0:
		return Fail, "worse by more than the margin: " + strings.Join(names[Fail], ", ")
	case len(names[Pass]) == 0:
		return Inconclusive, "nothing was measured that the verdict rests on"
	case len(names[Inconclusive]) > 0:
		return Inconclusive, "too few rounds, or too much noise, to tell: " + strings.Join(names[Inconclusive], ", ")
	case len(names[NotMeasured]) > 0:
		return Inconclusive, "not measured in every round: " + strings.Join(names[NotMeasured], ", ")
	}
	return Pass, "no primary metric is worse by its margin or more"
}

// Look judges the rounds and says whether there is a verdict: after a number of
// rounds that the rules name, when it is not inconclusive or the last.
func (r GateRules) Look(rounds []Round) (metrics []MetricVerdict, verdict, reason string, done bool) {
	metrics = r.Judge(rounds)
	verdict, reason = Decide(metrics)
	look := slices.Index(r.Looks, len(rounds))
	done = look >= 0 && (verdict != Inconclusive || look == len(r.Looks)-1)
	return metrics, verdict, reason, done
}

// maxDropped is the share of dropped rounds above which a comparison says nothing.
const maxDropped = 0.20

// TooManyDropped says that so many rounds were dropped that the rest may not be
// what they would have been.
func TooManyDropped(dropped, counted int) bool {
	return float64(dropped) > maxDropped*float64(dropped+counted)
}

// Void says why a round with this run does not count, or nothing. It looks at what
// befell the run, and not at which side it was or how fast.
func Void(r *Run) string {
	switch {
	case r.Outcome != Completed:
		return "a run was " + string(r.Outcome) + ": " + r.Reason
	case r.Validity.Verdict == Invalid:
		why := ""
		for _, reason := range r.Validity.Reasons {
			if reason.Severity == Invalid {
				why = ": " + reason.Message
			}
		}
		return "the generator was the limit" + why
	}
	if r.Server != nil && r.Resilience == nil { // where faults are made, it is meant to
		for _, m := range r.Server.Members {
			if m.Growth["leader_changes"] > 0 {
				return "the leader changed"
			}
		}
	}
	return ""
}
