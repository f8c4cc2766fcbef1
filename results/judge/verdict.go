package judge

import (
	"errors"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// RunVerdict judges a run by thresholds, or by those of its plan if none are given. It returns
// an error for a threshold that is invalid or that cannot be applied to the run.
func RunVerdict(run *results.Run, texts []string, intervals Intervals) (*results.Verdict, error) {
	if len(texts) == 0 {
		texts = run.Plan.Thresholds
	}
	if len(texts) == 0 {
		return nil, errors.New("no thresholds given: the result's scenario has none; use --threshold")
	}
	var thresholds []Threshold
	for _, text := range texts {
		t, err := ParseThreshold(text)
		if err != nil {
			return nil, err
		}
		thresholds = append(thresholds, t)
	}
	checks, err := CheckThresholds(run, thresholds, intervals)
	if err != nil {
		return nil, err
	}
	v := &results.Verdict{
		Schema: results.VerdictSchema, Gate: "thresholds", Started: run.Started, Ended: run.Ended, Candidate: run.ID,
		Workload: run.Plan.Workload, Machine: run.Environment.Machine(), Checks: checks,
	}
	v.Verdict, v.Reason = CheckVerdict(run, checks)
	return v, nil
}

// HistoryVerdict judges the changes in the runs of a directory. skipped are results that could
// not be read. It returns an error for rules that cannot be applied to the runs.
func HistoryVerdict(dir string, runs []results.HistoryRun, skipped []error, rules *HistoryRules) (*results.Verdict, error) {
	if err := rules.check(runs); err != nil {
		return nil, err
	}
	v := &results.Verdict{
		Schema: results.VerdictSchema, Gate: "history", Workload: dir, Started: time.Now().Round(0),
		Verdict: results.Pass, Reason: "no metric is worse than its best level by its margin",
	}
	for _, err := range skipped {
		v.Warnings = append(v.Warnings, results.Warning{Code: "left-out", Message: err.Error()})
	}
	if mixesTransports(runs) {
		v.Warnings = append(v.Warnings, results.Warning{
			Code: "transports", Message: "runs with different transports are judged separately: --transport changes the cost of a request",
		})
	}
	var err error
	v.Changes, err = HistoryChanges(runs, rules)
	v.Ended = time.Now().Round(0)
	var alerts []string
	for _, c := range v.Changes {
		if c.Alert {
			alerts = append(alerts, c.Metric+" since "+c.Run)
		}
	}
	switch {
	case err != nil:
		v.Verdict, v.Reason = results.Inconclusive, err.Error()
	case len(alerts) > 0:
		v.Verdict, v.Reason = results.Fail, "worse by the margin or more: "+strings.Join(alerts, ", ")
	}
	return v, nil
}

// mixesTransports reports whether there are runs that belong to different series only because
// of their transports.
func mixesTransports(runs []results.HistoryRun) bool {
	used := map[string]string{}
	for _, r := range runs {
		other := *r.Run
		other.Plan.Transport = ""
		name, transport := other.Series(), r.Plan.TransportUsed()
		if used[name] == "" {
			used[name] = transport
		}
		if used[name] != transport {
			return true
		}
	}
	return false
}
