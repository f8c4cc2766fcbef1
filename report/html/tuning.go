package html

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// WriteTuning writes the page of a tuning: what is recommended, why, and what was
// tried.
func WriteTuning(w io.Writer, t *results.Tuning) error {
	s := section{
		Title: "Tuning: " + content.TuningAnswer(t),
		Lead:  content.TuningSubject(t) + "; " + words.Clean(t.Workload) + " at " + words.Rate(t.Rate) + "/s",
	}
	s.Table = table{Words: true}
	if len(t.Settings) > 0 {
		for _, as := range content.SettingsAs(t.Settings) {
			s.Table.Rows = append(s.Table.Rows, []string{as[0], strings.ReplaceAll(as[1], "\n", "; ")})
		}
	}
	for _, line := range content.TuningReasons(t) {
		s.Table.Rows = append(s.Table.Rows, []string{"why", line})
	}
	if t.Dimension == results.DimensionPair {
		s.Figures = pairMaps(t)
	}
	head, rows := content.TuningTable(t)
	s.Tables = append(s.Tables, table{Title: "What was tried", Head: head, Rows: rows})
	if head, rows := content.FaultTable(t); len(head) > 1 {
		s.Tables = append(s.Tables, table{Title: "Unavailability after a fault: median–longest", Head: head, Rows: rows})
	}
	if t.Compared != nil {
		s.Tables = append(s.Tables, comparedTable(t.Compared))
	}
	s.Tables = append(s.Tables, experimentTable(t.Cluster, t.Environment, "tuning", t.ID))
	return page{Title: "etcdbench tune " + words.Clean(t.Workload), Sections: []section{s}}.write(w, nil)
}

func comparedTable(c *results.TuningComparison) table {
	t := table{
		Title: fmt.Sprintf("Recommended against the defaults, in %s of two runs", words.Plural(c.Rounds, "round", "rounds")),
		Head:  []string{"metric", "defaults", "recommended", "change", "from", "to", "conclusion"},
	}
	if c.Candidate != "" {
		t.Title = fmt.Sprintf("%s against the defaults, in %s of two runs", words.Clean(c.Candidate), words.Plural(c.Rounds, "round", "rounds"))
		t.Head[2] = words.Clean(c.Candidate)
	}
	for _, m := range c.Metrics {
		if m.Verdict != results.NotMeasured {
			change, low, high := content.MetricChange(m)
			t.Rows = append(t.Rows, []string{
				words.Clean(m.Name), content.MetricValue(m, m.Baseline), content.MetricValue(m, m.Candidate), change, low, high,
				cmp.Or(words.Clean(c.Words[m.Name]), "–"),
			})
		}
	}
	return t
}

// pairMeasure is a figure of a pair of heartbeat interval and election timeout, of
// which a heat map is drawn. A value of 0 or less is one that was not measured.
type pairMeasure struct {
	title, caption string
	value          func(x results.Tried) float64
	print          func(x results.Tried) string
}

// pairMeasures are the figures of pairs that are drawn.
var pairMeasures = [...]pairMeasure{
	{
		title: "p99 in steady state", caption: "Response times under load, before any fault.",
		value: func(x results.Tried) float64 { return x.P99 },
		print: func(x results.Tried) string { return content.TriedCell(x, "p99", x.P99) },
	},
	{
		title: "Elections an hour, at most",
		caption: "The 95 % upper bound of elections that nobody asked for: short stretches leave it high even where " +
			"there was none.",
		value: func(x results.Tried) float64 { return x.ElectionsPerHour },
		print: func(x results.Tried) string { return words.Rate(x.ElectionsPerHour) },
	},
	{
		title: "Failover",
		caption: "Unavailability after the leader was killed, paused or cut off: the median, which shades, and the p99 " +
			"(of few, the longest).",
		value: func(x results.Tried) float64 { return x.Failover },
		print: content.FailoverText,
	},
}

// pairMaps are heat maps of what was tried, by heartbeat interval and election timeout.
func pairMaps(t *results.Tuning) (figures []figure) {
	if len(t.Tried) < 2 {
		return nil
	}
	for _, measure := range pairMeasures {
		if m := newPairMap(t.Tried, measure); m.high > 0 {
			figures = append(figures, m.figure(t))
		}
	}
	return figures
}

// pairMap is a heat map of one measure: heartbeat intervals from top to bottom,
// election timeouts from left to right.
type pairMap struct {
	pairMeasure
	heartbeats, elections []time.Duration
	low, high             float64 // of what was measured
	width                 float64 // of a cell
}

// pairHeight is the height of a cell.
const pairHeight = 44

func newPairMap(tried []results.Tried, measure pairMeasure) pairMap {
	m := pairMap{pairMeasure: measure, low: math.Inf(1)}
	for _, x := range tried {
		m.heartbeats, m.elections = append(m.heartbeats, x.Heartbeat), append(m.elections, x.Election)
		if v := m.value(x); v > 0 {
			m.low, m.high = min(m.low, v), max(m.high, v)
		}
	}
	slices.Sort(m.heartbeats)
	slices.Sort(m.elections)
	m.heartbeats, m.elections = slices.Compact(m.heartbeats), slices.Compact(m.elections)
	m.width = min(160, (chartWidth-marginLeft-marginRight)/float64(len(m.elections)))
	return m
}

// figure draws a cell for each pair, the darker the more. What could not be measured
// is crossed out.
func (m pairMap) figure(t *results.Tuning) figure {
	foot := marginTop + pairHeight*len(m.heartbeats)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s" tabindex="0">`,
		chartWidth, foot+marginFoot, html.EscapeString(m.title+" by heartbeat interval and election timeout"))
	for i, e := range m.elections {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			marginLeft+m.width*(float64(i)+0.5), foot+18, html.EscapeString(e.String()))
	}
	for i, h := range m.heartbeats {
		fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d" text-anchor="end">%s</text>`,
			marginLeft-8, marginTop+pairHeight*i+pairHeight/2+4, html.EscapeString(h.String()))
	}
	tab := table{Head: []string{"pair", m.title}}
	for _, x := range t.Tried {
		label := m.drawPair(&b, x, x.Name == t.Recommended)
		tab.Rows = append(tab.Rows, []string{words.Clean(x.Name), label})
	}
	b.WriteString("</svg>")
	return figure{
		Title: m.title, SVG: template.HTML(b.String()), Table: tab,
		Caption: "Heartbeat intervals from top to bottom, election timeouts from left to right. " + m.caption +
			" ★: recommended. ✕: could not be measured.",
	}
}

// drawPair draws a pair's cell and returns its figure.
func (m pairMap) drawPair(b *strings.Builder, x results.Tried, recommended bool) string {
	left := marginLeft + m.width*float64(slices.Index(m.elections, x.Election))
	top := float64(marginTop + pairHeight*slices.Index(m.heartbeats, x.Heartbeat))
	v, label, shade := m.value(x), "✕", 0.0
	if v > 0 && x.Finding == "" {
		label, shade = m.print(x), 0.08
		if m.high > m.low {
			shade += 0.4 * math.Log(v/m.low) / math.Log(m.high/m.low)
		}
	}
	class, star := "grid", ""
	if recommended {
		class, star = "member", " ★"
	}
	fmt.Fprintf(b, `<rect class="heat" fill-opacity="%.2f" x="%.1f" y="%g" width="%.1f" height="%d"><title>%s</title></rect>`,
		shade, left+1, top+1, m.width-2, pairHeight-2, html.EscapeString(words.Clean(x.Name+" "+x.Finding)))
	fmt.Fprintf(b, `<rect class="%s" fill="none" x="%.1f" y="%g" width="%.1f" height="%d"/>`,
		class, left+1, top+1, m.width-2, pairHeight-2)
	fmt.Fprintf(b, `<text class="cell" x="%.1f" y="%g" text-anchor="middle">%s</text>`,
		left+m.width/2, top+pairHeight/2+5, html.EscapeString(label+star))
	return label
}
