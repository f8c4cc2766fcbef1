package html

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// WriteTuning writes the page of a tuning: the recommendation, the reasons, and the settings
// that were tried.
func WriteTuning(w io.Writer, t *results.Tuning) error {
	c := chapter{
		Title: "Tuning: " + content.TuningAnswer(t),
		Lead:  sentence(content.TuningSubject(t) + "; " + words.Clean(t.Workload) + " at " + words.Rate(t.Rate) + "/s"),
		Cards: tuningCards(t),
	}
	settings := table{Title: "Recommended settings and reasons", Words: true}
	if len(t.Settings) > 0 {
		for _, as := range content.SettingsAs(t.Settings) {
			settings.Rows = append(settings.Rows, []string{as[0], strings.ReplaceAll(as[1], "\n", "; ")})
		}
	}
	for _, line := range content.TuningReasons(t) {
		settings.Rows = append(settings.Rows, []string{"reason", line})
	}
	c.Tables = []table{settings}
	if f, ok := faultDots(t); ok {
		c.Figures = append(c.Figures, f)
	}
	if f, ok := traceFigure(t); ok {
		c.Figures = append(c.Figures, f)
	}
	for _, row := range experimentTable(t.Cluster, t.Environment, "tuning", t.ID).Rows {
		c.Facts = append(c.Facts, fact{Name: row[0], Value: row[1]})
	}
	head, rows := content.TuningTable(t)
	head[len(head)-1] = "remarks"
	tried := tablePart("tried", table{Title: "Settings tried", Words: true, Lines: true, Head: head, Rows: unbroken(rows)})
	tried.Open = true
	c.Parts = append(c.Parts, tried)
	if head, rows := content.FaultTable(t); len(head) > 1 {
		c.Parts = append(c.Parts, tablePart("faults", table{Title: "Unavailability after a fault: median–longest", Head: head, Rows: rows}))
	}
	if t.Compared != nil {
		c.Parts = append(c.Parts, tablePart("compared", comparedTable(t.Compared)))
	}
	return page{Title: "etcdbench tune " + words.Clean(t.Workload), Chapters: []chapter{c}}.write(w, nil)
}

// tuningCards are the recommendation, its failover, and whether it was confirmed.
func tuningCards(t *results.Tuning) []verdictCard {
	if t.Recommended == "" {
		return nil
	}
	recommended := verdictCard{Name: "recommended", Value: words.Clean(t.Recommended)}
	if len(t.Settings) > 0 {
		recommended.Detail = content.SettingsAs(t.Settings)[0][1]
	}
	cards := []verdictCard{recommended}
	failover := verdictCard{Name: "failover, median"}
	for _, x := range t.Tried {
		switch {
		case x.Failover <= 0:
		case x.Name == t.Recommended:
			failover.Value = words.Duration(int64(x.Failover))
		case x.Default:
			failover.Detail = "the defaults: " + words.Duration(int64(x.Failover))
		}
	}
	if failover.Value != "" {
		cards = append(cards, failover)
	}
	if t.Confirmation != "" {
		class := map[string]string{results.Confirmed: "good", results.Withdrawn: "bad"}[t.Confirmation]
		card := verdictCard{Name: "confirmation", Class: cmp.Or(class, "warn"), Value: words.Clean(t.Confirmation)}
		if t.Compared != nil {
			card.Detail = words.Clean(t.Compared.Text)
		}
		cards = append(cards, card)
	}
	return cards
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

// The plot of outages has a row for each kind of fault and choice of settings.
const (
	dotsLeft   = 230
	dotsHeight = 24
)

// faultRow is the outages after one kind of fault with one choice of settings.
type faultRow struct {
	tried results.Tried
	times results.FaultTimes
}

// faultRows returns the rows of a tuning, by the kind of fault.
func faultRows(t *results.Tuning) (rows []faultRow) {
	for _, fault := range results.Faults() {
		for _, x := range t.Tried {
			for _, f := range x.Faults {
				if f.Fault == fault {
					rows = append(rows, faultRow{x, f})
				}
			}
		}
	}
	return rows
}

// faultDots draws a dot for each fault: how long the cluster was unavailable after it.
func faultDots(t *results.Tuning) (figure, bool) {
	rows := faultRows(t)
	longest := time.Duration(0)
	for _, r := range rows {
		for _, d := range r.times.Outages {
			longest = max(longest, d)
		}
	}
	if longest == 0 {
		return figure{}, false
	}
	u := timeUnit(float64(longest))
	title := "Unavailability after each fault (" + u.name + ")"
	x := axis{low: 0, high: 1.08 * float64(longest), from: dotsLeft, to: chartWidth - marginRight}
	foot := marginTop
	for i, r := range rows {
		foot += dotsHeight
		if i == 0 || rows[i-1].times.Fault != r.times.Fault {
			foot += dotsHeight
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, foot+marginFoot,
		title+": a dot for each fault, by kind of fault and settings")
	for _, v := range x.ticks(8) {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x.place(v), marginTop, foot, x.place(v), foot+18, html.EscapeString(u.label(v)))
	}
	tab := table{Head: []string{"fault", "settings", "faults", "median", "longest", "not detectable"}}
	y := marginTop
	for i, r := range rows {
		if i == 0 || rows[i-1].times.Fault != r.times.Fault {
			y += dotsHeight
			fmt.Fprintf(&b, `<text class="cell" x="0" y="%d">%s</text>`, y-6, html.EscapeString(words.Clean(r.times.Fault)))
		}
		y += dotsHeight
		r.draw(&b, x, y-dotsHeight/2, r.tried.Name == t.Recommended)
		tab.Rows = append(tab.Rows, []string{
			words.Clean(r.times.Fault), words.Clean(r.tried.Name), words.Count(len(r.times.Outages)), words.Duration(int64(r.times.P50)),
			words.Duration(int64(slices.Max(append(r.times.Outages, 0)))), words.Count(r.times.Undetected),
		})
	}
	b.WriteString("</svg>")
	return figure{
		Title: title, SVG: template.HTML(b.String()), Table: tab,
		Caption: "Dot: unavailability after one fault. Ring at 0: too short to be detected. Bar: the median. ★: recommended.",
	}, true
}

// draw draws the row around the height y.
func (r faultRow) draw(b *strings.Builder, x axis, y int, recommended bool) {
	name, class := words.Clean(r.tried.Name), "s1"
	switch {
	case recommended:
		name, class = "★ "+name, "s3"
	case r.tried.Default:
		name += " (default)"
	}
	fmt.Fprintf(b, `<text class="tick" x="%d" y="%d" text-anchor="end">%s</text><path class="grid" d="M%d %dH%g"/>`,
		dotsLeft-12, y+4, html.EscapeString(clip(name, 34)), dotsLeft, y, x.to)
	for _, d := range r.times.Outages {
		kind := "dot"
		if d == 0 {
			kind = "ring"
		}
		fmt.Fprintf(b, `<circle class="%s %s" cx="%.1f" cy="%d" r="5"><title>%s</title></circle>`,
			kind, class, x.place(float64(d)), y, html.EscapeString(words.Duration(int64(d))))
	}
	if r.times.P50 > 0 {
		fmt.Fprintf(b, `<path class="median" d="M%.1f %dv16"/>`, x.place(float64(r.times.P50)), y-8)
	}
}
