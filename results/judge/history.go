package judge

import (
	"cmp"
	"fmt"
	"math"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// HistoryChanges returns the changes in every series of a history, by series and
// metric: see [stats.ChangePoints]. Runs that are not valid or did not complete are
// left out. margins, by metric, override those of [Metrics]. It is an error when every
// series is too short to show a change.
func HistoryChanges(runs []results.HistoryRun, margins map[string]float64) ([]results.SeriesChange, error) {
	var order []string
	series := map[string][]results.HistoryRun{}
	for _, r := range runs {
		if r.Outcome != results.Completed || r.Validity.Verdict == results.Invalid {
			continue
		}
		name := r.Series()
		if series[name] == nil {
			order = append(order, name)
		}
		series[name] = append(series[name], r)
	}
	longest := 0
	var changes []results.SeriesChange
	for _, name := range order {
		longest = max(longest, len(series[name]))
		for _, m := range Metrics() {
			changes = append(changes, metricChanges(name, m, series[name], cmp.Or(margins[m.Name], m.Margin))...)
		}
	}
	if longest < 2*stats.MinSide {
		return nil, fmt.Errorf("no series has the %d runs that a change takes: the longest of %d has %d",
			2*stats.MinSide, len(order), longest)
	}
	return changes, nil
}

// metricChanges returns the changes of one metric in one series.
func metricChanges(series string, m Metric, runs []results.HistoryRun, margin float64) []results.SeriesChange {
	var logs []float64
	var of []results.HistoryRun
	for _, r := range runs {
		if v, ok := r.Values[m.Name]; ok && v > 0 {
			logs, of = append(logs, math.Log(v)), append(of, r)
		}
	}
	points := stats.ChangePoints(logs)
	var list []results.SeriesChange
	for i, at := range points {
		from, to := 0, len(logs)
		if i > 0 {
			from = points[i-1]
		}
		if i+1 < len(points) {
			to = points[i+1]
		}
		before, _ := stats.MeanAndDeviation(logs[from:at])
		after, _ := stats.MeanAndDeviation(logs[at:to])
		d := after - before
		if m.Higher {
			d = -d
		}
		r := of[at]
		c := results.SeriesChange{
			Series: series, Metric: m.Name, Unit: m.Unit, Run: r.ID, Path: r.Path, Started: r.Started, Label: versionLabel(r.Run),
			Before: math.Exp(before), After: math.Exp(after), Change: math.Expm1(d), P: stats.Welch(logs[from:at], logs[at:to]),
		}
		c.Alert = i == len(points)-1 && c.Change >= margin
		list = append(list, c)
	}
	return list
}

// versionLabel returns the label of a run, or its program or version where it has none.
func versionLabel(r *results.Run) string {
	return cmp.Or(r.Label, r.Cluster.Binary, "etcd "+r.Cluster.Version)
}
