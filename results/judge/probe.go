package judge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

const (
	probeErrors   = 0.01 // share of operations that may not complete
	probeAchieved = 0.99 // acknowledged ÷ offered
	probeBlocks   = 10   // stretches whose scatter gives the bounds
	// ProbeAlpha is the probability that the bounds of a figure of a probe miss it, on both
	// sides together: a search makes about twelve probes, most of them near the limit.
	ProbeAlpha = 0.01
	// growthAlpha is the probability that a backlog that does not grow appears to grow: one in a
	// hundred probes that keep up.
	growthAlpha = 0.01
	// growthLeast is the slowest growth of a backlog that counts, as a share of the
	// offered load. Less is within the share that need not be acknowledged.
	growthLeast = 1 - probeAchieved
	// growthPoints is the number of seconds that a test of the growth needs.
	growthPoints = 5
)

// Probe judges a run at a fixed rate. The rate is sustained if the confidence bounds of the
// run's figures are within the SLO, at most 1 % of the operations did not complete, at least
// 99 % of the offered operations were acknowledged in time, and the backlog did not grow. An
// SLO is judged on all arrivals: one that failed, was dropped or did not finish is outside any
// bound of a time. alpha is the probability that the bounds miss: see [ProbeAlpha].
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
	var worst probeVerdict
	v, err := judgeErrors(run.Run, alpha)
	if worst.add(v); err != nil || worst.verdict == results.Overloaded {
		return worst.verdict, worst.reason, err
	}
	v, err = judgeBacklog(run, alpha)
	if worst.add(v); err != nil || worst.verdict == results.Overloaded {
		return worst.verdict, worst.reason, err
	}
	for _, t := range slo {
		v, err := judgeSLO(run, t, alpha)
		if worst.add(v); err != nil || worst.verdict == results.Overloaded {
			return worst.verdict, worst.reason, err
		}
	}
	return worst.verdict, worst.reason, nil
}

// probeVerdict is the verdict of one criterion of a probe.
type probeVerdict struct{ verdict, reason string }

// add keeps the worse of two verdicts. If a probe has too few samples for one criterion, it has
// too few as a whole: a higher rate or a longer probe decides it.
func (v *probeVerdict) add(other probeVerdict) {
	rank := map[string]int{results.Sustained: 1, results.Unclear: 2, results.TooFew: 3, results.Overloaded: 4}
	if rank[other.verdict] > rank[v.verdict] {
		*v = other
	}
}

func sustained() probeVerdict { return probeVerdict{verdict: results.Sustained} }

// judgeErrors judges the share of operations that did not complete.
func judgeErrors(run *results.Run, alpha float64) (probeVerdict, error) {
	measured, err := run.Measured("")
	if err != nil {
		return probeVerdict{}, err
	}
	if measured.Ended() == 0 {
		return probeVerdict{results.TooFew, "no operations arrived"}, nil
	}
	n, failed := float64(measured.Ended()), float64(measured.NotCompleted())
	least, _ := stats.ClopperPearson(failed, n, alpha)
	switch {
	case least > probeErrors:
		return probeVerdict{results.Overloaded, fmt.Sprintf("%.1f %% of the operations failed, were dropped or did not finish",
			100*measured.ErrorRate())}, nil
	case measured.ErrorRate() > probeErrors:
		return probeVerdict{results.TooFew, fmt.Sprintf("%.0f of %.0f operations failed, were dropped or did not finish", failed, n)}, nil
	}
	return sustained(), nil
}

// judgeBacklog judges whether the cluster kept up with the offered load: by the growth of the
// backlog from second to second, and by the share that was acknowledged. A backlog that did
// not grow, after a single stall at the end, does not decide.
func judgeBacklog(run Run, alpha float64) (probeVerdict, error) {
	measured, err := run.Measured("")
	if err != nil {
		return probeVerdict{}, err
	}
	offered := float64(measured.Offered)
	behind := max(0, offered-float64(measured.Acknowledged()+measured.Failed))
	least, _ := stats.ClopperPearson(min(behind, offered), offered, alpha)
	growth, lower, err := backlogGrowth(run)
	switch {
	case err != nil:
		return probeVerdict{}, err
	case lower > 0 && growth*run.Length(run.Measures).Seconds() >= growthLeast*offered:
		return probeVerdict{results.Overloaded, fmt.Sprintf("the backlog grows by %.0f operations each second", growth)}, nil
	case least > 1-probeAchieved && run.Intervals == nil:
		return probeVerdict{results.Overloaded, notInTime(behind, offered)}, nil
	case least > 1-probeAchieved:
		return probeVerdict{results.Unclear, notInTime(behind, offered)}, nil
	case behind > (1-probeAchieved)*offered:
		return probeVerdict{results.TooFew, fmt.Sprintf("%.0f of %.0f operations did not complete in time", behind, offered)}, nil
	}
	return sustained(), nil
}

func notInTime(behind, offered float64) string {
	return fmt.Sprintf("only %.1f %% of the offered operations completed in time", 100-100*behind/offered)
}

// backlogGrowth returns the growth of the number of operations that are queued or in flight,
// per second, with its lower bound. It needs growthPoints seconds or more.
func backlogGrowth(run Run) (slope, lower float64, err error) {
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
	if err != nil || len(x) < growthPoints {
		return 0, 0, err
	}
	slope, lower = stats.Slope(x, y, growthAlpha)
	return slope, lower, nil
}

// judgeSLO judges a bound of the SLO. A percentile, or the longest, of a time is judged
// by the share of the arrivals that are not within the bound; windows are each compared
// with it, and so is a figure of another kind, as it was measured.
func judgeSLO(run Run, t Threshold, alpha float64) (probeVerdict, error) {
	if err := t.find(run.Run); err != nil {
		return probeVerdict{}, err
	}
	s, err := t.total(run.Run)
	if err != nil {
		return probeVerdict{}, err
	}
	p, isShare := t.share()
	if t.Window > 0 {
		return t.judgeWindows(run, s, p, isShare, alpha)
	}
	if isShare {
		return t.judgeShare(run, s, p, alpha)
	}
	m, err := t.measure(s)
	switch text := fmt.Sprintf("%s: it is %s", t.Text, t.print(m.value)); {
	case err != nil:
		return probeVerdict{results.Unclear, fmt.Sprintf("%s: %v", t.Text, err)}, nil
	case t.holds(m.value) && !m.atLeast, t.holds(m.value) && !t.upper():
		return sustained(), nil
	case t.holds(m.value), m.atLeast && !t.upper():
		return probeVerdict{results.Unclear, text + " or more: operations did not finish"}, nil
	default:
		return probeVerdict{results.Overloaded, text}, nil
	}
}

// upper reports whether the threshold is an upper bound.
func (t Threshold) upper() bool { return t.Comparison == "<" || t.Comparison == "<=" }

// share returns the percentile of a time that the threshold bounds: 100 for the longest.
func (t Threshold) share() (p float64, ok bool) {
	isTime, _ := thresholdMetric(t.Metric)
	if _, point, _ := strings.Cut(t.Metric, "."); isTime && t.upper() {
		if point == "max" {
			return 100, true
		}
		n, err := fmt.Sscanf(point, "p%g", &p)
		return p, err == nil && n == 1
	}
	return 0, false
}

// judgeWindows requires each window to be within the bound, and the arrivals as a whole not to
// exceed it.
func (t Threshold) judgeWindows(run Run, s stretch, p float64, isShare bool, alpha float64) (probeVerdict, error) {
	if run.Intervals == nil {
		return probeVerdict{results.Unclear, t.Text + ": the seconds of the run are not known"}, nil
	}
	checks, err := CheckThresholds(run.Run, []Threshold{t}, run.Intervals)
	if err != nil {
		return probeVerdict{}, err
	}
	if isShare {
		if v, err := t.judgeShare(run, s, p, alpha); err != nil || v.verdict == results.Overloaded {
			return v, err
		}
	}
	switch c := checks[0]; c.Verdict {
	case results.Pass:
		return sustained(), nil
	case results.Fail:
		return probeVerdict{results.Overloaded, fmt.Sprintf("%s: %d of %d windows exceed it, the worst with %s",
			t.Text, c.Failed, c.Windows, t.print(c.Value))}, nil
	default:
		return probeVerdict{results.TooFew, t.Text + ": " + c.Reason}, nil
	}
}

func (t Threshold) print(v float64) string {
	if isTime, _ := thresholdMetric(t.Metric); isTime && !math.IsInf(v, 0) {
		return results.ThreeDigits(time.Duration(v)).String()
	}
	return results.Amount(v)
}
