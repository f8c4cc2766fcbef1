package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
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
		markdownTable(&b, "l"+strings.Repeat("r", len(s.Rungs))+"l", head, rows)
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
