package html

import (
	"slices"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

// scenariosFigure draws the worst deciding metric of each scenario of a release check.
func scenariosFigure(v *results.Verdict) (figure, bool) {
	var metrics []results.MetricVerdict
	for _, part := range v.Parts {
		if m, ok := worstMetric(part.Metrics); ok {
			m.Name = part.Workload + ": " + m.Name
			metrics = append(metrics, m)
		}
	}
	if len(metrics) == 0 {
		return figure{}, false
	}
	head, rows := content.MetricTable(&results.Verdict{Metrics: metrics})
	return figure{
		Title: "Worst deciding metric of each scenario (margins)", SVG: intervalPlot(metrics),
		Key: intervalKey("pass", "fail", "inconclusive"), Table: table{Words: true, Head: head, Rows: unbroken(rows)},
		Caption: intervalCaption + " The page of a scenario has all of its metrics.",
	}, true
}

// worstMetric returns the deciding metric that is nearest to a failure: by its verdict, then
// by its estimate in margins. ok is false where none was measured.
func worstMetric(metrics []results.MetricVerdict) (worst results.MetricVerdict, ok bool) {
	order := []string{results.Pass, results.Inconclusive, results.Fail}
	for _, m := range metrics {
		if !m.Primary || m.Verdict == results.NotMeasured {
			continue
		}
		rank, worstRank := slices.Index(order, m.Verdict), slices.Index(order, worst.Verdict)
		if !ok || rank > worstRank || rank == worstRank && marginsOf(m, m.Estimate) > marginsOf(worst, worst.Estimate) {
			worst, ok = m, true
		}
	}
	return worst, ok
}
