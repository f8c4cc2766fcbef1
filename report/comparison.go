package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/html"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// comparisonSchema names the version of a comparison's document.
const comparisonSchema = "etcdbench.comparison/v1"

// comparisonDocument is a comparison as JSON.
type comparisonDocument struct {
	Schema      string               `json:"schema"`
	Base        []string             `json:"base"`
	Candidate   []string             `json:"candidate"`
	Differences []string             `json:"differences"`
	Comparisons []results.Comparison `json:"comparisons"`
}

// WriteComparison writes two sides beside each other. Formats that have no form
// for a comparison get all results, those of the base first.
func WriteComparison(w io.Writer, f Format, c Compared) error {
	switch f.Name {
	case "text":
		return writeComparisonText(w, c)
	case "markdown":
		return writeComparisonMarkdown(w, c)
	case "json":
		return writeComparisonJSON(w, c)
	case "html":
		return html.WriteComparison(w, c)
	}
	return f.Write(w, slices.Concat(c.Base, c.Candidate))
}

func writeComparisonText(w io.Writer, c Compared) error {
	var b strings.Builder
	t := text{&b}
	t.line("%s", c.Title())
	for _, d := range c.Differences {
		t.line("  warning: they differ in %s", words.Clean(d))
	}
	t.line("")
	head, rows, one := c.Table()
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("", lines, head[len(head)-1], rows)
	if one {
		t.line("  %s", content.Descriptive)
	}
	for _, d := range c.Candidate {
		t.changes(d.Changes)
	}
	for _, side := range []struct {
		name string
		docs []Document
	}{{"base", c.Base}, {"candidate", c.Candidate}} {
		for _, d := range side.docs {
			for _, warning := range d.Warnings {
				if warning.Code == "profile-unreadable" {
					t.line("  warning: %s: %s", side.name, words.Clean(warning.Message))
				}
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeComparisonMarkdown(w io.Writer, c Compared) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", md(c.Title()))
	for _, d := range c.Differences {
		fmt.Fprintf(&b, "> they differ in %s\n\n", md(d))
	}
	head, rows, one := c.Table()
	markdownTable(&b, "llrrrrl", head, rows)
	if one {
		fmt.Fprintf(&b, "%s\n", content.Descriptive)
	}
	return writeCut(w, b.String())
}

func writeComparisonJSON(w io.Writer, c Compared) error {
	runs := func(docs []Document) []string {
		ids := []string{}
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		return ids
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(comparisonDocument{
		Schema: comparisonSchema, Base: runs(c.Base), Candidate: runs(c.Candidate),
		// Empty lists, rather than null.
		Differences: slices.Concat([]string{}, c.Differences),
		Comparisons: slices.Concat([]results.Comparison{}, c.Rows),
	})
}
