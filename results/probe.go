package results

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// What a probe of a capacity search says of its rate.
const (
	// Sustained says that the cluster carries the rate, Overloaded that it does not,
	// Unclear that the probe cannot tell, TooFew that it had too few operations to
	// tell, and GeneratorLimit that the generator was in the way.
	Sustained      = "sustained"
	Overloaded     = "overloaded"
	Unclear        = "unclear"
	TooFew         = "too few samples"
	GeneratorLimit = "generator limit"
)

const (
	probeErrors   = 0.01 // share of operations that may fail
	probeAchieved = 0.99 // completed ÷ offered
	probeBlocks   = 10   // stretches whose scatter gives the bounds
	// ProbeAlpha is how often a probe's bounds may miss the figure, on both sides
	// together: a search makes a dozen probes, most of them near the limit.
	ProbeAlpha = 0.01
)

// JudgeProbe says whether a run at a fixed rate kept to the SLO: with its upper
// confidence bound, almost without errors, without falling behind, and without a
// backlog that grows. alpha is how often the bounds may miss: see [ProbeAlpha].
func JudgeProbe(run ComparedRun, slo []Threshold, alpha float64) (verdict, reason string, err error) {
	if run.Validity.Verdict == Invalid {
		for _, r := range run.Validity.Reasons {
			if r.Severity == Invalid {
				return GeneratorLimit, r.Message, nil
			}
		}
		return GeneratorLimit, "the measurement is invalid", nil
	}
	if void := Void(run.Run); void != "" {
		return Unclear, void, nil
	}
	verdict, reason = judgeAccounts(run.Run, alpha)
	if verdict == Overloaded {
		return verdict, reason, nil
	}
	growth, lower, err := backlog(run)
	if err != nil {
		return "", "", err
	}
	if lower > 0 {
		return Overloaded, fmt.Sprintf("the backlog grows by %.0f operations each second", growth), nil
	}
	for _, t := range slo {
		v, why, err := judgeSLO(run, t, alpha)
		if err != nil {
			return "", "", err
		}
		switch {
		case v == Overloaded:
			return v, why, nil
		case v == TooFew && verdict != TooFew, v == Unclear && verdict == Sustained:
			verdict, reason = v, why
		}
	}
	return verdict, reason, nil
}

// judgeAccounts looks at what became of all operations.
func judgeAccounts(run *Run, alpha float64) (verdict, reason string) {
	var offered, done, failed float64
	for _, o := range run.Operations {
		switch {
		case o.Arrived:
		case run.measures(o.Phase):
			offered += float64(o.Offered)
			done += float64(o.Completed - o.CompletedLate)
			failed += float64(o.Failed)
		default:
			// What the warm-up left is done in the place of what is left at the end.
			done += float64(o.CompletedLate)
		}
	}
	if offered == 0 {
		return TooFew, "no operation was offered"
	}
	behind := max(0, offered-done-failed)
	switch leastFailed, _ := shareBounds(failed, offered, alpha); {
	case leastFailed > probeErrors:
		return Overloaded, fmt.Sprintf("%.1f %% of the operations failed", 100*failed/offered)
	case failed > probeErrors*offered:
		return TooFew, fmt.Sprintf("%.0f of %.0f operations failed", failed, offered)
	}
	switch leastBehind, _ := shareBounds(behind, offered, alpha); {
	case leastBehind > 1-probeAchieved:
		return Overloaded, fmt.Sprintf("only %.1f %% of what was offered was done in time", 100-100*behind/offered)
	case behind > (1-probeAchieved)*offered:
		return TooFew, fmt.Sprintf("%.0f of %.0f operations were not done in time", behind, offered)
	}
	return Sustained, ""
}

// shareBounds are those of a share of which k of n were seen, each missed by it with a
// probability of alpha/2 at most. (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934.)
func shareBounds(k, n, alpha float64) (least, most float64) {
	most = 1
	if k > 0 {
		least = distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(alpha / 2)
	}
	if k < n {
		most = distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(1 - alpha/2)
	}
	return least, most
}

// backlog is by how many operations each second what is queued or in flight grows,
// with the lower bound of that: the slope of a line through the seconds.
func backlog(run ComparedRun) (slope, lower float64, err error) {
	if run.Intervals == nil {
		return 0, 0, nil
	}
	var x, y []float64
	err = run.Intervals(func(i *Interval) error {
		if run.measures(i.Phase) && i.Length > time.Second/2 {
			x = append(x, (i.Start + i.Length).Seconds())
			y = append(y, float64(i.InFlight+i.Queued))
		}
		return nil
	})
	n := float64(len(x))
	if err != nil || len(x) < 5 {
		return 0, 0, err
	}
	meanX, _ := meanAndDeviation(x)
	meanY, _ := meanAndDeviation(y)
	var sxx, sxy float64
	for i := range x {
		sxx += (x[i] - meanX) * (x[i] - meanX)
		sxy += (x[i] - meanX) * (y[i] - meanY)
	}
	slope = sxy / sxx
	var residual float64
	for i := range x {
		d := y[i] - meanY - slope*(x[i]-meanX)
		residual += d * d
	}
	// One-sided at 1 %: of a hundred probes that keep up, one looks otherwise.
	return slope, slope - tQuantile(0.99, len(x)-2)*math.Sqrt(residual/(n-2)/sxx), nil
}

// judgeSLO compares a figure's confidence bounds with the SLO; figures that have
// none, as they are.
func judgeSLO(run ComparedRun, t Threshold, alpha float64) (verdict, reason string, err error) {
	if err := t.find(run.Run); err != nil {
		return "", "", err
	}
	s := t.total(run.Run)
	p, ok := t.percentile()
	if ok {
		verdict, reason, few, err := t.judgeFew(s, p, alpha)
		if few || err != nil {
			return verdict, reason, err
		}
	}
	m, err := t.measure(s)
	if err != nil {
		return Unclear, err.Error(), nil
	}
	low, high := m.value, m.value
	if ok {
		if low, high, err = t.bounds(run, p, alpha); err != nil {
			return "", "", err
		}
	}
	if m.atLeast {
		high = math.Inf(1)
	}
	text := fmt.Sprintf("%s: between %s and %s", t.Text, t.print(low), t.print(high))
	switch {
	case t.holds(low) && t.holds(high):
		return Sustained, "", nil
	case !t.holds(low) && !t.holds(high):
		return Overloaded, text, nil
	}
	return Unclear, text, nil
}

// judgeFew judges a percentile that too few operations lie beyond to be known, by how
// many of them are slower than the bound. few says that it is one.
func (t Threshold) judgeFew(s sample, p, alpha float64) (verdict, reason string, few bool, err error) {
	all, unfinished, err := t.times(s)
	if err != nil || all.Resolved(p) {
		return "", "", false, err
	}
	h, err := all.Histogram()
	if err != nil {
		return "", "", false, err
	}
	within := int64(0)
	for _, bar := range h.Distribution() {
		if bar.Count > 0 && t.holds(float64(bar.To)) {
			within += bar.Count
		}
	}
	// What did not finish may be slower than is known.
	n := float64(all.Count)
	slower := n - math.Max(0, float64(within-unfinished.Count))
	least, most := shareBounds(slower, n, alpha)
	text := fmt.Sprintf("%s: %.0f of %.0f operations are slower", t.Text, slower, n)
	upper := t.Comparison == "<" || t.Comparison == "<="
	switch allowed := 1 - p/100; {
	case upper && most <= allowed:
		return Sustained, "", true, nil
	case upper && least > allowed && unfinished.Count == 0:
		return Overloaded, text, true, nil
	}
	return TooFew, text, true, nil
}

func (t Threshold) print(v float64) string {
	if isTime, _ := thresholdMetric(t.Metric); isTime && !math.IsInf(v, 0) {
		return time.Duration(v).Round(time.Microsecond).String()
	}
	return fmt.Sprintf("%.4g", v)
}

// percentile is the one that the threshold is about, if it is about a response
// time's.
func (t Threshold) percentile() (p float64, ok bool) {
	n, err := fmt.Sscanf(t.Metric, "response_time.p%g", &p)
	return p, err == nil && n == 1
}

// bounds are Woodruff's, from stretches of a tenth of the run.
func (t Threshold) bounds(run ComparedRun, p, alpha float64) (low, high float64, err error) {
	var seconds float64
	for _, ph := range run.Phases {
		if t.covers(run.Run, ph.Name) {
			seconds += ph.Length.Seconds()
		}
	}
	length := time.Duration(seconds / probeBlocks * float64(time.Second)).Truncate(time.Second)
	f, err := percentileOf(run, t.Op, p, max(length, time.Second), alpha)
	if err != nil {
		return 0, 0, err
	}
	if math.IsNaN(f.down) || math.IsNaN(f.up) {
		return 0, math.Inf(1), nil
	}
	return f.value * math.Exp(-f.down), f.value * math.Exp(f.up), nil
}
