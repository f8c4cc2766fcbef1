package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ThresholdCheck is what became of one threshold.
type ThresholdCheck struct {
	Text    string `json:"text"`
	Verdict string `json:"verdict"`
	// Value is what was measured, nanoseconds for times; of windows, the worst
	// one's. AtLeast says that it is a lower bound: operations did not finish.
	Value   float64 `json:"value"`
	AtLeast bool    `json:"at_least,omitempty"`
	IsTime  bool    `json:"is_time,omitempty"`
	Limit   float64 `json:"limit"`
	// Windows were looked at, of which Failed did not keep to it, the worst of them
	// beginning At.
	Windows int           `json:"windows,omitempty"`
	Failed  int           `json:"failed_windows,omitempty"`
	At      time.Duration `json:"at_ns,omitempty"`
	Reason  string        `json:"reason,omitempty"`
}

// CheckThresholds compares a run with thresholds: the whole of its measured phases, or one
// phase of it, or each window. An operation that the run does not have is an error
// that names those it has.
func CheckThresholds(run *Run, thresholds []Threshold, intervals func(each func(*Interval) error) error) ([]ThresholdCheck, error) {
	var checks []ThresholdCheck
	for _, t := range thresholds {
		if err := t.find(run); err != nil {
			return nil, err
		}
		c := ThresholdCheck{Text: t.Text, Limit: t.Value, Verdict: Pass}
		c.IsTime, _ = thresholdMetric(t.Metric)
		if t.Window == 0 {
			c.judge(t, t.total(run), 0)
		} else if err := c.eachWindow(t, run, intervals); err != nil {
			return nil, fmt.Errorf("threshold %q: %w", t.Text, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// CheckVerdict joins the checks of a run: one that was not valid passes nothing.
func CheckVerdict(run *Run, checks []ThresholdCheck) (verdict, reason string) {
	texts := map[string][]string{}
	for _, c := range checks {
		texts[c.Verdict] = append(texts[c.Verdict], c.Text)
	}
	switch {
	case run.Validity.Verdict == Invalid:
		return Inconclusive, "the measurement is invalid: the generator, not etcd, was the limit"
	case run.Profiled():
		return Inconclusive, "the run was profiled, which costs something: judge one that was not"
	case len(texts[Fail]) > 0:
		return Fail, "not kept: " + strings.Join(texts[Fail], "; ")
	case run.Outcome != Completed:
		return Inconclusive, "the run did not come to its end: " + string(run.Outcome)
	case len(texts[Inconclusive]) > 0:
		return Inconclusive, "cannot be told: " + strings.Join(texts[Inconclusive], "; ")
	case len(checks) == 0:
		return Inconclusive, "there are no thresholds"
	}
	return Pass, fmt.Sprintf("%d of %d thresholds kept", len(checks), len(checks))
}

// find refuses a phase or an operation that the run does not have.
func (t Threshold) find(run *Run) error {
	var phases, ops []string
	for _, ph := range run.Plan.Phases {
		phases = append(phases, ph.Name)
	}
	if t.Phase != "" && !slices.Contains(phases, t.Phase) {
		return fmt.Errorf("threshold %q: no phase %q%s: there are %s", t.Text, t.Phase, Nearest(t.Phase, phases), strings.Join(phases, ", "))
	}
	for _, o := range run.Operations {
		if t.covers(run, o.Phase) && !slices.Contains(ops, o.Op) {
			ops = append(ops, o.Op)
		}
	}
	if !slices.Contains(ops, t.Op) {
		return fmt.Errorf("threshold %q: no operation %q%s: there are %s", t.Text, t.Op, Nearest(t.Op, ops), strings.Join(ops, ", "))
	}
	return nil
}

// covers says whether a threshold is about a phase: the one that it names, or all
// measured ones.
func (t Threshold) covers(run *Run, phase string) bool {
	if t.Phase != "" {
		return phase == t.Phase
	}
	for _, ph := range run.Plan.Phases {
		if ph.Name == phase {
			return !ph.Warmup
		}
	}
	return false
}

// sample is what a threshold looks at: one operation over a stretch.
type sample struct {
	seconds  float64
	measured []Operation
}

func (t Threshold) total(run *Run) sample {
	var s sample
	for _, ph := range run.Phases {
		if t.covers(run, ph.Name) {
			s.seconds += ph.Length.Seconds()
		}
	}
	for _, o := range run.Operations {
		if o.Op == t.Op && t.covers(run, o.Phase) {
			s.measured = append(s.measured, o)
		}
	}
	return s
}

// eachWindow judges stretches of consecutive seconds; a last one that is shorter
// than the others is left out.
func (c *ThresholdCheck) eachWindow(t Threshold, run *Run, intervals func(each func(*Interval) error) error) error {
	var s sample
	var start time.Duration
	length := time.Duration(0)
	err := intervals(func(i *Interval) error {
		if !t.covers(run, i.Phase) {
			return nil
		}
		if length == 0 {
			start = i.Start
		}
		length += i.Length
		s.seconds += i.Length.Seconds()
		for _, o := range i.Operations {
			if o.Op == t.Op && o.Phase == i.Phase {
				s.measured = append(s.measured, o)
			}
		}
		if length >= t.Window-50*time.Millisecond { // seconds are not exact
			c.Windows++
			c.judge(t, s, start)
			s, length = sample{}, 0
		}
		return nil
	})
	if err == nil && c.Windows == 0 {
		c.Verdict, c.Reason = Inconclusive, "the run is shorter than a window"
	}
	return err
}

// judge compares one stretch with the threshold and keeps the worst.
func (c *ThresholdCheck) judge(t Threshold, s sample, at time.Duration) {
	v, err := t.measure(s)
	if err != nil {
		if c.Verdict == Pass {
			c.Verdict, c.Reason = Inconclusive, err.Error()
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
		// The true value may be above the bound yet.
		if c.Verdict == Pass {
			c.Verdict, c.Reason = Inconclusive, "operations did not finish: what was measured is a lower bound"
		}
	case !holds:
		c.Verdict, c.Reason = Fail, ""
		if t.Window > 0 {
			c.Failed++
		}
	case v.atLeast && !lower && c.Verdict == Pass:
		c.Verdict, c.Reason = Inconclusive, "operations did not finish: what was measured is a lower bound"
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

// measure takes the threshold's figure of a stretch.
func (t Threshold) measure(s sample) (measurement, error) {
	var sum Operation
	late := uint64(0)
	for _, o := range s.measured {
		sum.Offered += o.Offered
		sum.Completed += o.Completed
		sum.Failed += o.Failed
		sum.Dropped += o.Dropped
		sum.Unfinished += o.Unfinished
		late += o.CompletedLate
	}
	number := func(n uint64) (measurement, error) { return measurement{value: float64(n)}, nil }
	switch t.Metric {
	case "throughput":
		if s.seconds <= 0 {
			return measurement{}, fmt.Errorf("no time was measured")
		}
		return measurement{value: float64(sum.Completed-late) / s.seconds}, nil
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
		if sum.Offered == 0 {
			return measurement{}, fmt.Errorf("no operation was offered")
		}
		return measurement{value: float64(sum.Failed+sum.Dropped+sum.Unfinished) / float64(sum.Offered)}, nil
	}
	return t.measureTime(s)
}

func (t Threshold) measureTime(s sample) (measurement, error) {
	all, unfinished, err := t.times(s)
	if err != nil {
		return measurement{}, err
	}
	if all.Count == 0 {
		return measurement{}, fmt.Errorf("there are no samples")
	}
	h, err := all.Histogram()
	if err != nil {
		return measurement{}, err
	}
	_, point, _ := strings.Cut(t.Metric, ".")
	v, err := timePoint(h, all, point)
	return measurement{v, unfinished.Count > 0 && (point == "mean" || point == "stddev" || v >= float64(unfinished.Min))}, err
}

// times are those that the threshold is about, and the bounds among them: of what did
// not finish.
func (t Threshold) times(s sample) (all, unfinished Latency, err error) {
	series, _, _ := strings.Cut(t.Metric, ".")
	var times, bounds []Latency
	for _, o := range s.measured {
		switch series {
		case "response_time":
			times, bounds = append(times, o.ResponseTime), append(bounds, o.UnfinishedResponseTime)
		case "service_time":
			times = append(times, o.ServiceTime)
		case "queue_time":
			times = append(times, o.QueueTime)
		case "all_response_time":
			times, bounds = append(times, o.ResponseTime, o.FailedResponseTime), append(bounds, o.UnfinishedResponseTime)
		}
	}
	if unfinished, err = MergeLatency(bounds...); err != nil {
		return all, unfinished, err
	}
	all, err = MergeLatency(append(times, unfinished)...)
	return all, unfinished, err
}

func timePoint(h *hdrhistogram.Histogram, all Latency, point string) (float64, error) {
	switch point {
	case "min":
		return float64(all.Min), nil
	case "max":
		return float64(all.Max), nil
	case "mean":
		return h.Mean(), nil
	case "stddev":
		return h.StdDev(), nil
	}
	var p float64
	if _, err := fmt.Sscanf(point, "p%g", &p); err != nil {
		return 0, fmt.Errorf("no point %q", point)
	}
	if !all.Resolved(p) {
		return 0, fmt.Errorf("fewer than ten of %d samples lie beyond it", all.Count)
	}
	return float64(h.ValueAtPercentile(p)), nil
}
