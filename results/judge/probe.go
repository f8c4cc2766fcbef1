package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

const (
	probeErrors   = 0.01 // share of operations that may fail
	probeAchieved = 0.99 // completed ÷ offered
	probeBlocks   = 10   // stretches whose scatter gives the bounds
	// ProbeAlpha is how often the bounds of a figure of a probe may miss it, on both
	// sides together: a search makes a dozen probes, most of them near the limit.
	ProbeAlpha = 0.01
)

// Probe judges a run at a fixed rate. The rate is sustained when the confidence bounds
// of the run's figures are within the SLO, at most 1 % of the operations failed or were
// not completed in time, and the backlog did not grow. alpha is how often the bounds may
// miss: see [ProbeAlpha].
func Probe(run Run, slo []Threshold, alpha float64) (verdict, reason string, err error) {
	if run.Validity.Verdict == results.Invalid {
		for _, r := range run.Validity.Reasons {
			if r.Severity == results.Invalid {
				return results.GeneratorLimit, r.Message, nil
			}
		}
		return results.GeneratorLimit, "the measurement is invalid", nil
	}
	if void := Void(run.Run); void != "" {
		return results.Unclear, void, nil
	}
	verdict, reason, err = judgeAccounts(run.Run, alpha)
	if verdict == results.Overloaded || err != nil {
		return verdict, reason, err
	}
	growth, lower, err := backlog(run)
	if err != nil {
		return "", "", err
	}
	if lower > 0 {
		return results.Overloaded, fmt.Sprintf("the backlog grows by %.0f operations each second", growth), nil
	}
	for _, t := range slo {
		v, why, err := judgeSLO(run, t, alpha)
		if err != nil {
			return "", "", err
		}
		switch {
		case v == results.Overloaded:
			return v, why, nil
		case v == results.TooFew && verdict != results.TooFew, v == results.Unclear && verdict == results.Sustained:
			verdict, reason = v, why
		}
	}
	return verdict, reason, nil
}

// judgeAccounts judges the outcomes of all operations.
func judgeAccounts(run *results.Run, alpha float64) (verdict, reason string, err error) {
	measured, err := run.Measured("")
	if err != nil {
		return "", "", err
	}
	before, err := run.Sum(
		func(phase string) bool { return !run.Measures(phase) }, func(o *results.Operation) bool { return !o.Arrived })
	if err != nil {
		return "", "", err
	}
	offered, failed := float64(measured.Offered), float64(measured.Failed)
	// Operations of the warm-up that complete late make up for those of the end.
	done := float64(measured.Completed-measured.CompletedLate) + float64(before.CompletedLate)
	if offered == 0 {
		return results.TooFew, "no operation was offered", nil
	}
	behind := max(0, offered-done-failed)
	switch leastFailed, _ := stats.ClopperPearson(failed, offered, alpha); {
	case leastFailed > probeErrors:
		return results.Overloaded, fmt.Sprintf("%.1f %% of the operations failed", 100*failed/offered), nil
	case failed > probeErrors*offered:
		return results.TooFew, fmt.Sprintf("%.0f of %.0f operations failed", failed, offered), nil
	}
	switch leastBehind, _ := stats.ClopperPearson(behind, offered, alpha); {
	case leastBehind > 1-probeAchieved:
		return results.Overloaded, fmt.Sprintf("only %.1f %% of what was offered was done in time", 100-100*behind/offered), nil
	case behind > (1-probeAchieved)*offered:
		return results.TooFew, fmt.Sprintf("%.0f of %.0f operations were not done in time", behind, offered), nil
	}
	return results.Sustained, "", nil
}

// backlog returns by how many operations per second the number that is queued or in
// flight grows, with its lower bound: the slope of a line through the seconds.
func backlog(run Run) (slope, lower float64, err error) {
	if run.Intervals == nil {
		return 0, 0, nil
	}
	var x, y []float64
	err = run.Intervals(func(i *results.Interval) error {
		if run.Measures(i.Phase) && i.Length > time.Second/2 {
			x = append(x, (i.Start + i.Length).Seconds())
			y = append(y, float64(i.InFlight+i.Queued))
		}
		return nil
	})
	if err != nil || len(x) < 5 {
		return 0, 0, err
	}
	// One-sided at 1 %: of a hundred probes that keep up, one looks otherwise.
	slope, lower = stats.Slope(x, y, 0.01)
	return slope, lower, nil
}

// judgeSLO compares the confidence bounds of a figure with the SLO, or the figure itself
// where it has no bounds.
func judgeSLO(run Run, t Threshold, alpha float64) (verdict, reason string, err error) {
	if err := t.find(run.Run); err != nil {
		return "", "", err
	}
	s, err := t.total(run.Run)
	if err != nil {
		return "", "", err
	}
	p, ok := t.percentile()
	if ok {
		verdict, reason, few, err := t.judgeFew(s, p, alpha)
		if few || err != nil {
			return verdict, reason, err
		}
	}
	m, err := t.measure(s)
	if err != nil {
		return results.Unclear, err.Error(), nil
	}
	low, high := m.value, m.value
	if ok {
		if low, high, err = t.bounds(run, s, p, alpha); err != nil {
			return "", "", err
		}
	}
	if m.atLeast {
		high = math.Inf(1)
	}
	text := fmt.Sprintf("%s: between %s and %s", t.Text, t.print(low), t.print(high))
	switch {
	case t.holds(low) && t.holds(high):
		return results.Sustained, "", nil
	case !t.holds(low) && !t.holds(high):
		return results.Overloaded, text, nil
	}
	return results.Unclear, text, nil
}

// judgeFew judges a percentile that is not resolved, by how many operations are slower
// than the threshold. few says that it is not.
func (t Threshold) judgeFew(s stretch, p, alpha float64) (verdict, reason string, few bool, err error) {
	all, unfinished := s.ResponseTime, s.UnfinishedResponseTime
	if all.Resolved(p) {
		return "", "", false, nil
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
	// Unfinished operations may be slower than their lower bounds.
	n := float64(all.Count)
	slower := n - math.Max(0, float64(within-unfinished.Count))
	least, most := stats.ClopperPearson(slower, n, alpha)
	text := fmt.Sprintf("%s: %.0f of %.0f operations are slower", t.Text, slower, n)
	upper := t.Comparison == "<" || t.Comparison == "<="
	switch allowed := 1 - p/100; {
	case upper && most <= allowed:
		return results.Sustained, "", true, nil
	case upper && least > allowed && unfinished.Count == 0:
		return results.Overloaded, text, true, nil
	}
	return results.TooFew, text, true, nil
}

func (t Threshold) print(v float64) string {
	if isTime, _ := thresholdMetric(t.Metric); isTime && !math.IsInf(v, 0) {
		return time.Duration(v).Round(time.Microsecond).String()
	}
	return fmt.Sprintf("%.4g", v)
}

// percentile returns the percentile of the response time that the threshold is about,
// if it is about one.
func (t Threshold) percentile() (p float64, ok bool) {
	n, err := fmt.Sscanf(t.Metric, "response_time.p%g", &p)
	return p, err == nil && n == 1
}

// bounds returns those of a percentile, from blocks of a tenth of the run.
func (t Threshold) bounds(run Run, s stretch, p, alpha float64) (low, high float64, err error) {
	length := (s.length / probeBlocks).Truncate(time.Second)
	f, err := series{run, s.Operation, func(phase string) bool {
		return t.covers(run.Run, phase)
	}}.percentile(p, max(length, time.Second), alpha)
	if err != nil {
		return 0, 0, err
	}
	if math.IsNaN(f.down) || math.IsNaN(f.up) {
		return 0, math.Inf(1), nil
	}
	return f.value * math.Exp(-f.down), f.value * math.Exp(f.up), nil
}
