package report

import (
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/html"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// HistoryFormats returns the names of the formats of a history.
func HistoryFormats() []string { return []string{"text", "html"} }

// WriteHistory writes the target, latency and cost of each run, with the versions and machines
// at which they changed, and the changes of level. notes list what was left out.
func WriteHistory(w io.Writer, format string, runs []results.HistoryRun, changes []results.SeriesChange, notes []string) error {
	h := content.NewHistory(runs, changes, notes)
	if format == "html" {
		return html.WriteHistory(w, h)
	}
	return writeHistoryText(w, h)
}

func writeHistoryText(w io.Writer, h content.History) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("history of %s in %s", words.Plural(len(h.Runs), "run", "runs"), words.Plural(len(h.Series), "series", "series"))
	for _, s := range h.SeriesLines() {
		t.line("  %s", s)
	}
	t.line("")
	head, rows := h.Table()
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.table(lines)
	for i, c := range h.Changes {
		if c != "" {
			t.line("  new in %d: %s", i+1, c)
		}
	}
	for _, c := range h.Found {
		t.line("  change: %s", c)
	}
	for _, n := range h.Notes {
		t.line("  note: %s", words.Clean(n))
	}
	return t.flush(w)
}
