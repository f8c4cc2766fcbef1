package content

import (
	"fmt"
	"math"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// MetricValue prints a value of a metric with the metric's unit.
func MetricValue(m results.MetricVerdict, v float64) string {
	switch m.Unit {
	case "ns":
		return words.Duration(int64(v))
	case "bytes":
		return words.Bytes(v)
	case "share":
		return words.Percent(v)
	case "/s":
		return words.Rate(v) + "/s"
	}
	return words.ThreeDigits(v)
}

// ChangeLines returns a line for each change of level that a gate found in saved
// results.
func ChangeLines(v *results.Verdict) []string {
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
			words.Letter(series[c.Series]), words.Clean(c.Metric), MetricValue(m, c.Before), MetricValue(m, c.After),
			word, 100*math.Abs(c.Change), c.P,
			words.Clean(c.Run), c.Started.UTC().Format("2006-01-02 15:04"), words.Clean(c.Label))
		if c.Alert {
			line = "ALERT: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// MetricTable returns the heading and the cells of a table with a row for each metric
// that was measured or that the verdict rests on: name, medians, change, bounds, margin,
// what could have been detected, and the verdict with its note.
func MetricTable(v *results.Verdict) (head []string, rows [][]string) {
	head = []string{"metric", "baseline", "candidate", "worse by", "at least", "at most", "margin", "detectable", "verdict"}
	for _, m := range v.Metrics {
		name := words.Clean(m.Name)
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
		verdict := words.Clean(m.Verdict)
		if m.Note != "" {
			verdict += ": " + words.Clean(m.Note)
		}
		rows = append(rows, []string{
			name, AtLeast(MetricValue(m, m.Baseline), m.BaselineAtLeast), AtLeast(MetricValue(m, m.Candidate), m.CandidateAtLeast),
			words.SignedPercent(&m.Estimate, ""), words.SignedPercent(m.Lower, "−∞"),
			words.SignedPercent(m.Upper, "+∞"),
			fmt.Sprintf("%.3g %%", 100*m.Margin), detectable, verdict,
		})
	}
	return head, rows
}

// CheckRows returns a row for each threshold: its text, what was measured, how many
// windows kept it, and the verdict with its reason.
func CheckRows(v *results.Verdict) [][]string {
	var rows [][]string
	for _, c := range v.Checks {
		measured := words.Rate(c.Value)
		if c.IsTime {
			measured = words.Duration(int64(c.Value))
		}
		measured = AtLeast(measured, c.AtLeast)
		windows := ""
		if c.Windows > 0 {
			windows = fmt.Sprintf("%d of %d windows, the worst at %s", c.Windows-c.Failed, c.Windows, words.Duration(int64(c.At)))
		}
		verdict := words.Clean(c.Verdict)
		if c.Reason != "" {
			verdict += ": " + words.Clean(c.Reason)
		}
		rows = append(rows, []string{words.Clean(c.Text), measured, windows, verdict})
	}
	return rows
}

// VerdictSubject says what was compared.
func VerdictSubject(v *results.Verdict) string {
	switch v.Gate {
	case "ab":
		return words.Clean(v.Candidate) + " against " + words.Clean(v.Baseline) + ", " + words.Clean(v.Workload)
	case "aa":
		return words.Clean(v.Baseline) + " against itself, " + words.Clean(v.Workload)
	case "thresholds":
		return words.Clean(v.Workload) + " " + words.Clean(v.Candidate)
	}
	return words.Clean(v.Workload)
}

// RoundsLine says how many rounds count, were planned and were dropped.
func RoundsLine(v *results.Verdict) string {
	line := fmt.Sprintf("%s of %d planned", words.Plural(v.Rounds, "round", "rounds"), v.Planned)
	if len(v.Dropped) > 0 {
		line += fmt.Sprintf(", %d dropped", len(v.Dropped))
	}
	return line
}

// NoiseLines say of a comparison of one thing with itself how noisy the machine is, and
// how many rounds it takes to find a change on it.
func NoiseLines(v *results.Verdict) []string {
	if v.Gate != "aa" || v.Rules == nil {
		return nil
	}
	var lines []string
	for _, m := range v.Metrics {
		if !m.Primary || m.Verdict == results.NotMeasured {
			continue
		}
		line := fmt.Sprintf("%s: two runs differ by %.2g %% (standard deviation); rounds needed to find", words.Clean(m.Name), 100*m.Noise)
		for _, effect := range []float64{m.Margin, 2 * m.Margin, 0.20} {
			needed := "more than 500"
			if n := judge.Rules(*v.Rules).RoundsNeeded(m.Noise, effect); n > 0 {
				needed = words.Count(n)
			}
			line += fmt.Sprintf(" %.3g %%: %s,", 100*effect, needed)
		}
		lines = append(lines, strings.TrimSuffix(line, ","))
	}
	return lines
}
