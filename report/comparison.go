package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

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

func writeComparisonText(w io.Writer, c Compared) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("%s", c.Title())
	for _, d := range c.Differences {
		t.line("  warning: the sides differ in %s", words.Clean(d))
	}
	t.line("")
	head, rows := c.Table()
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("", lines, head[len(head)-1], rows)
	if note := c.Note(); note != "" {
		t.line("  %s", note)
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
	return t.flush(w)
}

func writeComparisonMarkdown(w io.Writer, c Compared) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", md(c.Title()))
	for _, d := range c.Differences {
		fmt.Fprintf(&b, "> the sides differ in %s\n\n", md(d))
	}
	head, rows := c.Table()
	markdownTable(&b, "llrrrrl", head, rows)
	if note := c.Note(); note != "" {
		fmt.Fprintf(&b, "%s\n", note)
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

// writeComparisonCSV writes a line for each figure of each operation. Bounds that are not
// known are empty.
func writeComparisonCSV(w io.Writer, c Compared) error {
	out := csv.NewWriter(w)
	lines := [][]string{{
		"operation", "metric", "unit", "base", "base_is_lower_bound", "candidate", "candidate_is_lower_bound",
		"change", "change_lower", "change_upper", "verdict",
	}}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	bound := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	for _, r := range c.Rows {
		lines = append(lines, []string{
			words.Clean(r.Operation), words.Clean(r.Metric), words.Clean(r.Unit), number(r.Base), strconv.FormatBool(r.BaseAtLeast),
			number(r.Candidate), strconv.FormatBool(r.CandidateAtLeast), number(r.Change), bound(r.Lower), bound(r.Upper), words.Clean(r.Word),
		})
	}
	return out.WriteAll(lines)
}
