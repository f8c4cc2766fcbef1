package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

func writePublishedText(w io.Writer, p *results.Published) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("published figures of etcd's operations guide and measured figures")
	t.line("")
	head, rows := content.PublishedTable(p)
	t.tableWithWords(head, rows)
	for _, line := range content.PublishedNotes(p) {
		t.line("  %s", line)
	}
	return t.flush(w)
}

func writePublishedMarkdown(w io.Writer, p *results.Published) error {
	var b strings.Builder
	b.WriteString("## Published figures of etcd's operations guide and measured figures\n")
	head, rows := content.PublishedTable(p)
	markdownTable(&b, "lrrrrrrl", head, rows)
	for _, line := range content.PublishedNotes(p) {
		fmt.Fprintf(&b, "- %s\n", md(line))
	}
	return writeCut(w, b.String())
}
