package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

func writeVerdictText(w io.Writer, v *results.Verdict) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("%s: %s", t.mark(strings.ToUpper(words.Clean(v.Verdict))), words.Clean(v.Reason))
	t.line("  %s", content.VerdictSubject(v))
	if v.Rules != nil {
		t.line("  %s; false fails ≤ %.3g %%, false passes ≤ %.3g %%", content.RoundsLine(v), 100*v.Rules.FalseFail, 100*v.Rules.FalsePass)
		t.line("")
	}
	t.parts(v)
	if v.Rules != nil && len(v.Parts) == 0 {
		head, rows := content.MetricTable(v)
		lines := []string{strings.Join(head[:len(head)-1], "\t")}
		for _, row := range rows {
			lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
		}
		t.figuresAndWords("", lines, head[len(head)-1], rows)
		for _, line := range content.MetricLegend() {
			t.line("  %s", line)
		}
	}
	for _, row := range content.CheckRows(v) {
		line := row[0] + ": " + row[1]
		if row[2] != "" {
			line += ", " + row[2]
		}
		t.line("  %s: %s", line, t.mark(row[3]))
	}
	for _, c := range content.ChangeLines(v) {
		t.line("  %s", c)
	}
	for _, n := range content.NoiseLines(v) {
		t.line("  %s", n)
	}
	for _, line := range content.ProofLines(v) {
		t.line("  %s", line)
	}
	for _, line := range content.RunEventLines(v) {
		t.line("  %s", line)
	}
	for _, d := range v.Dropped {
		t.line("  round %d was dropped: %s", d.Round, words.Clean(d.Reason))
	}
	t.warnings(v.Warnings)
	if v.Machine != "" {
		t.line("")
		t.line("  machine  %s", words.Clean(v.Machine))
	}
	return t.flush(w)
}

// parts writes the scenarios of a release check.
func (t text) parts(v *results.Verdict) {
	if len(v.Parts) == 0 {
		return
	}
	head, rows := content.PartTable(v)
	t.tableWithWords(head, rows)
	for _, line := range content.PartLines(v) {
		t.line("  %s", line)
	}
}

// wordsReserve is how many columns a table leaves for the beginning of the words behind it.
const wordsReserve = 14

// figuresAndWords aligns figures under an indent, and puts words behind them: the
// last cell of each row.
func (t text) figuresAndWords(indent string, figures []string, head string, rows [][]string) {
	lines, left := t.align(figures, len(indent)+wordsReserve)
	for i, line := range lines {
		word := head
		if i > 0 {
			word = t.mark(rows[i-1][len(rows[i-1])-1])
		}
		t.line("%s%s  %s", indent, line, word)
	}
	t.leftOut(left)
}

func writeVerdictMarkdown(w io.Writer, v *results.Verdict) error {
	var b strings.Builder
	icon := cmp.Or(map[string]string{results.Pass: "✅", results.Fail: "❌"}[v.Verdict], "⚠️")
	fmt.Fprintf(&b, "## %s %s: %s\n\n%s\n\n", icon, md(v.Verdict), md(v.Reason), md(content.VerdictSubject(v)))
	if len(v.Parts) > 0 {
		head, rows := content.PartTable(v)
		if v.Rules != nil {
			fmt.Fprintf(&b, "False fails of all scenarios together: %.3g %% at most.\n", 100*v.Rules.FalseFail)
		}
		markdownTable(&b, "llrrrl", head, rows)
	} else if v.Rules != nil {
		fmt.Fprintf(&b, "%s. %s\n", md(content.RoundsLine(v)), strings.Join(content.MetricLegend(), " "))
		head, rows := content.MetricTable(v)
		markdownTable(&b, "lrrrrrrrl", head, rows)
	}
	if rows := content.CheckRows(v); len(rows) > 0 {
		markdownTable(&b, "lrll", []string{"threshold", "measured", "windows", "verdict"}, rows)
	}
	for _, line := range slices.Concat(
		content.PartLines(v), content.ChangeLines(v), content.NoiseLines(v), content.ProofLines(v), content.RunEventLines(v),
	) {
		fmt.Fprintf(&b, "- %s\n", md(line))
	}
	for _, d := range v.Dropped {
		fmt.Fprintf(&b, "- round %d was dropped: %s\n", d.Round, md(d.Reason))
	}
	markdownEnd(&b, v.Warnings, v.Machine)
	return writeCut(w, b.String())
}

// writeVerdictJUnit has a case for each metric, threshold and change. Undecided ones are
// skipped, with the reason. A release check also has a suite for each scenario.
func writeVerdictJUnit(w io.Writer, v *results.Verdict) error {
	suites := junitSuites{Suites: []junitSuite{verdictSuite(v, "etcdbench.gate")}}
	for _, p := range v.Parts {
		suites.Suites = append(suites.Suites, verdictSuite(&p, "etcdbench.qualify."+words.Clean(p.Workload)))
	}
	return suites.write(w)
}

func verdictSuite(v *results.Verdict, class string) junitSuite {
	s := newJUnitSuite("etcdbench gate "+content.VerdictSubject(v), v.Started, v.Ended)
	s.judge(class, "verdict", v.Verdict, words.Clean(v.Verdict)+": "+words.Clean(v.Reason))
	for _, m := range v.Metrics {
		if m.Primary {
			message := words.Clean(m.Verdict)
			if m.Verdict != results.NotMeasured {
				change, low, high := content.MetricChange(m)
				margin, detectable := content.MetricMargin(m)
				message += fmt.Sprintf(": %s, from %s to %s, margin %s, detectable %s", change, low, high, margin, detectable)
			}
			s.judge(class, words.Clean(m.Name), m.Verdict, message)
		}
	}
	for _, row := range content.CheckRows(v) {
		verdict, _, _ := strings.Cut(row[3], ":")
		s.judge(class, row[0], verdict, row[1]+" "+row[2]+" "+row[3])
	}
	for i, line := range content.ChangeLines(v) {
		if v.Changes[i].Alert {
			s.judge(class, line, results.Fail, line)
		} else {
			s.judge(class, line, results.Pass, line)
		}
	}
	return s
}
