package main

import (
	"io"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// checkHistory looks for changes in the saved results of a directory.
func (o *gateOptions) checkHistory(stdout io.Writer) error {
	runs, skipped, err := results.History(o.history)
	if err != nil {
		return usage(err)
	}
	if err := o.makeRules(); err != nil {
		return usage(err)
	}
	v := &results.Verdict{Schema: results.VerdictSchema, Gate: "history", Workload: o.history, Started: time.Now().Round(0), Verdict: results.Pass, Reason: "no figure is worse by its margin than before its last change"}
	for _, err := range skipped {
		v.Warnings = append(v.Warnings, results.Warning{Code: "left-out", Message: err.Error()})
	}
	v.Changes, err = results.HistoryChanges(runs, o.rules.Margins)
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
	o.out = ""
	return o.finish(v, stdout)
}
