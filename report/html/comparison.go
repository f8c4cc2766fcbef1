package html

import (
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// maxCompared is the largest number of rows in the plot of a comparison.
const maxCompared = 24

// comparisonFigure draws the changes of a comparison with their intervals.
func comparisonFigure(c content.Compared) (figure, bool) {
	head, cells := c.Table()
	var metrics []results.MetricVerdict
	var rows [][]string
	for i, r := range c.Rows {
		if m, ok := comparedMetric(r); ok && len(metrics) < maxCompared {
			metrics, rows = append(metrics, m), append(rows, cells[i])
		}
	}
	if len(metrics) == 0 {
		return figure{}, false
	}
	return figure{
		Title: "Change of each metric (margins)", SVG: intervalPlot(metrics),
		Key:   intervalKey("better or the same", "worse", "unresolved"),
		Table: table{Head: head, Rows: rows}, Caption: intervalCaption,
	}, true
}

// comparedMetric is a row of a comparison as a metric of a gate, with the gate's margin.
func comparedMetric(r results.Comparison) (results.MetricVerdict, bool) {
	i := slices.IndexFunc(judge.Metrics(), func(m judge.Metric) bool { return m.Name == r.Metric })
	if i < 0 {
		return results.MetricVerdict{}, false
	}
	known := judge.Metrics()[i]
	m := results.MetricVerdict{
		Name: strings.TrimSpace(words.Clean(r.Operation) + " " + r.Metric), Unit: r.Unit, Primary: true, Higher: r.Higher,
		Absolute: known.Absolute, Margin: known.Margin, Baseline: r.Base, Candidate: r.Candidate,
		Estimate: r.Change, Lower: r.Lower, Upper: r.Upper,
	}
	if m.Higher { // from a change of the figure to how much worse it is
		m.Estimate, m.Lower, m.Upper = m.Change()
	}
	switch r.Word {
	case results.Worse:
		m.Verdict = results.Fail
	case results.Unresolved:
		m.Verdict = results.Inconclusive
	default:
		m.Verdict = results.Pass
	}
	return m, true
}
