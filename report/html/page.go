// Package html writes reports as pages with charts. A page is one file that loads
// nothing: its style and script are inside it, its charts are SVG, and a content
// policy lets no other script run. Each page is a pure function of its documents.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// These types are the parts of the page, in the form that its template needs.
type (
	page struct {
		Title, Policy string
		Style         template.CSS
		Script        template.JS
		Chapters      []chapter
	}
	// chapter is about one run, one experiment, or several runs together: what matters
	// first, then parts that are folded.
	chapter struct {
		ID, Title, Lead string
		// Alert means that the run did not complete.
		Alert   string
		Cards   []verdictCard
		Notes   []string
		Figures []figure
		Tables  []table
		// Links lead to the pages of parts of an experiment, in its directory.
		Links []pageLink
		Facts []fact
		Parts []part
	}
	// pageLink is a link to a page whose place is relative to this one.
	pageLink struct{ Name, Place string }
	// part is a folded piece of a chapter.
	part struct {
		ID, Title string
		Open      bool
		Notes     []string
		Slow      []slowStretch
		Figures   []figure
		// Pairs are charts of one operation each, side by side.
		Pairs []pair
		// Small are charts of which three lie side by side, with one key and one axis.
		Small  []figure
		Key    []keyEntry
		At     string
		Tables []table
		Views  []frame
	}
	pair struct {
		Title   string
		Figures []figure
	}
	// fact is a line about where and how a run was made. Flags are shown one by one, each
	// unbroken.
	fact struct {
		Name, Value string
		Flags       []string
	}
	verdictCard struct{ Name, Class, Value, Detail string }
	table       struct {
		Title string
		Head  []string
		Rows  [][]string
		// Words means that cells contain text, not figures.
		Words bool
		// Lines means that each cell but the last is one line.
		Lines bool
		// Label is the table's name for screen readers where it has no title of its own.
		Label string
	}
	figure struct {
		Title, Caption string
		SVG            template.HTML
		Key            []keyEntry
		Table          table
		// At is where the table's rows lie along the chart's x.
		At string
	}
	// keyEntry names a line, or the marks of a shape.
	keyEntry struct {
		Class, Name string
		Shape       string
	}
	slowStretch struct {
		What   string
		Causes []string
	}
	frame struct {
		Title, Caption string
		Frame          template.HTML
	}
)

// empty reports whether the part shows nothing.
func (p part) empty() bool {
	return len(p.Notes)+len(p.Slow)+len(p.Figures)+len(p.Pairs)+len(p.Small)+len(p.Views) == 0 &&
		!slices.ContainsFunc(p.Tables, func(t table) bool { return len(t.Rows) > 0 })
}

// tablePart is a part that is one table.
func tablePart(id string, t table) part {
	return part{ID: id, Title: t.Title, Tables: []table{{Head: t.Head, Rows: t.Rows, Words: t.Words, Lines: t.Lines, Label: t.Title}}}
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
	var all [][]column
	var runs []chapter
	for i, d := range docs {
		c, columns, err := newRunChapter(d)
		if err != nil {
			return err
		}
		if len(docs) > 1 {
			c.Title = runName(i, d) + ": " + c.Title
		}
		p.Title += " " + words.Clean(d.Plan.Workload)
		runs = append(runs, c)
		all = append(all, columns)
	}
	if len(docs) > 1 {
		p.Chapters = append(p.Chapters, overlay(docs, all, compared))
	}
	p.Chapters = append(p.Chapters, runs...)
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
	p.number()
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

// sentence is a text that begins with a capital letter.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// frames shows pages in frames that can do nothing but run their own scripts.
func frames(views []content.View) []frame {
	// Within single quotes, as these pages are full of double ones.
	quote := strings.NewReplacer("&", "&amp;", "'", "&#39;")
	var list []frame
	for _, v := range views {
		height := ""
		if v.Height > 0 {
			height = fmt.Sprintf(` style="height: %dpx"`, v.Height)
		}
		list = append(list, frame{
			v.Title, v.Caption,
			template.HTML(fmt.Sprintf(`<iframe sandbox="allow-scripts" title="%s"%s srcdoc='%s'></iframe>`,
				html.EscapeString(v.Title), height, quote.Replace(v.Page))),
		})
	}
	return list
}

// number assigns chapters and parts their names within the page, and removes empty ones.
func (p *page) number() {
	for i := range p.Chapters {
		c := &p.Chapters[i]
		labelTables(c.Figures)
		c.ID = fmt.Sprintf("c%d", i+1)
		c.Parts = slices.DeleteFunc(c.Parts, part.empty)
		for k := range c.Parts {
			c.Parts[k].ID = c.ID + "-" + c.Parts[k].ID
			labelTables(c.Parts[k].Figures)
			labelTables(c.Parts[k].Small)
			for _, pair := range c.Parts[k].Pairs {
				labelTables(pair.Figures)
			}
		}
	}
}

// labelTables names the tables of figures by the figures' titles.
func labelTables(figures []figure) {
	for i := range figures {
		figures[i].Table.Label = figures[i].Title
	}
}
