package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// capacityUnit prints a rate, or a value of the parameter that was searched over.
func capacityUnit(c *results.Capacity) func(v float64) string {
	if c.Over == "" {
		return func(v float64) string { return rate(v) + "/s" }
	}
	return func(v float64) string { return rate(v) + " " + clean(c.Over) }
}

// capacityAnswer is the interval in words.
func capacityAnswer(c *results.Capacity) string {
	unit := capacityUnit(c)
	switch {
	case c.Low == 0 && (c.Stopped != "" || len(c.Probes) == 0):
		return "nothing is known of it"
	case c.Low == 0 && c.Probes[len(c.Probes)-1].Verdict != results.Overloaded:
		return "it cannot be told whether any load meets it"
	case c.Low == 0:
		return "no load meets it"
	case c.High == 0:
		return unit(c.Low) + " at least"
	case c.Confidence > 0:
		return fmt.Sprintf("between %s and %s, with %.0f %% confidence from %d searches", unit(c.Low), unit(c.High), 100*c.Confidence, len(c.Repeats))
	}
	if c.Failed > 0 {
		return fmt.Sprintf("%s were carried, %s could not be shown to be, %s were not", unit(c.Low), unit(c.Failed), unit(c.High))
	}
	return fmt.Sprintf("%s were carried, %s were not", unit(c.Low), unit(c.High))
}

func capacityTarget(c *results.Capacity) string {
	t := c.Target
	switch t.Verdict {
	case "", results.TargetNone:
		return ""
	case results.TargetUndecided:
		return fmt.Sprintf("target %s writes/s: undecided (%s)", rate(t.Writes), clean(t.Reason))
	}
	return fmt.Sprintf("target %s writes/s: %s", rate(t.Writes), clean(t.Verdict))
}

func capacityRows(c *results.Capacity) (head []string, rows [][]string) {
	unit := capacityUnit(c)
	head = []string{"probe", "stage", "load", "length", "achieved", "p50", "p99", "p99.9", "verdict"}
	for _, p := range c.Probes {
		verdict := clean(p.Verdict)
		if p.Reason != "" {
			verdict += ": " + clean(p.Reason)
		}
		rows = append(rows, []string{count(p.Number), clean(p.Stage), unit(p.Rate), p.Length.String(), rate(p.Achieved) + "/s", drawn(p.P50), drawn(p.P99), drawn(p.P999), verdict})
	}
	return head, rows
}

func writeCapacityText(w io.Writer, c *results.Capacity) error {
	var b strings.Builder
	t := text{&b}
	t.line("capacity of %s under %s", clean(c.Workload), clean(strings.Join(c.SLO, ", ")))
	t.line("  %s", capacityAnswer(c))
	if c.Stopped != "" {
		t.line("  %s", clean(c.Stopped))
	}
	if target := capacityTarget(c); target != "" {
		t.line("  %s", target)
	}
	for _, w := range c.Warnings {
		t.line("  warning: %s", clean(w.Message))
	}
	for _, line := range resourceLines(c) {
		t.line("  %s", line)
	}
	if c.Fit != nil {
		t.line("  %s", fitWords(c.Fit))
	}
	if c.Plan != nil {
		t.line("")
		head, rows := planRows(c)
		t.tableWithWords(append(head, ""), appendColumn(rows, ""))
	} else {
		t.line("")
	}
	head, rows := capacityRows(c)
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("", lines, head[len(head)-1], rows)
	t.line("")
	t.line("  cluster  %s", describeCluster(c.Cluster, c.Environment.Disk))
	t.line("  machine  %s", describeMachine(c.Environment))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCapacityHTML draws latency against load.
func writeCapacityHTML(w io.Writer, c *results.Capacity) error {
	head, rows := capacityRows(c)
	for _, row := range rows {
		for i := range row[:len(row)-1] { // only the last cell is words, which may break
			row[i] = strings.ReplaceAll(row[i], " ", "\u00a0")
		}
	}
	s := section{Title: "Capacity of " + clean(c.Workload) + ": " + capacityAnswer(c), Lead: "under " + clean(strings.Join(c.SLO, ", "))}
	if target := capacityTarget(c); target != "" {
		s.Lead += "; " + target
	}
	if c.Stopped != "" {
		s.Notes = append(s.Notes, clean(c.Stopped))
	}
	for _, w := range c.Warnings {
		s.Notes = append(s.Notes, clean(w.Message))
	}
	for _, draw := range []func(*results.Capacity) (figure, bool){capacityCurve, fitFigure} {
		if f, ok := draw(c); ok {
			s.Figures = append(s.Figures, f)
		}
	}
	if c.Plan != nil {
		head, rows := planRows(c)
		s.Tables = append(s.Tables, table{Title: "Plan", Head: head, Rows: rows})
	}
	if len(c.Resources) > 0 {
		resources := table{Title: "What was used at the maximum, the nearest to its limit first", Words: true, Head: []string{"resource", "member", "use"}}
		for _, r := range c.Resources {
			resources.Rows = append(resources.Rows, []string{clean(r.Name), clean(r.Member), clean(r.Text)})
		}
		s.Tables = append(s.Tables, resources)
	}
	s.Tables = append(s.Tables, table{Title: "Probes", Words: true, Head: head, Rows: rows}, table{Title: "Where", Words: true, Rows: [][]string{
		{"cluster", describeCluster(c.Cluster, c.Environment.Disk)}, {"machine", describeMachine(c.Environment)}, {"search", clean(c.ID)},
	}})
	return page{Title: "etcdbench capacity " + clean(c.Workload), Sections: []section{s}}.write(w, nil)
}

func capacityCurve(c *results.Capacity) (figure, bool) {
	points := c.Curve()
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
		t.Rows = append(t.Rows, []string{capacityUnit(c)(p.Rate), drawn(p.P50), drawn(p.P99), drawn(p.P999), clean(p.Verdict)})
	}
	for _, text := range c.SLO {
		if slo, err := results.ParseThreshold(text); err == nil && strings.HasPrefix(slo.Metric, "response_time.p") {
			lines = append(lines, line{name: clean(text), class: "target", at: []float64{0, at[len(at)-1] * 1.05}, value: []float64{slo.Value, slo.Value}})
		}
	}
	low, high := bounds(lines, true)
	ch := chart{
		title: "Latency against load", describe: "response times at each rate", width: chartWidth, height: 320,
		x: axis{low: 0, high: at[len(at)-1] * 1.05}, y: axis{low: low, high: high, log: true}, xLabel: capacityUnit(c), yLabel: nsLabel, lines: lines,
	}
	if c.Low > 0 && c.High > 0 {
		ch.marks = []mark{{c.Low, c.High, "slow", "the maximum lies in here"}}
	}
	return figure{
		Title: "Latency against load", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "Each dot is a probe. Amber: between what was carried and what was not. Dashed: the SLO.",
	}, true
}

// resourceLines are the three resources nearest to their limits.
func resourceLines(c *results.Capacity) (lines []string) {
	for i, r := range c.Resources {
		if i == 3 || r.Share == 0 {
			break
		}
		name := clean(r.Name)
		if r.Member != "" {
			name += " " + clean(r.Member)
		}
		label := "then"
		if i == 0 {
			label = "nearest to its limit at the maximum:"
		}
		lines = append(lines, fmt.Sprintf("%s %s, %s", label, name, clean(r.Text)))
	}
	return lines
}

func estimate(e results.Estimate) string {
	return fmt.Sprintf("%.3g [%.3g, %.3g]", e.Value, e.Low, e.High)
}

func fitWords(u *results.USL) string {
	words := fmt.Sprintf("scalability law over concurrency, with 95 %% intervals: λ %s/s, σ %s, κ %s", estimate(u.Lambda), estimate(u.Sigma), estimate(u.Kappa))
	if u.Peak > 0 {
		return words + fmt.Sprintf("; its peak is at a concurrency of %s, %s/s", rate(u.Peak), rate(u.Throughput(u.Peak)))
	}
	return words + fmt.Sprintf("; no peak up to a concurrency of %s, as far as it reaches", rate(u.Reach))
}

// planRows compare maximum, safe rate and demand.
func planRows(c *results.Capacity) (head []string, rows [][]string) {
	p, unit := c.Plan, capacityUnit(c)
	head = []string{"plan", "maximum", fmt.Sprintf("safe (%.0f %%)", 100*p.Safe), "demand", "headroom", "months left"}
	months := "none"
	switch {
	case p.Endless:
		months = "no growth given"
	case p.Months > 0:
		months = fmt.Sprintf("%s at %+.1f %% a month", threeDigits(p.Months), 100*p.Growth)
	}
	maximum := "≥ " + unit(c.Low)
	if c.High > 0 {
		maximum = rate(c.Low) + "–" + unit(c.High)
	}
	rows = [][]string{{"all members", maximum, unit(p.SafeRate), unit(p.Demand), fmt.Sprintf("%+.0f %%", 100*p.Headroom), months}}
	switch {
	case p.DownSafeRate > 0:
		maximum = "≥ " + unit(c.MemberDown.Low)
		if c.MemberDown.High > 0 {
			maximum = rate(c.MemberDown.Low) + "–" + unit(c.MemberDown.High)
		}
		rows = append(rows, []string{"one member down", maximum, unit(p.DownSafeRate), unit(p.Demand), fmt.Sprintf("%+.0f %%", 100*p.DownHeadroom), ""})
	default:
		rows = append(rows, []string{"one member down", "not measured", "", "", "", ""})
	}
	return head, rows
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
		t.Rows = append(t.Rows, []string{rate(p.Concurrency), rate(p.Throughput) + "/s", rate(u.Throughput(p.Concurrency)) + "/s"})
	}
	const steps = 60
	for i := range steps + 1 {
		n := u.Reach * float64(i) / steps
		law.at, law.value = append(law.at, n), append(law.value, u.Throughput(n))
	}
	lines := []line{measured, law}
	low, high := bounds(lines, false)
	ch := chart{
		title: "Throughput by concurrency", describe: "what was measured, and the Universal Scalability Law", width: chartWidth, height: 260,
		x: axis{low: 0, high: u.Reach}, y: axis{low: low, high: high}, xLabel: rate, yLabel: func(v float64) string { return rate(v) + "/s" }, lines: lines,
	}
	return figure{
		Title: "Throughput by concurrency", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "A description, as far as 1.2 times the largest concurrency that was carried; not a forecast. The " + fitWords(u) + ".",
	}, true
}
