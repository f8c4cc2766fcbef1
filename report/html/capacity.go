package html

import (
	"cmp"
	"fmt"
	"io"
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
	chap := chapter{
		Title: "Capacity of " + words.Clean(c.Workload) + ": " + content.CapacityAnswer(c),
		Lead:  "SLO: " + words.Clean(strings.Join(c.SLO, ", ")),
		Cards: capacityCards(c),
	}
	if c.Stopped != "" {
		chap.Notes = append(chap.Notes, words.Clean(c.Stopped))
	}
	for _, w := range c.Warnings {
		chap.Notes = append(chap.Notes, words.Clean(w.Message))
	}
	if f, ok := capacityCurve(c); ok {
		chap.Figures = append(chap.Figures, f)
	}
	if c.Plan != nil {
		head, rows := content.PlanTable(c)
		chap.Tables = append(chap.Tables, table{Title: "Plan", Head: head, Rows: rows})
	}
	for _, row := range experimentTable(c.Cluster, c.Environment, "search", c.ID).Rows {
		chap.Facts = append(chap.Facts, fact{Name: row[0], Value: row[1]})
	}
	probes := tablePart("probes", table{Title: "Probes", Words: true, Head: head, Rows: unbroken(rows)})
	probes.Open = true
	chap.Parts = []part{probes, tablePart("resources", resourceTable(c))}
	if f, ok := fitFigure(c); ok {
		chap.Parts = append(chap.Parts, part{ID: "fit", Title: f.Title, Figures: []figure{f}})
	}
	return page{Title: "etcdbench capacity " + words.Clean(c.Workload), Chapters: []chapter{chap}}.write(w, nil)
}

// capacityCards are the answers of a search.
func capacityCards(c *results.Capacity) []verdictCard {
	verdict := content.CapacityVerdict(c)
	cards := []verdictCard{{"capacity", verdictClass(verdict), content.CapacityMaximum(c), content.CapacityAnswer(c)}}
	if t := c.Target; t.Verdict != "" && t.Verdict != results.TargetNone {
		class := map[string]string{results.TargetMet: "good", results.TargetMissed: "bad"}[t.Verdict]
		cards = append(cards, verdictCard{"target", cmp.Or(class, "warn"), words.Clean(t.Verdict), content.CapacityTarget(c)})
	}
	if p := c.Plan; p != nil {
		class := "good"
		if p.Headroom < 0 {
			class = "bad"
		}
		unit := content.CapacityUnit(c)
		cards = append(cards, verdictCard{
			"headroom", class, fmt.Sprintf("%+.0f %%", 100*p.Headroom), "safe rate " + unit(p.SafeRate) + ", demand " + unit(p.Demand),
		})
	}
	return cards
}

// resourceTable has the use of resources at the maximum.
func resourceTable(c *results.Capacity) table {
	t := table{Title: "Resource use at the maximum, nearest to its limit first", Words: true, Head: []string{"resource", "member", "use"}}
	for _, r := range c.Resources {
		t.Rows = append(t.Rows, []string{words.Clean(r.Name), words.Clean(r.Member), words.Clean(r.Text)})
	}
	return t
}

// probeKinds are the marks of probes, by verdict. The last one is for all other verdicts.
var probeKinds = [...]struct{ verdict, class, shape string }{
	{results.Sustained, "good", ""}, {results.Overloaded, "bad", shapeCross}, {"", "warn", shapeRing},
}

// probeLines are the dots of probes: the percentile by verdict, and p50 of all.
func probeLines(probes []results.CapacityProbe, percentile string) []line {
	lines := []line{
		{name: percentile + " of sustained probes", class: "good"}, {name: percentile + " of overloaded probes", class: "bad", series: 1},
		{name: percentile + " of undecided probes", class: "warn", series: 2}, {name: "p50 of all probes", class: "dim", series: 3},
	}
	for i := range lines {
		lines[i].scattered, lines[i].dots, lines[i].unnamed = true, true, true
	}
	for i, kind := range probeKinds {
		lines[i].shape = kind.shape
	}
	add := func(l *line, rate float64, ns int64) {
		if ns > 0 {
			l.at, l.value = append(l.at, rate), append(l.value, float64(ns))
		}
	}
	for _, p := range probes {
		kind := slices.IndexFunc(probeKinds[:], func(k struct{ verdict, class, shape string }) bool {
			return k.verdict == p.Verdict || k.verdict == ""
		})
		add(&lines[kind], p.Rate, map[string]int64{"p50": p.P50, "p99": p.P99, "p99.9": p.P999}[percentile])
		if percentile != "p50" {
			add(&lines[len(probeKinds)], p.Rate, p.P50)
		}
	}
	return lines
}

// capacityCurve draws all probes by their loads, with the SLO and what follows from the
// search.
func capacityCurve(c *results.Capacity) (figure, bool) {
	probes := slices.Clone(c.Probes)
	slices.SortStableFunc(probes, func(a, b results.CapacityProbe) int { return cmp.Compare(a.Rate, b.Rate) })
	percentile, limits := sloPercentile(c)
	lines := probeLines(probes, percentile)
	unit := content.CapacityUnit(c)
	t := table{Head: []string{"load", "p50", "p99", "p99.9", "verdict"}}
	var at []float64
	high := 0.0
	for _, p := range probes {
		at, high = append(at, p.Rate), max(high, p.Rate)
		t.Rows = append(t.Rows, []string{
			unit(p.Rate), content.ProbeCell(p, "p50", p.P50), content.ProbeCell(p, "p99", p.P99),
			content.ProbeCell(p, "p99.9", p.P999), words.Clean(p.Verdict),
		})
	}
	if len(probes) < 2 || !slices.ContainsFunc(lines, func(l line) bool { return len(l.at) > 0 }) {
		return figure{}, false
	}
	marks := capacityMarks(c)
	for _, m := range marks {
		high = max(high, m.to)
	}
	from, to := bounds(lines, true)
	for _, l := range limits {
		from, to = min(from, 0.8*l.value), max(to, 1.2*l.value)
	}
	u := timeUnit(to)
	title := fmt.Sprintf("Response time by load, %s (%s, log scale)", percentile, u.name)
	ch := chart{
		title: title, describe: percentile + " of each probe", width: chartWidth, height: 320,
		x: axis{low: 0, high: high * 1.05}, y: axis{low: from, high: to, log: true},
		xLabel: unit, yLabel: u.label, lines: lines, limits: limits, marks: marks,
	}
	return figure{
		Title: title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: capacityCaption(c, percentile),
	}, true
}

// capacityCaption explains the marks of a search.
func capacityCaption(c *results.Capacity, percentile string) string {
	caption := "Each mark is a probe. Dot: sustained. Cross: failed. Ring: undecided. Dashed line: the SLO. "
	if len(capacityMarks(c)) > 0 {
		caption += "Amber: the interval that contains the maximum. "
	}
	return caption + "If a probe has too few samples for " + percentile + ", only its p50 is drawn."
}

// sloPercentile is the percentile of response time that the SLO limits, p99 where it limits
// none, with the limits.
func sloPercentile(c *results.Capacity) (percentile string, limits []limit) {
	percentile = "p99"
	for _, text := range c.SLO {
		slo, err := judge.ParseThreshold(text)
		point, ok := strings.CutPrefix(slo.Metric, "response_time.")
		if err != nil || !ok || slo.Value <= 0 {
			continue
		}
		if len(limits) == 0 && slices.Contains([]string{"p50", "p99", "p99.9"}, point) {
			percentile = point
		}
		limits = append(limits, limit{slo.Value, point + " " + slo.Comparison + " " + shortTime(slo.Value)})
	}
	return percentile, limits
}

// capacityMarks are the loads that follow from the search.
func capacityMarks(c *results.Capacity) (marks []mark) {
	unit := content.CapacityUnit(c)
	add := func(from, to float64, class, name string) {
		if from > 0 && to >= from {
			marks = append(marks, mark{from, to, class, name + " " + unit(from), name + " " + unit(from)})
		}
	}
	add(c.Low, c.High, "slow", "maximum")
	if p := c.Plan; p != nil {
		add(p.Demand, p.Demand, "member", "demand")
		add(p.SafeRate, p.SafeRate, "member", "safe rate")
	}
	return marks
}

// fitFigure draws throughput by concurrency, and the law as far as it reaches.
func fitFigure(c *results.Capacity) (figure, bool) {
	if c.Fit == nil {
		return figure{}, false
	}
	u := c.Fit
	measured := line{name: "measured", class: "s1", dots: true}
	law := line{name: "law", class: "s2", series: 1}
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
		title: "Throughput by concurrency (operations/s)", describe: "measured, and the Universal Scalability Law",
		width: chartWidth, height: 260,
		x: axis{low: 0, high: u.Reach}, y: axis{low: low, high: high}, xLabel: words.Rate,
		yLabel: plainNumber, lines: lines,
	}
	return figure{
		Title: "Throughput by concurrency (operations/s)", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at),
		Caption: "The curve describes the measurements up to 1.2 times the largest sustained concurrency. It is not a forecast. The " +
			content.FitText(u) + ".",
	}, true
}
