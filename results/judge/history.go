package judge

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// HistoryFalseAlarm is the largest probability that a series of runs in which nothing
// changes ever alerts, over all its metrics and however often it is judged.
const HistoryFalseAlarm = 0.01

const (
	// returnP is the largest p-value of the end of an alert, and stillP that of a level
	// that is still worse than the best one after changes in both directions.
	returnP = 0.001
	stillP  = 0.01
)

// HistoryRules configure the judgement of a history. A nil pointer means the defaults.
type HistoryRules struct {
	// Metrics are the names of the metrics to judge; empty means all.
	Metrics []string
	// Margins are the smallest changes that matter, by metric: shares, or differences for error
	// rates. They override the margins of [Metrics].
	Margins map[string]float64
	// Accepted is the label or ID of a run whose level is accepted: better levels before it cause
	// no alert.
	Accepted string
}

// Validate returns an error for rules that cannot be applied.
func (r *HistoryRules) Validate() error {
	if r == nil {
		return nil
	}
	var names []string
	for _, m := range Metrics() {
		names = append(names, m.Name)
	}
	for _, name := range slices.Concat(r.Metrics, slices.Sorted(maps.Keys(r.Margins))) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no metric %q%s: use one of %s", name, results.Nearest(name, names), strings.Join(names, ", "))
		}
	}
	for name, margin := range r.Margins {
		if !(margin > 0 && margin < 10) {
			return fmt.Errorf("the margin of %s must be a positive share, not %v", name, margin)
		}
	}
	return nil
}

// check returns an error for rules that cannot be applied to the runs of a history.
func (r *HistoryRules) check(runs []results.HistoryRun) error {
	if r != nil && r.Accepted != "" && !slices.ContainsFunc(runs, r.accepts) {
		return fmt.Errorf("--accept: no run has the label or ID %q", results.Clip(r.Accepted))
	}
	return r.Validate()
}

// metrics returns the metrics that are judged, with their margins.
func (r *HistoryRules) metrics() []Metric {
	list := Metrics()
	if r == nil {
		return list
	}
	if len(r.Metrics) > 0 {
		list = slices.DeleteFunc(list, func(m Metric) bool { return !slices.Contains(r.Metrics, m.Name) })
	}
	for i := range list {
		list[i].Margin = cmp.Or(r.Margins[list[i].Name], list[i].Margin)
	}
	return list
}

// HistoryChanges returns the changes in every series of a history, by series and
// metric. Runs that are not valid or did not complete are left out. A change is found by
// [stats.ChangePoints] at the level [HistoryFalseAlarm], split evenly over the metrics
// that the series has (Bonferroni); a change that ends an alert is found without that
// correction. A metric alerts when its last level is worse than the best level, or the
// best since the accepted run, by the margin or more; the alert is at the change since
// which that holds. It is an error when every series is too short to show a change, and
// when no run is the accepted one.
func HistoryChanges(runs []results.HistoryRun, rules *HistoryRules) ([]results.SeriesChange, error) {
	if err := rules.check(runs); err != nil {
		return nil, err
	}
	var order []string
	all := map[string][]results.HistoryRun{}
	for _, r := range runs {
		if r.Outcome != results.Completed || r.Validity.Verdict == results.Invalid {
			continue
		}
		name := r.Series()
		if all[name] == nil {
			order = append(order, name)
		}
		all[name] = append(all[name], r)
	}
	var changes []results.SeriesChange
	var short error
	longest, enough := -1, false
	for _, name := range order {
		list := rules.series(name, all[name])
		level := HistoryFalseAlarm / float64(max(1, len(list)))
		least := stats.LeastValues(level)
		if n := len(all[name]); n >= least {
			enough = true
		} else if n > longest {
			longest = n
			short = fmt.Errorf("a change needs a series of %d runs: the longest of %d series has %d", least, len(order), n)
		}
		for _, s := range list {
			changes = append(changes, s.changes(level, len(list))...)
		}
	}
	switch {
	case len(order) == 0:
		return nil, errors.New("no run is complete and valid")
	case !enough:
		return nil, short
	}
	return changes, nil
}

// accepts reports whether the level of a run is accepted.
func (r *HistoryRules) accepts(run results.HistoryRun) bool {
	return r != nil && r.Accepted != "" && (run.Label == r.Accepted || run.ID == r.Accepted)
}

// series returns a series of runs as one series of values for each metric that it has.
func (r *HistoryRules) series(name string, runs []results.HistoryRun) []metricSeries {
	var list []metricSeries
	for _, m := range r.metrics() {
		s := metricSeries{name: name, metric: m, margin: math.Log1p(m.Margin)}
		if m.Absolute {
			s.margin = m.Margin
		}
		for _, run := range runs {
			v, ok := run.Values[m.Name]
			switch {
			case !ok || !(v >= 0) || math.IsInf(v, 0):
				continue
			case m.Absolute:
			case v == 0:
				continue
			default:
				v = math.Log(v)
			}
			if m.Higher {
				v = -v
			}
			if r.accepts(run) {
				s.accepted = len(s.values)
			}
			s.values, s.runs = append(s.values, v), append(s.runs, run)
		}
		if len(s.values) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// metricSeries is one metric of a series of runs. Its values rise as the metric becomes
// worse: shares for error rates, logarithms for all others.
type metricSeries struct {
	name     string
	metric   Metric
	margin   float64
	values   []float64
	runs     []results.HistoryRun
	accepted int // the last run whose level is accepted
}

// changes returns the changes of the series. The last one may be an alert. level is the series'
// share of the false alarms among that number of metrics.
func (s metricSeries) changes(level float64, metrics int) []results.SeriesChange {
	points := stats.ChangePoints(s.values, level)
	levels := s.levels(points)
	best, first := s.worseSince(levels)
	if first > 0 { // the last level is worse: has it returned to a better one?
		last := levels[len(levels)-1]
		if at := stats.LargestFall(last.values, returnP); at > 0 {
			p := stats.FallsBelow(last.values[:at], last.values[at:])
			points = append(points, stats.Change{At: last.from + at, P: p})
			levels = s.levels(points)
			best, first = s.worseSince(levels)
		}
	}
	var list []results.SeriesChange
	for i, c := range points {
		r, before, after := s.runs[c.At], levels[i].median, levels[i+1].median
		change := results.SeriesChange{
			Series: s.name, Metric: s.metric.Name, Unit: s.metric.Unit, Run: r.ID, Path: r.Path, Started: r.Started,
			Label: versionLabel(r.Run), Before: s.figure(before), After: s.figure(after), Change: s.difference(before, after),
			P: min(1, c.P*float64(metrics)),
		}
		if i+1 == first {
			now := levels[len(levels)-1].median
			change.Alert, change.Best, change.Now = true, s.figure(best.median), s.figure(now)
			change.Worse = s.difference(best.median, now)
		}
		list = append(list, change)
	}
	return list
}

// historyLevel is the values of a series between two changes, from the index from on.
type historyLevel struct {
	from   int
	values []float64
	median float64
}

// levels returns the levels between changes.
func (s metricSeries) levels(points []stats.Change) []historyLevel {
	list := make([]historyLevel, len(points)+1)
	for i := range list {
		to := len(s.values)
		if i < len(points) {
			to = points[i].At
		}
		if i > 0 {
			list[i].from = points[i-1].At
		}
		list[i].values = s.values[list[i].from:to]
		list[i].median = stats.Median(list[i].values)
	}
	return list
}

// worseSince returns the best accepted level, and the index of the first of the last levels
// that are all worse than it by the margin. The index is 0 if the last level is not worse.
func (s metricSeries) worseSince(levels []historyLevel) (best historyLevel, first int) {
	at := -1
	for i, l := range levels {
		if l.from+len(l.values) > s.accepted && (at < 0 || l.median < levels[at].median) {
			at = i
		}
	}
	best = levels[at]
	last := len(levels) - 1
	// A change that was just found is significant; after changes in both directions, the last
	// level is compared by itself.
	if at < last-1 && stats.FallsBelow(levels[last].values, best.values) > stillP {
		return best, 0
	}
	for i := last; i > at && levels[i].median-best.median >= s.margin; i-- {
		first = i
	}
	return best, first
}

// figure converts a value of the series into a value of the metric.
func (s metricSeries) figure(v float64) float64 {
	if s.metric.Higher {
		v = -v
	}
	if s.metric.Absolute {
		return v
	}
	return math.Exp(v)
}

// difference returns the change from one level to another, positive for a regression: a share,
// or the difference of two shares for error rates.
func (s metricSeries) difference(from, to float64) float64 {
	if s.metric.Absolute {
		return to - from
	}
	return math.Expm1(to - from)
}

// versionLabel returns the label of a run or, if it has none, its program or version.
func versionLabel(r *results.Run) string {
	return cmp.Or(r.Label, r.Cluster.Binary, "etcd "+r.Cluster.Version)
}
