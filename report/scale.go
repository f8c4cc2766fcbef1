package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

func writeScaleText(w io.Writer, s *results.Scale) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("%s", content.ScaleTitle(s))
	for _, note := range content.ScaleNotes(s) {
		t.line("  %s", note)
	}
	t.line("")
	if len(s.Rungs) > 0 {
		t.tableWithWords(content.ScaleTable(s))
		t.tableWithWords(content.ScaleEvents(s))
	}
	if note := content.ScaleFitNote(s); note != "" {
		t.line("  %s", note)
	}
	t.line("  cluster  %s", content.DescribeCluster(s.Cluster, s.Environment.Disk))
	t.line("  machine  %s", content.DescribeMachine(s.Environment))
	return t.flush(w)
}

func writeScaleMarkdown(w io.Writer, s *results.Scale) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## etcdbench %s\n\n", md(content.ScaleTitle(s)))
	for _, note := range content.ScaleNotes(s) {
		fmt.Fprintf(&b, "- %s\n", md(note))
	}
	if len(s.Rungs) > 0 {
		head, rows := content.ScaleTable(s)
		markdownTable(&b, "l"+strings.Repeat("r", len(s.Rungs))+"ll", head, rows)
		head, rows = content.ScaleEvents(s)
		markdownTable(&b, "llrrrrrrrrrl", head, rows)
	}
	if note := content.ScaleFitNote(s); note != "" {
		paragraph(&b)
		fmt.Fprintf(&b, "%s\n", words.Clean(md(note)))
	}
	markdownEnd(&b, s.Warnings, content.DescribeCluster(s.Cluster, s.Environment.Disk), content.DescribeMachine(s.Environment))
	return writeCut(w, b.String())
}

// writeScaleJUnit writes for CI systems whether all rungs were made, whether the generator
// did its job on each, and whether each event was over without an error. What was not
// measured is skipped.
func writeScaleJUnit(w io.Writer, s *results.Scale) error {
	suite := newJUnitSuite("etcdbench scale "+words.Clean(s.Workload)+" "+words.Clean(s.ID), s.Started, s.Ended)
	const class = "etcdbench.scale"
	suite.add(class, "all rungs", s.Stopped, "")
	for _, r := range s.Rungs {
		size := content.ScaleSize(r.Size)
		invalid := ""
		if r.Validity != results.Valid && r.Validity != "" {
			invalid = "the generator was " + r.Validity
		}
		suite.add(class, size+" validity", "", invalid)
		for _, e := range r.Events {
			suite.add(class, strings.TrimSpace(size+" "+words.Clean(e.Kind)+" "+words.Clean(e.Member)), e.Error, e.Skipped)
		}
	}
	for _, f := range judge.ScaleFigures(s) {
		for i := range s.Rungs {
			if v := f.Of(&s.Rungs[i]); v > 0 {
				name := words.Clean(f.Name) + "." + fmt.Sprint(s.Rungs[i].Size) + "." + f.Unit
				suite.Properties = append(suite.Properties, junitProperty{name, v})
			}
		}
	}
	return junitSuites{Suites: []junitSuite{suite}}.write(w)
}
