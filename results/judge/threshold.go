package judge

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Threshold is a bound on one figure of one kind of operation, or, without a kind, of all
// requested operations together:
//
//	put.response_time.p99 < 20ms
//	put.throughput >= 10000/s for every 10s window
//	measure:put.failed == 0
//	p99 < 20ms
//	error_rate < 1%
//
// p99 is short for response_time.p99, and error_rate is another name of failed_ratio. A
// threshold can also limit the outages of the whole run:
//
//	outage.max < 2s
//	availability >= 99.9%
//
// Times need a unit; a rate may have /s; counts and ratios are plain numbers.
type Threshold struct {
	// Text is the threshold as it was written.
	Text string
	// Op is the kind of operation; empty means all requested operations. Metric is one of
	// their figures, or one of the whole run (see Whole). Phase is the only phase that
	// counts; empty means all measured phases.
	Phase, Op, Metric string
	// Comparison is one of < <= > >= ==.
	Comparison string
	// Value is in nanoseconds for times, per second for rates.
	Value float64
	// Window is the length of the windows that must each be within the threshold; 0
	// means the measured phases as a whole.
	Window time.Duration
}

// The metrics of thresholds.
var (
	thresholdTimes   = []string{"response_time", "service_time", "queue_time", "all_response_time"}
	thresholdPoints  = []string{"min", "mean", "stddev", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"}
	thresholdNumbers = []string{"throughput", "offered", "completed", "failed", "dropped", "unfinished", "failed_ratio"}
)

var thresholdForm = regexp.MustCompile(`^\s*(\S+?)\s*(<=|>=|==|<|>)\s*([0-9.eE+-]+)\s*([a-zµ/%]*)\s*` +
	`(?:for\s+every\s+(\S+)\s+window)?\s*$`)

// Whole reports whether the threshold is about the whole run: its outages or its
// availability.
func (t Threshold) Whole() bool {
	return slices.Contains([]string{metricOutageMax, metricOutageTotal, metricOutageCount, metricAvailability}, t.Metric)
}

// counts reports whether the threshold is about an operation.
func (t Threshold) counts(o *results.Operation) bool {
	return o.Op == t.Op || t.Op == "" && !o.Arrived
}

// fullMetric returns the full name of a metric that may be abbreviated.
func fullMetric(name string) string {
	switch {
	case name == "error_rate":
		return "failed_ratio"
	case slices.Contains(thresholdPoints, name):
		return "response_time." + name
	}
	return name
}

// parseSubject reads what a threshold limits: PHASE:OPERATION.METRIC, of which phase and
// operation may be left out.
func (t *Threshold) parseSubject(subject string) error {
	name := subject
	if phase, rest, ok := strings.Cut(subject, ":"); ok {
		if phase == "" {
			return fmt.Errorf("threshold %q: use PHASE:OPERATION, such as measure:put, not %q", t.Text, subject)
		}
		t.Phase, name = phase, rest
	}
	if t.Metric = fullMetric(name); !t.Whole() {
		if _, err := thresholdMetric(t.Metric); err == nil {
			return nil
		}
	}
	op, metric, ok := strings.Cut(name, ".")
	switch {
	case t.Phase != "" && op == "":
		return fmt.Errorf("threshold %q: use PHASE:OPERATION, such as measure:put, not %q", t.Text, subject)
	case !ok || op == "":
		return fmt.Errorf("threshold %q: use METRIC < VALUE, such as p99 < 20ms or put.error_rate < 0.1%%", t.Text)
	}
	if t.Op, t.Metric = op, fullMetric(metric); t.Whole() {
		return fmt.Errorf("threshold %q: %s applies to the whole run: remove %q", t.Text, t.Metric, op+".")
	}
	return nil
}

// ParseThreshold parses a threshold. Whether its phase and its operation exist is
// checked against a run, by [CheckThresholds].
func ParseThreshold(text string) (Threshold, error) {
	if len(text) > 300 {
		return Threshold{}, errors.New("threshold: longer than 300 characters")
	}
	m := thresholdForm.FindStringSubmatch(text)
	if whole := wholeForm.FindStringSubmatch(text); whole != nil {
		return parseWhole(text, whole)
	}
	if m == nil {
		return Threshold{}, fmt.Errorf("threshold %q: use METRIC < VALUE, such as p99 < 20ms or put.error_rate < 0.1%%", text)
	}
	t := Threshold{Text: text, Comparison: m[2]}
	if err := t.parseSubject(m[1]); err != nil {
		return t, err
	}
	isTime, err := thresholdMetric(t.Metric)
	if err != nil {
		return t, fmt.Errorf("threshold %q: %w", text, err)
	}
	if t.Value, err = strconv.ParseFloat(m[3], 64); err != nil {
		return t, fmt.Errorf("threshold %q: %q is not a number", text, m[3])
	}
	unit := m[4]
	switch {
	case isTime:
		d, err := time.ParseDuration("1" + unit)
		if unit == "" || err != nil {
			return t, fmt.Errorf("threshold %q: a time needs a unit, such as %sms", text, m[3])
		}
		if t.Value *= float64(d); math.IsInf(t.Value, 0) {
			return t, fmt.Errorf("threshold %q: %s%s is out of range", text, m[3], unit)
		}
	case unit == "%" && t.Metric == "failed_ratio":
		t.Value /= 100
	case unit != "" && (unit != "/s" || t.Metric != "throughput"):
		return t, fmt.Errorf("threshold %q: %s has no unit %q", text, t.Metric, unit)
	}
	if m[5] != "" {
		if t.Window, err = time.ParseDuration(m[5]); err != nil || t.Window < time.Second {
			return t, fmt.Errorf("threshold %q: a window is a time of one second or more, not %q", text, m[5])
		}
	}
	return t, nil
}

// wholeForm is a threshold on a whole run.
var wholeForm = regexp.MustCompile(`^\s*(outage\.max|outage\.total|outage\.count|availability)` +
	`\s*(<=|>=|==|<|>)\s*([0-9.eE+-]+)\s*([a-zµ%]*)\s*$`)

// The metrics of a whole run.
const (
	metricOutageMax    = "outage.max"
	metricOutageTotal  = "outage.total"
	metricOutageCount  = "outage.count"
	metricAvailability = "availability"
)

// parseWhole parses a threshold on a whole run.
func parseWhole(text string, m []string) (t Threshold, err error) {
	t = Threshold{Text: text, Metric: m[1], Comparison: m[2]}
	if t.Value, err = strconv.ParseFloat(m[3], 64); err != nil {
		return t, fmt.Errorf("threshold %q: %q is not a number", text, m[3])
	}
	unit, isTime := m[4], t.Metric == metricOutageMax || t.Metric == metricOutageTotal
	switch {
	case isTime:
		d, err := time.ParseDuration("1" + unit)
		if unit == "" || err != nil {
			return t, fmt.Errorf("threshold %q: a time needs a unit, such as %ss", text, m[3])
		}
		t.Value *= float64(d)
	case unit == "%" && t.Metric == metricAvailability:
		t.Value /= 100
	case unit != "":
		return t, fmt.Errorf("threshold %q: %s has no unit %q", text, t.Metric, unit)
	}
	if t.Metric == metricAvailability && t.Value > 1 {
		return t, fmt.Errorf("threshold %q: an availability is at most 100%%", text)
	}
	return t, nil
}

// thresholdMetric reports whether a metric is a time. A name that no metric has is an
// error.
func thresholdMetric(metric string) (isTime bool, err error) {
	series, point, _ := strings.Cut(metric, ".")
	switch {
	case slices.Contains(thresholdNumbers, metric), metric == metricOutageCount, metric == metricAvailability:
		return false, nil
	case metric == metricOutageMax, metric == metricOutageTotal:
		return true, nil
	case slices.Contains(thresholdTimes, series) && slices.Contains(thresholdPoints, point):
		return true, nil
	case slices.Contains(thresholdTimes, series):
		return false, fmt.Errorf("%q is not a percentile or statistic: use one of %s", point, strings.Join(thresholdPoints, ", "))
	}
	return false, fmt.Errorf("no metric %q%s: use one of %s, or %s with one of %s",
		metric, results.Nearest(series, slices.Concat(thresholdNumbers, thresholdTimes)),
		strings.Join(thresholdNumbers, ", "), strings.Join(thresholdTimes, ", "), strings.Join(thresholdPoints, ", "))
}
