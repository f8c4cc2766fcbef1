package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

func writeTuningText(w io.Writer, t *results.Tuning) error {
	var b strings.Builder
	p := newText(w, &b)
	p.line("tuning %s: %s at %s/s", content.TuningSubject(t), words.Clean(t.Workload), words.Rate(t.Rate))
	p.line("  %s", content.TuningAnswer(t))
	for _, line := range content.TuningReasons(t) {
		p.line("    %s", line)
	}
	if len(t.Settings) > 0 {
		p.line("")
		for _, as := range content.SettingsAs(t.Settings) {
			p.line("  %-11s  %s", as[0], strings.ReplaceAll(as[1], "\n", "\n               "))
		}
	}
	p.line("")
	head, rows := content.TuningTable(t)
	p.tableWithWords(head, rows)
	if head, rows := content.FaultTable(t); len(head) > 1 {
		p.line("  unavailability: from the intended time of the first failed or late arrival until the rate recovered; median–longest")
		p.tableWithWords(append(head, ""), appendColumn(rows, ""))
	}
	p.line("  cluster  %s", content.DescribeCluster(t.Cluster, t.Environment.Disk))
	p.line("  machine  %s", content.DescribeMachine(t.Environment))
	return p.flush(w)
}

// tableWithWords aligns all columns to the right but the last, which is words.
func (t text) tableWithWords(head []string, rows [][]string) {
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("  ", lines, head[len(head)-1], rows)
	t.line("")
}

func appendColumn(rows [][]string, value string) (wider [][]string) {
	for _, row := range rows {
		wider = append(wider, append(slices.Clone(row), value))
	}
	return wider
}

func writeTuningMarkdown(w io.Writer, t *results.Tuning) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## etcdbench tune %s: %s\n\n%s, at %s/s\n\n",
		md(t.Workload), md(content.TuningAnswer(t)), md(content.TuningSubject(t)), words.Rate(t.Rate))
	for _, line := range content.TuningReasons(t) {
		fmt.Fprintf(&b, "- %s\n", md(line))
	}
	if len(t.Settings) > 0 {
		var rows [][]string
		for _, as := range content.SettingsAs(t.Settings) {
			rows = append(rows, []string{as[0], strings.ReplaceAll(as[1], "\n", "; ")})
		}
		markdownTable(&b, "ll", []string{"form", "settings"}, rows)
	}
	head, rows := content.TuningTable(t)
	markdownTable(&b, "lrrrrrrrrrl", head, rows)
	if head, rows := content.FaultTable(t); len(head) > 1 {
		paragraph(&b)
		b.WriteString("Unavailability after a fault: median–longest\n")
		markdownTable(&b, "l", head, rows)
	}
	markdownEnd(&b, nil, content.DescribeCluster(t.Cluster, t.Environment.Disk), content.DescribeMachine(t.Environment))
	return writeCut(w, b.String())
}

// writeTuningJUnit has one case, which is skipped where nothing can be recommended.
func writeTuningJUnit(w io.Writer, t *results.Tuning) error {
	s := newJUnitSuite("etcdbench tune "+words.Clean(t.Workload)+" "+words.Clean(t.ID), t.Started, t.Ended)
	verdict := results.Pass
	if t.Recommended == "" || t.Confirmation == results.Unconfirmed {
		verdict = results.Inconclusive
	}
	text := content.TuningAnswer(t)
	if reasons := content.TuningReasons(t); len(reasons) > 0 {
		text += ": " + reasons[0]
	}
	s.judge("etcdbench.tune", "recommended", verdict, text)
	return junitSuites{Suites: []junitSuite{s}}.write(w)
}
