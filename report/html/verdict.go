package html

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"io"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// verdictClass is the colour of a gate's verdict.
func verdictClass(verdict string) string {
	switch verdict {
	case results.Pass:
		return "good"
	case results.Fail:
		return "bad"
	}
	return "warn"
}

// WriteVerdict writes the page of a gate: the verdict, the interval of each metric, and
// the metrics that decide. It has no links to other files.
func WriteVerdict(w io.Writer, v *results.Verdict) error { return writeVerdict(w, v, nil) }

// WriteReleaseCheck writes the page of a release check for the directory of its result: a
// page as of [WriteVerdict], with links to the pages of the scenarios in that directory.
func WriteReleaseCheck(w io.Writer, v *results.Verdict) error {
	return writeVerdict(w, v, partLinks(v))
}

func writeVerdict(w io.Writer, v *results.Verdict, links []pageLink) error {
	c := chapter{
		Title: "Gate: " + content.VerdictSubject(v),
		Cards: []verdictCard{newVerdictCard("verdict", v)},
	}
	if len(v.Parts) > 0 {
		c.Title = "Release check: " + content.VerdictSubject(v)
		c.Cards = append(c.Cards, verdictCard{"scenarios", "", words.Count(len(v.Parts)), content.RoundsLine(v)})
	} else if v.Rules != nil {
		c.Cards = append(c.Cards, verdictCard{"rounds", "", words.Count(v.Rounds), content.RoundsLine(v)})
	}
	for _, warning := range v.Warnings {
		c.Notes = append(c.Notes, words.Clean(warning.Code)+": "+words.Clean(warning.Message))
	}
	if f, ok := intervalFigure(v); ok {
		c.Figures = append(c.Figures, f)
	}
	if f, ok := scenariosFigure(v); ok {
		c.Figures = append(c.Figures, f)
	}
	for _, row := range verdictWhere(v).Rows {
		c.Facts = append(c.Facts, fact{Name: row[0], Value: row[1]})
	}
	partHead, parts := content.PartTable(v)
	c.Tables = []table{
		{Title: "Scenarios", Words: true, Head: partHead, Rows: parts},
		{Title: "Regressions", Words: true, Rows: oneColumn(content.PartLines(v))},
		checkTable(v),
		{Title: "Changes of level", Words: true, Rows: oneColumn(content.ChangeLines(v))},
	}
	c.Links = links
	head, rows := content.MetricTable(v)
	metrics := tablePart("metrics", table{Title: "Metrics", Words: true, Head: head, Rows: unbroken(rows)})
	metrics.Open = true
	c.Parts = []part{
		metrics,
		tablePart("noise", table{Title: "Noise", Words: true, Rows: oneColumn(content.NoiseLines(v))}),
		tablePart("proof", table{Title: "Proof of writes", Words: true, Rows: oneColumn(content.ProofLines(v))}),
		tablePart("disturbances", runEventsTable(v)), tablePart("dropped", droppedTable(v)), tablePart("rules", rulesTable(v.Rules)),
	}
	return page{Title: "etcdbench gate " + content.VerdictSubject(v), Chapters: []chapter{c}}.write(w, nil)
}

// partLinks leads to the pages of the scenarios of a release check, which are in
// directories of the scenarios' names. A scenario that was not measured has none.
func partLinks(v *results.Verdict) (links []pageLink) {
	for _, p := range v.Parts {
		if name := words.Clean(p.Workload); p.Rounds > 0 && filepath.IsLocal(name) {
			links = append(links, pageLink{name, "./" + url.PathEscape(name) + "/" + results.PageFile})
		}
	}
	return links
}

func oneColumn(lines []string) (rows [][]string) {
	for _, l := range lines {
		rows = append(rows, []string{l})
	}
	return rows
}

func runEventsTable(v *results.Verdict) table {
	t := table{Title: "Disturbances", Words: true}
	if t.Head, t.Rows = content.RunEventTable(v); len(t.Rows) == results.MostRunEvents {
		t.Title = "Disturbances (the first " + words.Count(results.MostRunEvents) + ")"
	}
	return t
}

func droppedTable(v *results.Verdict) table {
	t := table{Title: "Dropped rounds", Words: true, Head: []string{"round", "reason"}}
	for _, d := range v.Dropped {
		t.Rows = append(t.Rows, []string{words.Count(d.Round), words.Clean(d.Reason)})
	}
	return t
}

// rulesTable lists the rules of the verdict.
func rulesTable(r *results.GateRules) table {
	t := table{Title: "Rules", Words: true}
	if r == nil {
		return t
	}
	var primary, margins, looks []string
	for _, name := range r.Primary {
		primary = append(primary, words.Clean(name))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Margins)) {
		unit := "%"
		if name == "error_rate" {
			unit = "pp"
		}
		margins = append(margins, fmt.Sprintf("%s\u00a0%.3g\u00a0%s", words.Clean(name), 100*r.Margins[name], unit))
	}
	for _, n := range r.Looks {
		looks = append(looks, words.Count(n))
	}
	t.Rows = [][]string{
		{"metrics that decide", strings.Join(primary, ", ")}, {"margins", strings.Join(margins, ", ")},
		{"verdict possible after rounds", strings.Join(looks, ", ")},
		{"false fails", fmt.Sprintf("%.3g %% at most, when nothing differs", 100*r.FalseFail)},
		{"false passes", fmt.Sprintf("%.3g %% at most, when a metric is worse by its margin", 100*r.FalsePass)},
	}
	return t
}

func verdictWhere(v *results.Verdict) table {
	t := table{Title: "Environment", Words: true}
	for _, row := range [][2]string{
		{"baseline", v.Baseline}, {"candidate", v.Candidate}, {"workload", v.Workload}, {"machine", v.Machine},
	} {
		if row[1] != "" {
			t.Rows = append(t.Rows, []string{row[0], words.Clean(row[1])})
		}
	}
	if !v.Started.IsZero() {
		t.Rows = append(t.Rows, []string{"started", v.Started.UTC().Format("2006-01-02 15:04:05 MST")})
	}
	return t
}

// The plot of intervals has a row for each metric: its name, its interval, and the same
// in figures.
const (
	intervalLeft   = 230 // of the plot
	intervalWidth  = 446
	intervalHeight = 34 // of a row
	intervalFoot   = 42
)

// intervalClasses are the colours of rows, in the order of the key.
var intervalClasses = [...]string{"good", "bad", "warn"}

// intervalKey names the colours and the shapes of marks.
func intervalKey(good, bad, warn string) []keyEntry {
	return []keyEntry{
		{intervalClasses[0], good, shapeDot}, {intervalClasses[1], bad, shapeCross}, {intervalClasses[2], warn, shapeRing},
	}
}

// intervalFigure draws the change of each metric that a gate measured.
func intervalFigure(v *results.Verdict) (figure, bool) {
	metrics := slices.DeleteFunc(slices.Clone(v.Metrics), func(m results.MetricVerdict) bool {
		return m.Verdict == results.NotMeasured
	})
	if len(metrics) == 0 {
		return figure{}, false
	}
	head, rows := content.MetricTable(&results.Verdict{Metrics: metrics})
	return figure{
		Title: "Change of each metric (margins)", SVG: intervalPlot(metrics), Key: intervalKey("pass", "fail", "inconclusive"),
		Table: table{Words: true, Head: head, Rows: unbroken(rows)},
		Caption: intervalCaption + " A metric passes where its interval ends before the margin, and fails where its interval begins " +
			"after 0 and its estimate reaches the margin. In brackets: not in the verdict.",
	}, true
}

const intervalCaption = "Mark: the estimate. Line: the interval. Arrow: open, or beyond the chart. Each row's " +
	"unit is the metric's own margin, the smallest change that matters, at the dashed line."

// intervalPlot draws a row for each metric, with its change and its interval. Each row has
// its own scale: a unit is the metric's margin, so that rows can be compared independently of
// their noise.
func intervalPlot(metrics []results.MetricVerdict) template.HTML {
	reach := intervalReach(metrics)
	x := axis{low: -reach, high: reach, from: intervalLeft, to: intervalLeft + intervalWidth}
	foot := marginTop + intervalHeight*len(metrics)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, foot+intervalFoot,
		"Change of each metric: estimate, interval and margin")
	fmt.Fprintf(&b, `<rect class="warmup" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`,
		x.place(0), marginTop, x.place(1)-x.place(0), foot-marginTop, "worse by less than the margin")
	for _, tick := range x.ticks(10) {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x.place(tick), marginTop, foot, x.place(tick), foot+17, signedMargins(tick))
	}
	fmt.Fprintf(&b, `<path class="zero" d="M%.1f %dV%d"/><path class="target" d="M%.1f %dV%d"/>`,
		x.place(0), marginTop, foot, x.place(1), marginTop, foot)
	fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d" text-anchor="middle">%s</text>`, intervalLeft+intervalWidth/2, foot+36,
		"← better · change in margins · worse →")
	for i, m := range metrics {
		drawInterval(&b, x, marginTop+intervalHeight*i+intervalHeight/2, m)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// signedMargins labels a place on the axis of margins.
func signedMargins(v float64) string {
	if math.Abs(v) < 1e-9 {
		return "0"
	}
	return strings.Replace(fmt.Sprintf("%+.3g×", v), "-", "−", 1)
}

// marginsOf converts a value on the scale of a metric's estimate into margins or, if there is
// no margin, into steps of 5 %. A margin of 5 % of a throughput is an estimate of 1/0.95 - 1.
func marginsOf(m results.MetricVerdict, v float64) float64 {
	unit := m.Margin
	if m.Higher && unit < 1 {
		unit /= 1 - unit
	}
	if !(unit > 0) || math.IsInf(unit, 0) {
		unit = 0.05
	}
	return v / unit
}

// intervalReach is how many margins the plot shows on either side: two at least, six at
// most, so that one noisy metric does not hide the others.
func intervalReach(metrics []results.MetricVerdict) float64 {
	reach := 2.0
	for _, m := range metrics {
		for _, v := range []*float64{&m.Estimate, m.Lower, m.Upper} {
			if v != nil && !math.IsNaN(*v) {
				reach = max(reach, 1.1*math.Abs(marginsOf(m, *v)))
			}
		}
	}
	return min(reach, 6)
}

// drawInterval draws the row of a metric around the height y.
func drawInterval(b *strings.Builder, x axis, y int, m results.MetricVerdict) {
	class := verdictClass(m.Verdict)
	name := words.Clean(m.Name)
	if !m.Primary {
		name = "(" + name + ")"
	}
	name = clip(name, 29)
	estimate, low, high := content.MetricChange(m)
	margin, _ := content.MetricMargin(m)
	title := fmt.Sprintf("%s (%s): %s → %s, %s, from %s to %s, margin %s; %s",
		words.Clean(m.Name), cmp.Or(words.Clean(m.Unit), "no unit"),
		content.MetricValue(m, m.Baseline), content.MetricValue(m, m.Candidate), estimate, low, high, margin, words.Clean(m.Verdict))
	series := slices.Index(intervalClasses[:], class)
	fmt.Fprintf(b, `<text class="tick" x="%d" y="%d" text-anchor="end">%s</text>`, intervalLeft-10, y+4, html.EscapeString(name))
	interval := fmt.Sprintf("%s [%s, %s]", estimate, low, high)
	if m.Lower == nil && m.Upper == nil {
		interval = estimate + ", no interval"
	}
	fmt.Fprintf(b, `<text class="tick" x="%d" y="%d">%s</text>`, intervalLeft+intervalWidth+14, y+4, interval)
	fmt.Fprintf(b, `<g class="%s" data-series="%d"><title>%s</title>`, class, series, html.EscapeString(title))
	if m.Lower != nil || m.Upper != nil {
		from, to := intervalEnd(x, m.Lower, m, -1), intervalEnd(x, m.Upper, m, 1)
		fmt.Fprintf(b, `<path class="interval" d="M%.1f %dH%.1f%s%s"/>`, from.at, y, to.at, from.mark(y), to.mark(y))
	}
	if e := marginsOf(m, m.Estimate); math.Abs(e) <= x.high {
		drawEstimate(b, class, x.place(e), y)
	} else if m.Lower == nil && m.Upper == nil {
		beyond := intervalEnd(x, &m.Estimate, m, 0)
		fmt.Fprintf(b, `<path class="interval" d="%s"/>`, beyond.mark(y))
	}
	b.WriteString("</g>")
}

// drawEstimate draws a dot, or a cross for "bad" and a ring for "warn": colour is not the only
// difference.
func drawEstimate(b *strings.Builder, class string, x float64, y int) {
	switch class {
	case "bad":
		fmt.Fprintf(b, `<path class="interval" d="M%.1f %dm-5 -5l10 10m-10 0l10 -10"/>`, x, y)
	case "warn":
		fmt.Fprintf(b, `<circle class="hollow" cx="%.1f" cy="%d" r="4.5"/>`, x, y)
	default:
		fmt.Fprintf(b, `<circle class="estimate" cx="%.1f" cy="%d" r="5"/>`, x, y)
	}
}

// end is one end of an interval: where it is drawn, and to which side it lies beyond the
// plot, -1 or 1, or 0 for an end within.
type end struct {
	at     float64
	beyond int
}

// intervalEnd returns the lower end, with open at -1, or the upper end, with open at 1.
func intervalEnd(x axis, bound *float64, m results.MetricVerdict, open int) end {
	if bound == nil {
		return end{x.place(x.high * float64(open)), open}
	}
	switch v := marginsOf(m, *bound); {
	case v > x.high:
		return end{x.place(x.high), 1}
	case v < x.low:
		return end{x.place(x.low), -1}
	default:
		return end{x.place(v), 0}
	}
}

// mark draws the end: a bar, or an arrow where it lies beyond the plot.
func (e end) mark(y int) string {
	if e.beyond == 0 {
		return fmt.Sprintf("M%.1f %dv12", e.at, y-6)
	}
	back := e.at - 7*float64(e.beyond)
	return fmt.Sprintf("M%.1f %dL%.1f %dL%.1f %d", back, y-5, e.at, y, back, y+5)
}
