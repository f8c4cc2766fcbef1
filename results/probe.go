package results

import (
	"fmt"
	"math"
	"time"
)

// What a probe of a capacity search says of its rate.
const (
	// Sustained says that the cluster carries the rate, Overloaded that it does not,
	// Unclear that the probe cannot tell, and GeneratorLimit that the generator was
	// in the way.
	Sustained      = "sustained"
	Overloaded     = "overloaded"
	Unclear        = "unclear"
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
	if verdict, reason := judgeAccounts(run.Run); verdict != Sustained {
		return verdict, reason, nil
	}
	growth, lower, err := backlog(run)
	if err != nil {
		return "", "", err
	}
	if lower > 0 {
		return Overloaded, fmt.Sprintf("the backlog grows by %.0f operations each second", growth), nil
	}
	verdict = Sustained
	for _, t := range slo {
		v, why, err := judgeSLO(run, t, alpha)
		if err != nil {
			return "", "", err
		}
		switch {
		case v == Overloaded:
			return v, why, nil
		case v == Unclear:
			verdict, reason = v, why
		}
	}
	return verdict, reason, nil
}

// judgeAccounts looks at what became of all operations.
func judgeAccounts(run *Run) (verdict, reason string) {
	var offered, completed, failed uint64
	for _, o := range run.Operations {
		if run.measures(o.Phase) && !o.Arrived {
			offered += o.Offered
			completed += o.Completed - o.CompletedLate
			failed += o.Failed
		}
	}
	switch {
	case offered == 0:
		return Unclear, "no operation was offered"
	case float64(failed) > probeErrors*float64(offered):
		return Overloaded, fmt.Sprintf("%.1f %% of the operations failed", 100*float64(failed)/float64(offered))
	case float64(completed+failed) < probeAchieved*float64(offered):
		return Overloaded, fmt.Sprintf("only %.1f %% of what was offered was done in time", 100*float64(completed+failed)/float64(offered))
	}
	return Sustained, ""
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
	m, err := t.measure(t.total(run.Run))
	if err != nil {
		return Unclear, err.Error(), nil
	}
	low, high := m.value, m.value
	if p, ok := t.percentile(); ok {
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
