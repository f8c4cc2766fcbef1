package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// Compared is two sides of saved results.
type Compared struct {
	Base, Candidate []Document
	Rows            []results.Comparison
	// Differences are those of the first runs besides their figures.
	Differences []string
}

// comparisonSchema names the version of a comparison's document.
const comparisonSchema = "etcdbench.comparison/v1"

// WriteComparison writes two sides next to each other. Formats that have no form
// for a comparison get all results, the base's first.
func WriteComparison(w io.Writer, f Format, c Compared) error {
	switch f.Name {
	case "text":
		return c.text(w)
	case "markdown":
		return c.markdown(w)
	case "json":
		return c.json(w)
	case "html":
		return writePage(w, slices.Concat(c.Base, c.Candidate), &c)
	}
	return f.Write(w, slices.Concat(c.Base, c.Candidate))
}

// descriptive is said of intervals that are those of one run's own seconds.
const descriptive = "One run a side: intervals are those of each run's own seconds. What another run of the same would give is not in them."

func (c Compared) rows() (head []string, rows [][]string, one bool) {
	head = []string{"operation", "metric", "base", "candidate", "change", "95 % interval", "verdict"}
	for _, r := range c.Rows {
		one = one || r.Descriptive
		m := results.MetricVerdict{Unit: r.Unit}
		interval := "–"
		if r.Lower != nil {
			interval = percent(r.Lower, "") + " to " + percent(r.Upper, "")
		}
		word := clean(r.Word)
		if r.Word == results.Same {
			word = fmt.Sprintf("same within ±%.1f %%", 100*r.Within)
		}
		op := clean(r.Operation)
		if op == "" {
			op = "cost of one"
		}
		rows = append(rows, []string{op, clean(r.Metric), metricValue(m, r.Base), metricValue(m, r.Candidate), percent(&r.Change, ""), interval, word})
	}
	return head, rows, one
}

func (c Compared) title() string {
	return fmt.Sprintf("%s against %s", plural(len(c.Candidate), "run", "runs"), plural(len(c.Base), "run", "runs"))
}

func (c Compared) text(w io.Writer) error {
	var b strings.Builder
	t := text{&b}
	t.line("%s", c.title())
	for _, d := range c.Differences {
		t.line("  warning: they differ in %s", clean(d))
	}
	t.line("")
	head, rows, one := c.rows()
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("", lines, head[len(head)-1], rows)
	if one {
		t.line("  %s", descriptive)
	}
	for _, d := range c.Candidate {
		t.changes(d.Changes)
	}
	for side, docs := range map[string][]Document{"base": c.Base, "candidate": c.Candidate} {
		for _, d := range docs {
			for _, warning := range d.Warnings {
				if warning.Code == "profile-unreadable" {
					t.line("  warning: %s: %s", side, clean(warning.Message))
				}
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Compared) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", md(c.title()))
	for _, d := range c.Differences {
		fmt.Fprintf(&b, "> they differ in %s\n\n", md(d))
	}
	head, rows, one := c.rows()
	fmt.Fprintf(&b, "| %s |\n|---|---|--:|--:|--:|--:|---|\n", strings.Join(head, " | "))
	for _, row := range rows {
		for i := range row {
			row[i] = md(row[i])
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	if one {
		fmt.Fprintf(&b, "\n%s\n", descriptive)
	}
	text := b.String()
	_, err := io.WriteString(w, text[:min(len(text), maxMarkdown)])
	return err
}

func (c Compared) json(w io.Writer) error {
	runs := func(docs []Document) []string {
		ids := []string{}
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		return ids
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Schema      string               `json:"schema"`
		Base        []string             `json:"base"`
		Candidate   []string             `json:"candidate"`
		Differences []string             `json:"differences"`
		Comparisons []results.Comparison `json:"comparisons"`
	}{comparisonSchema, runs(c.Base), runs(c.Candidate), slices.Concat([]string{}, c.Differences), slices.Concat([]results.Comparison{}, c.Rows)})
}

// section is the comparison's part of a page.
func (c Compared) section() section {
	head, rows, one := c.rows()
	s := section{Title: c.title(), Table: table{Head: head, Rows: rows}}
	if one {
		s.Lead = descriptive
	}
	return s
}
