package html

import (
	"cmp"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// WriteCapacity writes the page of a capacity search, which draws latency against
// load.
func WriteCapacity(w io.Writer, c *results.Capacity) error {
	head, rows := content.CapacityTable(c)
	s := section{
		Title: "Capacity of " + words.Clean(c.Workload) + ": " + content.CapacityAnswer(c),
		Lead:  "under " + words.Clean(strings.Join(c.SLO, ", ")),
	}
	if target := content.CapacityTarget(c); target != "" {
		s.Lead += "; " + target
	}
	if c.Stopped != "" {
		s.Notes = append(s.Notes, words.Clean(c.Stopped))
	}
	for _, w := range c.Warnings {
		s.Notes = append(s.Notes, words.Clean(w.Message))
	}
	for _, draw := range []func(*results.Capacity) (figure, bool){capacityCurve, fitFigure} {
		if f, ok := draw(c); ok {
			s.Figures = append(s.Figures, f)
		}
	}
	if c.Plan != nil {
		head, rows := content.PlanTable(c)
		s.Tables = append(s.Tables, table{Title: "Plan", Head: head, Rows: rows})
	}
	if len(c.Resources) > 0 {
		resources := table{
			Title: "What was used at the maximum, the nearest to its limit first", Words: true,
			Head: []string{"resource", "member", "use"},
		}
		for _, r := range c.Resources {
			resources.Rows = append(resources.Rows, []string{words.Clean(r.Name), words.Clean(r.Member), words.Clean(r.Text)})
		}
		s.Tables = append(s.Tables, resources)
	}
	s.Tables = append(s.Tables,
		table{Title: "Probes", Words: true, Head: head, Rows: unbroken(rows)},
		experimentTable(c.Cluster, c.Environment, "search", c.ID))
	return page{Title: "etcdbench capacity " + words.Clean(c.Workload), Sections: []section{s}}.write(w, nil)
}

func capacityCurve(c *results.Capacity) (figure, bool) {
	points := judge.Curve(c)
	if len(points) < 2 {
		return figure{}, false
	}
	lines := []line{{name: "p50", class: "s1", dots: true}, {name: "p99", class: "s2", dots: true}, {name: "p99.9", class: "s4", dots: true}}
	t := table{Head: []string{"rate", "p50", "p99", "p99.9", "verdict"}}
	var at []float64
	for _, p := range points {
		at = append(at, p.Rate)
		for i, ns := range []int64{p.P50, p.P99, p.P999} {
			v := float64(ns)
			if ns == 0 {
				v = math.NaN()
			}
			lines[i].at, lines[i].value = append(lines[i].at, p.Rate), append(lines[i].value, v)
		}
		t.Rows = append(t.Rows, []string{
			content.CapacityUnit(c)(p.Rate), content.ProbeCell(p, "p50", p.P50), content.ProbeCell(p, "p99", p.P99),
			content.ProbeCell(p, "p99.9", p.P999), words.Clean(p.Verdict),
		})
	}
	for _, text := range c.SLO {
		if slo, err := judge.ParseThreshold(text); err == nil && strings.HasPrefix(slo.Metric, "response_time.p") {
			lines = append(lines, line{
				name: words.Clean(text), class: "target", at: []float64{0, at[len(at)-1] * 1.05},
				value: []float64{slo.Value, slo.Value},
			})
		}
	}
	low, high := bounds(lines, true)
	ch := chart{
		title: "Latency against load", describe: "response times at each rate", width: chartWidth, height: 320,
		x: axis{low: 0, high: at[len(at)-1] * 1.05}, y: axis{low: low, high: high, log: true},
		xLabel: content.CapacityUnit(c), yLabel: words.AxisDuration, lines: lines,
	}
	if c.Low > 0 && c.High > 0 {
		ch.marks = []mark{{c.Low, c.High, "slow", "the maximum lies in here"}}
	}
	return figure{
		Title: "Latency against load", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "Each dot is a probe. Amber: between what was carried and what was not. Dashed: the SLO.",
	}, true
}

// fitFigure draws throughput by concurrency, and the law as far as it reaches.
func fitFigure(c *results.Capacity) (figure, bool) {
	if c.Fit == nil {
		return figure{}, false
	}
	u := c.Fit
	measured, law := line{name: "measured", class: "s1", dots: true}, line{name: "law", class: "s2 dashed"}
	t := table{Head: []string{"concurrency", "measured", "law"}}
	points := slices.Clone(u.Points)
	slices.SortFunc(points, func(a, b results.USLPoint) int { return cmp.Compare(a.Concurrency, b.Concurrency) })
	var at []float64
	for _, p := range points {
		at = append(at, p.Concurrency)
		measured.at, measured.value = append(measured.at, p.Concurrency), append(measured.value, p.Throughput)
		t.Rows = append(t.Rows, []string{
			words.Rate(p.Concurrency), words.Rate(p.Throughput) + "/s", words.Rate(u.Throughput(p.Concurrency)) + "/s",
		})
	}
	const steps = 60
	for i := range steps + 1 {
		// The law begins at a concurrency of 1.
		n := min(1, u.Reach) + (u.Reach-min(1, u.Reach))*float64(i)/steps
		law.at, law.value = append(law.at, n), append(law.value, u.Throughput(n))
	}
	lines := []line{measured, law}
	low, high := bounds(lines, false)
	ch := chart{
		title: "Throughput by concurrency", describe: "what was measured, and the Universal Scalability Law", width: chartWidth, height: 260,
		x: axis{low: 0, high: u.Reach}, y: axis{low: low, high: high}, xLabel: words.Rate,
		yLabel: func(v float64) string { return words.Rate(v) + "/s" }, lines: lines,
	}
	return figure{
		Title: "Throughput by concurrency", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "A description, as far as 1.2 times the largest concurrency that was carried; not a forecast. The " + content.FitText(u) + ".",
	}, true
}
