package html

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// twoSides is a comparison of two runs a side, with a change beyond the chart.
func twoSides(t *testing.T) content.Compared {
	var docs []content.Document
	for n := range 4 {
		d := reporttest.LongRun(t, 20, 1, 1)
		d.Path = fmt.Sprint("results/run", n+1)
		docs = append(docs, d)
	}
	low, high := -0.03, 0.01
	return content.Compared{Base: docs[:2], Candidate: docs[2:], Rows: []results.Comparison{
		{Operation: "put", Metric: "throughput", Unit: "/s", Higher: true, Base: 300, Candidate: 299, Change: -0.01, Lower: &low, Upper: &high, Word: results.Same, Within: 0.03},
		{Operation: "put", Metric: "p50", Unit: "ns", Base: 1e6, Candidate: 1.1e6, Change: 0.1, Word: results.Unresolved},
		{Operation: "put", Metric: "p99", Unit: "ns", Base: 1e6, Candidate: 9e6, Change: 8, Word: results.Unresolved},
	}}
}

// The page of a comparison in a browser: a row for each metric, an arrow for a change beyond
// the chart, one colour a side, and everything readable.
func TestComparisonPageInABrowser(t *testing.T) {
	c := twoSides(t)
	var b bytes.Buffer
	if err := WriteComparison(&b, c); err != nil {
		t.Fatal(err)
	}
	page := openAll(t, b.String())
	charts := shownCharts(t, page)
	changes := charts[find(t, charts, "Change of each metric")]
	if len(changes.Rows) != len(c.Rows) {
		t.Errorf("%d rows of %d metrics: %q", len(changes.Rows), len(c.Rows), changes.Rows)
	}
	drawn := browsertest.Eval[[]string](page, `[...document.querySelector('svg.chart').querySelectorAll('g[data-series]')].map((g) => [...g.querySelectorAll('circle, path')].map((e) => e.tagName).join(' '))`)
	if strings.Join(drawn, "|") != "path circle|circle|path" {
		t.Errorf("the changes are drawn as %q", drawn)
	}
	classes := browsertest.Eval[[]string](page, `[...document.querySelector('article').querySelectorAll('.part path.line')].map((p) => p.getAttribute('class'))`)
	if got := strings.Join(classes[:4], "|"); got != "line s1|line s1|line s2|line s2" {
		t.Errorf("the lines of two runs a side are %q", got)
	}
	if slices.ContainsFunc(classes, func(c string) bool { return c != "line s1" && c != "line s2" }) {
		t.Errorf("more than one colour a side: %q", classes)
	}
	shown := func() int {
		return browsertest.Eval[int](page, `[...document.querySelector('article .part svg.chart').querySelectorAll('path.line')].filter((p) => getComputedStyle(p).display !== 'none').length`)
	}
	page.Click(`article .part button[data-toggle="0"]`)
	if n := shown(); n != 2 {
		t.Errorf("without the base, %d lines are drawn", n)
	}
	page.Click(`article .part button[data-toggle="0"]`)
	checkReadable(t, page, "comparison")
}
