package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// percent is a share with its sign; an open bound is an infinity.
func percent(share *float64, open string) string {
	if share == nil {
		return open
	}
	return fmt.Sprintf("%+.1f %%", 100**share)
}

// metricRows are the metrics that were measured: name, medians, change, bounds,
// margin, what could have been detected, verdict.
func metricRows(v *results.Verdict) (head []string, rows [][]string) {
	head = []string{"metric", "baseline", "candidate", "worse by", "at least", "at most", "margin", "detectable", "verdict"}
	for _, m := range v.Metrics {
		name := clean(m.Name)
		if !m.Primary {
			name = "(" + name + ")"
		}
		if m.Verdict == results.NotMeasured {
			if m.Primary {
				rows = append(rows, []string{name, "–", "–", "–", "–", "–", "–", "–", m.Verdict})
			}
			continue
		}
		detectable := "–"
		if m.Detectable > 0 {
			detectable = fmt.Sprintf("%.1f %%", 100*m.Detectable)
		}
		verdict := clean(m.Verdict)
		if m.Note != "" {
			verdict += ": " + clean(m.Note)
		}
		rows = append(rows, []string{
			name, metricValue(m, m.Baseline), metricValue(m, m.Candidate), percent(&m.Estimate, ""), percent(m.Lower, "−∞"), percent(m.Upper, "+∞"),
			fmt.Sprintf("%.3g %%", 100*m.Margin), detectable, verdict,
		})
	}
	return head, rows
}

func metricValue(m results.MetricVerdict, v float64) string {
	switch m.Unit {
	case "ns":
		return duration(int64(v))
	case "bytes":
		return bytesPerOperation(v)
	case "/s":
		return rate(v) + "/s"
	}
	return threeDigits(v)
}

// checkRows are the thresholds: text, measured, windows, verdict.
func checkRows(v *results.Verdict) [][]string {
	var rows [][]string
	for _, c := range v.Checks {
		measured := rate(c.Value)
		if c.IsTime {
			measured = duration(int64(c.Value))
		}
		if c.AtLeast {
			measured = "≥ " + measured
		}
		windows := ""
		if c.Windows > 0 {
			windows = fmt.Sprintf("%d of %d windows, the worst at %s", c.Windows-c.Failed, c.Windows, duration(int64(c.At)))
		}
		verdict := clean(c.Verdict)
		if c.Reason != "" {
			verdict += ": " + clean(c.Reason)
		}
		rows = append(rows, []string{clean(c.Text), measured, windows, verdict})
	}
	return rows
}

// verdictHead says what was compared.
func verdictHead(v *results.Verdict) string {
	switch v.Gate {
	case "ab":
		return clean(v.Candidate) + " against " + clean(v.Baseline) + ", " + clean(v.Workload)
	case "aa":
		return clean(v.Baseline) + " against itself, " + clean(v.Workload)
	case "thresholds":
		return clean(v.Workload) + " " + clean(v.Candidate)
	}
	return clean(v.Workload)
}

func roundsLine(v *results.Verdict) string {
	line := fmt.Sprintf("%s of %d planned", plural(v.Rounds, "round", "rounds"), v.Planned)
	if len(v.Dropped) > 0 {
		line += fmt.Sprintf(", %d dropped", len(v.Dropped))
	}
	return line
}

func writeVerdictText(w io.Writer, v *results.Verdict) error {
	var b strings.Builder
	t := text{&b}
	t.line("%s: %s", strings.ToUpper(clean(v.Verdict)), clean(v.Reason))
	t.line("  %s", verdictHead(v))
	if v.Rules != nil {
		t.line("  %s; false fails ≤ %.3g %%, false passes ≤ %.3g %%", roundsLine(v), 100*v.Rules.FalseFail, 100*v.Rules.FalsePass)
		t.line("")
		head, rows := metricRows(v)
		lines := []string{strings.Join(head[:len(head)-1], "\t")}
		for _, row := range rows {
			lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
		}
		t.figuresAndWords("", lines, head[len(head)-1], rows)
		t.line("  worse by: more is worse, whatever the metric; at least and at most: the bounds of that;")
		t.line("  detectable: what this job would have failed nine times in ten; in brackets: not in the verdict")
	}
	for _, row := range checkRows(v) {
		line := row[0] + ": " + row[1]
		if row[2] != "" {
			line += ", " + row[2]
		}
		t.line("  %s: %s", line, row[3])
	}
	for _, c := range changeLines(v) {
		t.line("  %s", c)
	}
	for _, n := range noiseLines(v) {
		t.line("  %s", n)
	}
	for _, d := range v.Dropped {
		t.line("  round %d was dropped: %s", d.Round, clean(d.Reason))
	}
	t.warnings(v.Warnings)
	if v.Machine != "" {
		t.line("")
		t.line("  machine  %s", clean(v.Machine))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// figuresAndWords aligns figures under an indent, and puts words behind them: the
// last cell of each row.
func (t text) figuresAndWords(indent string, figures []string, head string, rows [][]string) {
	var b strings.Builder
	text{&b}.table(figures)
	i := -1
	for line := range strings.Lines(b.String()) {
		word := head
		if i >= 0 {
			word = rows[i][len(rows[i])-1]
		}
		t.line("%s%s  %s", indent, strings.TrimRight(line, "\n"), word)
		i++
	}
}

func writeVerdictMarkdown(w io.Writer, v *results.Verdict) error {
	var b strings.Builder
	icon := map[string]string{results.Pass: "✅", results.Fail: "❌"}[v.Verdict]
	fmt.Fprintf(&b, "## %s %s: %s\n\n%s\n\n", icon, md(v.Verdict), md(v.Reason), md(verdictHead(v)))
	if v.Rules != nil {
		fmt.Fprintf(&b, "%s. Worse by: more is worse. Detectable: what this job would have failed nine times in ten.\n\n", md(roundsLine(v)))
		head, rows := metricRows(v)
		fmt.Fprintf(&b, "| %s |\n|---%s|---|\n", strings.Join(head, " | "), strings.Repeat("|--:", len(head)-2))
		for _, row := range rows {
			for i := range row {
				row[i] = md(row[i])
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	if rows := checkRows(v); len(rows) > 0 {
		b.WriteString("| threshold | measured | windows | verdict |\n|---|--:|---|---|\n")
		for _, row := range rows {
			for i := range row {
				row[i] = md(row[i])
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	for _, line := range append(changeLines(v), noiseLines(v)...) {
		fmt.Fprintf(&b, "- %s\n", md(line))
	}
	for _, d := range v.Dropped {
		fmt.Fprintf(&b, "- round %d was dropped: %s\n", d.Round, md(d.Reason))
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(&b, "\n> %s: %s\n", md(warning.Code), md(warning.Message))
	}
	fmt.Fprintf(&b, "\n%s\n", md(v.Machine))
	text := b.String()
	_, err := io.WriteString(w, text[:min(len(text), maxMarkdown)])
	return err
}

// writeVerdictJUnit has a case for each metric, threshold and change: what cannot
// be told is skipped, with the reason.
func writeVerdictJUnit(w io.Writer, v *results.Verdict) error {
	s := junitSuite{Name: "etcdbench gate " + verdictHead(v), Time: max(0, v.Ended.Sub(v.Started).Seconds())}
	if !v.Started.IsZero() {
		s.Timestamp = v.Started.UTC().Format("2006-01-02T15:04:05")
	}
	add := func(name, verdict, message string) {
		c := junitCase{Class: "etcdbench.gate", Name: name}
		s.Tests++
		switch verdict {
		case results.Pass:
		case results.Fail:
			s.Failures++
			c.Failure = &junitIs{message}
		default:
			s.Skipped++
			c.Skipped = &junitIs{message}
		}
		s.Cases = append(s.Cases, c)
	}
	add("verdict", v.Verdict, clean(v.Verdict)+": "+clean(v.Reason))
	for _, m := range v.Metrics {
		if m.Primary {
			add(clean(m.Name), m.Verdict, fmt.Sprintf("%s: worse by %s, at least %s, at most %s, margin %.3g %%; detectable %.3g %%", clean(m.Verdict), percent(&m.Estimate, ""), percent(m.Lower, "−∞"), percent(m.Upper, "+∞"), 100*m.Margin, 100*m.Detectable))
		}
	}
	for _, row := range checkRows(v) {
		verdict, _, _ := strings.Cut(row[3], ":")
		add(row[0], verdict, row[1]+" "+row[2]+" "+row[3])
	}
	for i, line := range changeLines(v) {
		if v.Changes[i].Alert {
			add(line, results.Fail, line)
		} else {
			add(line, results.Pass, line)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Suites: []junitSuite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// changeLines say where saved results changed.
func changeLines(v *results.Verdict) []string {
	series := map[string]int{}
	var lines []string
	for _, c := range v.Changes {
		if _, known := series[c.Series]; !known {
			series[c.Series] = len(series)
		}
		m := results.MetricVerdict{Unit: c.Unit}
		word := "better"
		if c.Change > 0 {
			word = "worse"
		}
		line := fmt.Sprintf("series %s, %s: %s → %s (%s by %.1f %%, p = %.1g) from %s on (%s, %s)",
			runLetter(series[c.Series]), clean(c.Metric), metricValue(m, c.Before), metricValue(m, c.After), word, 100*math.Abs(c.Change), c.P,
			clean(c.Run), c.Started.UTC().Format("2006-01-02 15:04"), clean(c.Label))
		if c.Alert {
			line = "ALERT: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// noiseLines say how noisy the machine is, and how many rounds it takes on it.
func noiseLines(v *results.Verdict) []string {
	if v.Gate != "aa" || v.Rules == nil {
		return nil
	}
	var lines []string
	for _, m := range v.Metrics {
		if !m.Primary || m.Verdict == results.NotMeasured {
			continue
		}
		line := fmt.Sprintf("%s: two runs differ by %.2g %% (standard deviation); rounds needed to find", clean(m.Name), 100*m.Noise)
		for _, effect := range []float64{m.Margin, 2 * m.Margin, 0.20} {
			needed := "more than 500"
			if n := v.Rules.RoundsNeeded(m.Noise, effect); n > 0 {
				needed = count(n)
			}
			line += fmt.Sprintf(" %.3g %%: %s,", 100*effect, needed)
		}
		lines = append(lines, strings.TrimSuffix(line, ","))
	}
	return lines
}
