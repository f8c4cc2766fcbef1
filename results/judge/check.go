package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// CheckThresholds compares a run with thresholds. A threshold applies to all measured phases or
// to the phase that it names, as a whole or in windows. If the run does not have a phase or an
// operation, the error lists those that it has.
func CheckThresholds(run *results.Run, thresholds []Threshold, intervals Intervals) ([]results.ThresholdCheck, error) {
	var checks []results.ThresholdCheck
	totals := map[[2]string]stretch{} // by phase and operation, for several thresholds
	for _, t := range thresholds {
		c := check{results.ThresholdCheck{Text: t.Text, Limit: t.Value, Verdict: results.Pass}}
		c.IsTime, _ = thresholdMetric(t.Metric)
		c.IsShare = strings.HasSuffix(t.Metric, "_ratio")
		if t.Whole() {
			c.judgeWhole(t, run.Availability)
			checks = append(checks, c.ThresholdCheck)
			continue
		}
		if err := t.find(run); err != nil {
			return nil, err
		}
		if t.Window == 0 {
			about := [2]string{t.Phase, t.Op}
			if _, known := totals[about]; !known {
				sum, err := t.total(run)
				if err != nil {
					return nil, fmt.Errorf("threshold %q: %w", t.Text, err)
				}
				totals[about] = sum
			}
			c.judge(t, totals[about], 0)
		} else if err := c.eachWindow(t, run, intervals); err != nil {
			return nil, fmt.Errorf("threshold %q: %w", t.Text, err)
		}
		checks = append(checks, c.ThresholdCheck)
	}
	return checks, nil
}

// check is an incomplete [results.ThresholdCheck].
type check struct{ results.ThresholdCheck }

// CheckVerdict combines the checks of a run into a verdict. A run that is not valid, was
// profiled or did not complete never passes.
func CheckVerdict(run *results.Run, checks []results.ThresholdCheck) (verdict, reason string) {
	texts := map[string][]string{}
	for _, c := range checks {
		texts[c.Verdict] = append(texts[c.Verdict], c.Text)
	}
	switch {
	case run.Validity.Verdict == results.Invalid:
		return results.Inconclusive, "the measurement is invalid: the generator, not etcd, was the limit"
	case run.Profiled():
		return results.Inconclusive, "the run was profiled, which adds cost: use a run without profiles"
	case len(texts[results.Fail]) > 0:
		return results.Fail, "threshold not met: " + strings.Join(texts[results.Fail], "; ")
	case run.Outcome != results.Completed:
		return results.Inconclusive, "the run did not complete: " + string(run.Outcome)
	case len(texts[results.Inconclusive]) > 0:
		return results.Inconclusive, "inconclusive: " + strings.Join(texts[results.Inconclusive], "; ")
	case len(checks) == 0:
		return results.Inconclusive, "there are no thresholds"
	}
	return results.Pass, fmt.Sprintf("%d of %d thresholds met", len(checks), len(checks))
}

// find returns an error for a phase or an operation that the run does not have.
func (t Threshold) find(run *results.Run) error {
	if err := t.CheckPhase(&run.Plan); err != nil || t.Op == "" {
		return err
	}
	covers := results.EachOnce(func(phase string) bool { return t.covers(run, phase) })
	var ops []string
	known := map[string]bool{}
	for i := range run.Operations {
		o := &run.Operations[i]
		if !covers(o.Phase) || known[o.Op] {
			continue
		}
		if o.Op == t.Op {
			return nil
		}
		known[o.Op] = true
		ops = append(ops, o.Op)
	}
	return fmt.Errorf("threshold %q: no operation %q%s: use one of %s", t.Text, t.Op, results.Nearest(t.Op, ops), listed(ops))
}

// listed returns names for an error, and shortens a long list.
func listed(names []string) string {
	const most = 20
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}

// CheckPhase returns an error if a threshold names a phase that a plan does not have.
func (t Threshold) CheckPhase(plan *results.Plan) error {
	var phases []string
	for _, ph := range plan.Phases {
		phases = append(phases, ph.Name)
	}
	if t.Phase != "" && !slices.Contains(phases, t.Phase) {
		return fmt.Errorf("threshold %q: no phase %q%s: use one of %s",
			t.Text, t.Phase, results.Nearest(t.Phase, phases), listed(phases))
	}
	return nil
}

// covers reports whether a threshold applies to a phase: the one that it names, or any measured
// one.
func (t Threshold) covers(run *results.Run, phase string) bool {
	if t.Phase != "" {
		return phase == t.Phase
	}
	return run.Measures(phase)
}

// stretch is one kind of operation over a stretch of a run.
type stretch struct {
	results.Operation
	length time.Duration
}

// total adds up the operations of the threshold.
func (t Threshold) total(run *results.Run) (stretch, error) {
	covers := func(phase string) bool { return t.covers(run, phase) }
	sum, err := run.Sum(covers, t.counts)
	return stretch{sum, run.Length(covers)}, err
}

// eachWindow judges the windows of a run: stretches of consecutive seconds. The last one
// ends with the last second, and may overlap the one before it. Operations that
// arrived in the phases and ended after them belong to the window before their end; those that
// never ended are judged, too.
func (c *check) eachWindow(t Threshold, run *results.Run, intervals Intervals) error {
	var before, filling window
	err := intervals(func(i *results.Interval) error {
		if t.covers(run, i.Phase) {
			filling = append(filling, windowSecond{start: i.Start, length: i.Length})
		}
		last := filling
		if len(last) == 0 {
			last = before
		}
		if len(last) == 0 {
			return nil // before the phases
		}
		for _, o := range i.Operations {
			if t.counts(&o) && t.covers(run, o.Phase) {
				last[len(last)-1].operations = append(last[len(last)-1].operations, o)
			}
		}
		if filling.length() < t.least() {
			return nil
		}
		err := c.judgeWindow(t, before)
		before, filling = filling, nil
		return err
	})
	if err != nil {
		return err
	}
	if len(before) == 0 {
		c.Verdict, c.Reason = results.Inconclusive, "the run is shorter than one window"
		return nil
	}
	if err := c.judgeWindow(t, before); err != nil || len(filling) == 0 {
		return err
	}
	last := slices.Concat(before, filling)
	for last[1:].length() >= t.least() {
		last = last[1:]
	}
	return c.judgeWindow(t, last)
}

// least is the smallest length of a window. It is shorter than Window, because seconds are not
// exact.
func (t Threshold) least() time.Duration { return t.Window - 50*time.Millisecond }

// windowSecond is one kind of operation over a second of a run.
type windowSecond struct {
	operations    []results.Operation
	start, length time.Duration
}

// window is a list of consecutive seconds.
type window []windowSecond

func (w window) length() (sum time.Duration) {
	for _, s := range w {
		sum += s.length
	}
	return sum
}

// judgeWindow compares a window with the threshold, if it has seconds.
func (c *check) judgeWindow(t Threshold, w window) error {
	if len(w) == 0 {
		return nil
	}
	var operations []results.Operation
	for _, s := range w {
		operations = append(operations, s.operations...)
	}
	sum, err := results.Sum(w.length(), operations...)
	c.Windows++
	c.judge(t, stretch{sum, w.length()}, w[0].start)
	return err
}

// judge compares one stretch with the threshold and keeps the worst one.
func (c *check) judge(t Threshold, sum stretch, at time.Duration) {
	v, err := t.measure(sum)
	if err != nil {
		if c.Verdict == results.Pass {
			c.Verdict, c.Reason = results.Inconclusive, err.Error()
		}
		return
	}
	holds := t.holds(v.value)
	lower := t.Comparison == ">" || t.Comparison == ">="
	worse := v.value > c.Value
	if lower {
		worse = v.value < c.Value
	}
	if worse || c.Windows <= 1 && c.Failed == 0 {
		c.Value, c.AtLeast, c.At = v.value, v.atLeast, at
	}
	switch {
	case !holds && v.atLeast && lower:
		// The true value may still be above the bound.
		if c.Verdict == results.Pass {
			c.Verdict, c.Reason = results.Inconclusive, "operations did not finish: the measured value is a lower bound"
		}
	case !holds:
		c.Verdict, c.Reason = results.Fail, ""
		if t.Window > 0 {
			c.Failed++
		}
	case v.atLeast && !lower && c.Verdict == results.Pass:
		c.Verdict, c.Reason = results.Inconclusive, "operations did not finish: the measured value is a lower bound"
	}
}

// judgeWhole compares the availability of the run with the threshold.
func (c *check) judgeWhole(t Threshold, a *results.Availability) {
	c.IsShare = t.Metric == metricAvailability
	if a == nil {
		c.Verdict, c.Reason = results.Inconclusive, "outages are measured in open loops only: give --rate"
		return
	}
	c.Value = map[string]float64{
		metricOutageMax: float64(a.Longest), metricOutageTotal: float64(a.Total), metricOutageCount: float64(a.Count),
		metricAvailability: a.Share,
	}[t.Metric]
	if !t.holds(c.Value) {
		c.Verdict = results.Fail
	}
}

func (t Threshold) holds(v float64) bool {
	switch t.Comparison {
	case "<":
		return v < t.Value
	case "<=":
		return v <= t.Value
	case ">":
		return v > t.Value
	case ">=":
		return v >= t.Value
	}
	return v == t.Value
}

// measurement is a value, or a lower bound of it.
type measurement struct {
	value   float64
	atLeast bool
}

// measure returns the threshold's figure of a stretch.
func (t Threshold) measure(sum stretch) (measurement, error) {
	number := func(n uint64) (measurement, error) { return measurement{value: float64(n)}, nil }
	switch t.Metric {
	case "throughput":
		if sum.length <= 0 {
			return measurement{}, fmt.Errorf("no time was measured")
		}
		return measurement{value: sum.Throughput}, nil
	case "offered":
		return number(sum.Offered)
	case "completed":
		return number(sum.Completed)
	case "failed":
		return number(sum.Failed)
	case "dropped":
		return number(sum.Dropped)
	case "unfinished":
		return number(sum.Unfinished)
	case "failed_ratio":
		if sum.Ended() == 0 {
			return measurement{}, fmt.Errorf("no operations arrived")
		}
		return measurement{value: sum.ErrorRate()}, nil
	}
	return t.measureTime(sum)
}

// measureTime returns a point of the threshold's distribution of times.
func (t Threshold) measureTime(sum stretch) (measurement, error) {
	series, point, _ := strings.Cut(t.Metric, ".")
	times := map[string]results.Latency{
		"response_time": sum.ResponseTime, "service_time": sum.ServiceTime, "queue_time": sum.QueueTime,
		"all_response_time": sum.AllResponseTime,
	}[series]
	if times.Count == 0 {
		return measurement{}, fmt.Errorf("there are no samples")
	}
	bounds := sum.UnfinishedResponseTime
	if series == "service_time" || series == "queue_time" {
		bounds = results.Latency{} // these are of completed operations
	}
	m := measurement{atLeast: bounds.Count > 0}
	switch point {
	case "min":
		m.value, m.atLeast = float64(times.Min), bounds.Count > 0 && times.Min >= bounds.Min
		return m, nil
	case "max":
		m.value = float64(times.Max)
		return m, nil
	case "mean":
		m.value = float64(times.Mean)
		return m, nil
	case "stddev":
		h, err := times.Histogram()
		if err != nil {
			return measurement{}, err
		}
		m.value = h.StdDev()
		return m, nil
	}
	var p float64
	if _, err := fmt.Sscanf(point, "p%g", &p); err != nil {
		return measurement{}, fmt.Errorf("no point %q", point)
	}
	q := times.Percentile(p).Above(bounds)
	if !q.Resolved {
		return measurement{}, fmt.Errorf("fewer than ten of %d samples lie beyond it", times.Count)
	}
	return measurement{float64(q.Time), q.AtLeast}, nil
}
