package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/html"
	"github.com/etcdbench/etcdbench/results/judge"
)

// ScaleComparisons returns the formats of a comparison of scale experiments.
func ScaleComparisons() FormatsOf[ScaleCompared] {
	return FormatsOf[ScaleCompared]{
		{"text", writeScaleComparedText}, {"json", writeScaleComparedJSON}, {"markdown", writeScaleComparedMarkdown},
		{"html", html.WriteScaleCompared},
	}
}

func writeScaleComparedText(w io.Writer, c ScaleCompared) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("%s", c.Title())
	for _, note := range c.Notes() {
		t.line("  %s", note)
	}
	t.line("")
	t.tableWithWords(c.Table())
	t.line("  %s", c.Note())
	return t.flush(w)
}

func writeScaleComparedMarkdown(w io.Writer, c ScaleCompared) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", md(c.Title()))
	for _, note := range c.Notes() {
		fmt.Fprintf(&b, "- %s\n", md(note))
	}
	head, rows := c.Table()
	markdownTable(&b, "lrrrrl", head, rows)
	paragraph(&b)
	fmt.Fprintf(&b, "%s\n", md(c.Note()))
	return writeCut(w, b.String())
}

// scaleComparisonSchema names the version of the document of a comparison of ladders.
const scaleComparisonSchema = "etcdbench.scale-comparison/v1"

func writeScaleComparedJSON(w io.Writer, c ScaleCompared) error {
	d := struct {
		Schema      string             `json:"schema"`
		Base        []string           `json:"base"`
		Candidate   []string           `json:"candidate"`
		Differences []string           `json:"differences"`
		Ratios      []judge.ScaleRatio `json:"ratios"`
	}{
		Schema: scaleComparisonSchema, Differences: slices.Concat([]string{}, c.Differences),
		Ratios: slices.Concat([]judge.ScaleRatio{}, c.Rows),
	}
	for _, s := range c.Base {
		d.Base = append(d.Base, s.ID)
	}
	for _, s := range c.Candidate {
		d.Candidate = append(d.Candidate, s.ID)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}
