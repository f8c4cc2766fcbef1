// Package html writes reports as pages with charts. A page is one file that loads
// nothing: its style and script are inside it, its charts are SVG, and a content
// policy lets no other script run. Each page is a pure function of its documents.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// The parts of the page, as its template wants them.
type (
	page struct {
		Title, Policy string
		Style         template.CSS
		Script        template.JS
		Sections      []section
		Articles      []article
	}
	// section is a part of the page that is not about one run alone.
	section struct {
		Title, Lead string
		Cards       []verdictCard
		Notes       []string
		Table       table
		Figures     []figure
		Views       []frame
		Tables      []table
	}
	article struct {
		Name, Workload, Load, Outcome string
		Verdicts                      []verdictCard
		Operations                    table
		Counts                        []string
		Charts                        []figure
		Slow                          []slowStretch
		MemberKey                     []keyEntry
		MembersAt                     string
		Members                       []figure
		Profiles                      []table
		ProfileNotes                  []string
		Views                         []frame
		Tables                        []table
	}
	verdictCard struct{ Name, Class, Value, Detail string }
	table       struct {
		Title string
		Head  []string
		Rows  [][]string
		// Words says that cells hold text, not figures.
		Words bool
	}
	figure struct {
		Title, Caption string
		SVG            template.HTML
		Key            []keyEntry
		Table          table
		// At is where the table's rows lie along the chart's x.
		At string
	}
	keyEntry    struct{ Class, Name string }
	slowStretch struct {
		What   string
		Causes []string
	}
	frame struct {
		Title, Caption string
		Frame          template.HTML
	}
)

// Color returns the name of the entry's colour in the style sheet.
func (k keyEntry) Color() string {
	name, _, _ := strings.Cut(k.Class, " ")
	if name == "target" {
		return "dim"
	}
	return name
}

// WriteComparison writes one page of both sides of a comparison, which begins with
// the comparison.
func WriteComparison(w io.Writer, c content.Compared) error {
	return writePage(w, slices.Concat(c.Base, c.Candidate), &c)
}

// Write writes one page that loads nothing: of one run, or of several, first
// overlaid and then one after the other.
func Write(w io.Writer, docs []content.Document) error { return writePage(w, docs, nil) }

// writePage begins with the comparison, where the runs are two sides of one.
func writePage(w io.Writer, docs []content.Document, compared *content.Compared) error {
	p := page{Title: "etcdbench"}
	if compared != nil {
		p.Sections = append(p.Sections, comparisonSection(*compared))
	}
	var all []runColumns
	for i, d := range docs {
		a, columns, err := newArticle(d)
		if err != nil {
			return err
		}
		if len(docs) > 1 {
			a.Name = runName(i, d)
		}
		p.Title += " " + a.Workload
		p.Articles = append(p.Articles, a)
		all = append(all, runColumns{d, columns})
	}
	if len(docs) > 1 {
		p.Sections = append(p.Sections, overlay(all))
	}
	var pages []string
	for _, d := range docs {
		for _, v := range slices.Concat(d.Views, d.Differences) {
			pages = append(pages, v.Page)
		}
	}
	return p.write(w, pages)
}

// write writes the page. Scripts run only where their text is known: our own, and
// those of the pages that are shown in frames.
func (p page) write(w io.Writer, frames []string) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p.Style, p.Script = template.CSS(pageStyle), template.JS(pageScript)
	scripts := []string{scriptHash(pageScript)}
	for _, text := range frames {
		for _, script := range scriptElement.FindAllStringSubmatch(text, -1) {
			if hash := scriptHash(script[1]); !slices.Contains(scripts, hash) {
				scripts = append(scripts, hash)
			}
		}
	}
	p.Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src " + strings.Join(scripts, " ")
	return t.Execute(w, p)
}

var scriptElement = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

func scriptHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// frames shows pages in frames that can do nothing but run their own scripts.
func frames(views []content.View) []frame {
	// Within single quotes, as these pages are full of double ones.
	quote := strings.NewReplacer("&", "&amp;", "'", "&#39;")
	var list []frame
	for _, v := range views {
		list = append(list, frame{
			v.Title, v.Caption,
			template.HTML(fmt.Sprintf(`<iframe sandbox="allow-scripts" title="%s" srcdoc='%s'></iframe>`,
				html.EscapeString(v.Title), quote.Replace(v.Page))),
		})
	}
	return list
}

func newArticle(d content.Document) (article, []column, error) {
	a := article{
		Workload: words.Clean(d.Plan.Workload), Load: content.Load(d.Plan), Verdicts: verdictCards(d.Run),
		Operations: operationTable(d.Run), Counts: countLines(d.Run), Views: frames(d.Views),
	}
	if d.Outcome != results.Completed {
		a.Outcome = words.Clean(string(d.Outcome)) + ": " + words.Clean(d.Reason)
	}
	seconds, members, err := readColumns(d)
	if err != nil && !errors.Is(err, content.ErrNoIntervals) {
		return a, nil, err
	}
	columns := joinColumns(seconds, maxColumns)
	if err := addSums(columns); err != nil {
		return a, nil, err
	}
	a.overTime(d.Run, seconds, columns, members)
	if f, ok := percentileFigure(d.Run); ok {
		a.Charts = append(a.Charts, f)
	}
	for _, s := range d.Slow {
		stretch := slowStretch{
			What: fmt.Sprintf("at %s for %s: %s", words.Duration(int64(s.Start)), words.Duration(int64(s.Length)), content.Slowness(s)),
		}
		for _, c := range s.Causes {
			stretch.Causes = append(stretch.Causes, words.Clean(c.Text))
		}
		a.Slow = append(a.Slow, stretch)
	}
	tables, notes := content.ProfileTables(d.Run)
	for _, p := range tables {
		t := table{Title: p.Title, Head: []string{"function", "its own", "share", "with what it called"}}
		for _, r := range p.Rows {
			t.Rows = append(t.Rows, []string{r.Name, r.Flat, r.Share, r.Cum})
		}
		a.Profiles = append(a.Profiles, t)
	}
	a.ProfileNotes = notes
	a.Tables = detailTables(d, happenedTable(columns))
	return a, columns, nil
}

// overTime draws the charts over time.
func (a *article) overTime(r *results.Run, seconds, columns []column, members []string) {
	if drawable(columns, func(c column) bool { return c.sum.Percentile(50).Resolved }) {
		a.Charts = append(a.Charts, latencyFigure(r, columns))
	}
	if !drawable(columns, func(c column) bool { return c.sum.Completed > 0 }) {
		return
	}
	a.Charts = append(a.Charts, throughputFigure(r, columns))
	if f, ok := heatFigure(r, joinColumns(columns, maxHeatColumns)); ok {
		a.Charts = append(a.Charts, f)
	}
	a.members(r, joinColumns(seconds, maxMemberColumns), members)
}

// countLines are what the workloads counted besides.
func countLines(r *results.Run) []string {
	var lines []string
	ops := content.Operations(r)
	for _, o := range ops {
		if s := content.Counts(o); s != "" {
			lines = append(lines, content.OperationName(r, o)+": "+s)
		}
	}
	return lines
}

// drawable says that there is something to draw: an empty chart says nothing.
func drawable(columns []column, has func(c column) bool) bool {
	return len(columns) > 1 && slices.ContainsFunc(columns, has)
}

func verdictCards(r *results.Run) []verdictCard {
	class := map[string]string{
		results.TargetMet: "good", results.TargetMissed: "bad", results.TargetUndecided: "warn",
		results.Valid: "good", results.Degraded: "warn", results.Invalid: "bad",
		results.Proved: "good", results.Violated: "bad", results.Incomplete: "warn",
	}
	var cards []verdictCard
	if t := r.Target; t.Verdict != results.TargetNone {
		detail := words.Clean(t.Verdict) + " of " + words.Rate(t.Writes) + " writes/s"
		if t.Reason != "" {
			detail += " (" + words.Clean(t.Reason) + ")"
		}
		cards = append(cards, verdictCard{"target", class[t.Verdict], words.Rate(t.Achieved) + " writes/s", detail})
	}
	why := ""
	if n := len(r.Validity.Reasons); n > 0 {
		why = words.Clean(r.Validity.Reasons[0].Message)
		if n > 1 {
			why += "; and " + words.Plural(n-1, "reason more", "reasons more") + " below"
		}
	}
	cards = append(cards, verdictCard{"validity", class[r.Validity.Verdict], words.Clean(r.Validity.Verdict), why})
	if a := r.Availability; a != nil {
		outages := "good"
		if a.Count > 0 {
			outages = "warn"
		}
		cards = append(cards, verdictCard{"availability", outages, words.Plural(a.Count, "outage", "outages"), content.Availability(a)})
	}
	if p := r.Proof; p != nil {
		var checks []string
		for _, c := range content.JoinChecks(p.Checks) {
			checks = append(checks, words.Clean(c.Name))
		}
		cards = append(cards, verdictCard{"proof", class[p.Verdict], words.Clean(p.Verdict), strings.Join(checks, ", ")})
	}
	if r.Profiled() {
		cards = append(cards, verdictCard{"profiled", "warn", "yes", "its figures include what profiling cost"})
	}
	return cards
}
