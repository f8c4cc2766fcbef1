package content

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/results/stats"
)

// MetricValue prints a value of a metric with the metric's unit. A time of 0 is one that
// was not measured.
func MetricValue(m results.MetricVerdict, v float64) string {
	switch m.Unit {
	case "ns":
		return words.DurationOrUnknown(int64(v))
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
		line := fmt.Sprintf("series %s, %s: %s → %s (%s, p = %.1g) from %s on (%s, %s)",
			words.Letter(series[c.Series]), words.Clean(c.Metric), MetricValue(m, c.Before), MetricValue(m, c.After),
			levelChange(c, c.Before, c.After, c.Change), c.P,
			words.Clean(c.Run), c.Started.UTC().Format("2006-01-02 15:04"), words.Clean(c.Label))
		if c.Alert && (c.Best != c.Before || c.Now != c.After) {
			line += fmt.Sprintf("; now %s, %s than the best level, %s",
				MetricValue(m, c.Now), levelChange(c, c.Best, c.Now, c.Worse), MetricValue(m, c.Best))
		}
		if c.Alert {
			line = "ALERT: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// levelChange returns the difference between two levels of a series, with the natural sign of
// the figure; worse is positive for a regression.
func levelChange(c results.SeriesChange, from, to, worse float64) string {
	word := results.Better
	if worse > 0 {
		word = results.Worse
	}
	if c.Unit == "share" {
		change := to - from
		return words.SignedPoints(&change, "") + " " + word
	}
	change := to/from - 1
	return words.SignedPercent(&change, "") + " " + word
}

// MetricChange prints the change of a metric's figure from baseline to candidate with
// its natural sign and the word better or worse, and the ends of its interval.
func MetricChange(m results.MetricVerdict) (change, low, high string) {
	estimate, lower, upper := m.Change()
	word := " " + m.Direction()
	if m.Direction() == results.Same {
		word = ""
	}
	return changeOf(m, &estimate, "") + word, changeOf(m, lower, "−∞"), changeOf(m, upper, "+∞")
}

// MetricMargin prints the margin of a metric and its detectable change, as regressions of its
// figure.
func MetricMargin(m results.MetricVerdict) (margin, detectable string) {
	worst, found := m.Margin, m.LeastFound()
	if m.Higher {
		worst = -worst
	}
	if detectable = "–"; m.Detectable > 0 {
		detectable = changeOf(m, &found, "")
	}
	return changeOf(m, &worst, ""), detectable
}

// changeOf prints a change of a metric's figure: relative, or in percentage points (pp)
// where the figure is a share.
func changeOf(m results.MetricVerdict, v *float64, open string) string {
	if m.Absolute {
		return words.SignedPoints(v, open)
	}
	return words.SignedPercent(v, open)
}

// MetricLegend explains the columns of a table of metrics, line by line.
func MetricLegend() []string {
	return []string{
		"Change: from baseline to candidate, with its interval; pp: percentage points; in brackets: not in the verdict.",
		"Detectable: the smallest regression that this job detects in nine of ten cases.",
	}
}

// MetricTable returns the heading and the cells of a table with a row for each metric
// that was measured or that the verdict rests on: name, medians, change, bounds, margin,
// what could have been detected, and the verdict with its note.
func MetricTable(v *results.Verdict) (head []string, rows [][]string) {
	head = []string{"metric", "baseline", "candidate", "change", "from", "to", "margin", "detectable", "verdict"}
	for _, m := range v.Metrics {
		name := words.Clean(m.Name)
		if !m.Primary {
			name = "(" + name + ")"
		}
		verdict := words.Clean(m.Verdict)
		if m.Note != "" {
			verdict += ": " + words.Clean(m.Note)
		}
		if m.Verdict == results.NotMeasured {
			if m.Primary || m.Note != "" {
				rows = append(rows, []string{name, "–", "–", "–", "–", "–", "–", "–", verdict})
			}
			continue
		}
		change, low, high := MetricChange(m)
		margin, detectable := MetricMargin(m)
		rows = append(rows, []string{
			name, AtLeast(MetricValue(m, m.Baseline), m.BaselineAtLeast), AtLeast(MetricValue(m, m.Candidate), m.CandidateAtLeast),
			change, low, high, margin, detectable, verdict,
		})
	}
	return head, rows
}

// ProofLines return how many of a job's runs were proved, and the findings of the other
// proofs.
func ProofLines(v *results.Verdict) []string {
	runs := 0
	for _, n := range v.Proofs {
		runs += n
	}
	if runs == 0 || v.Proofs["none"] == runs {
		return nil
	}
	line := fmt.Sprintf("proof of writes: %d of %s proved", v.Proofs[results.Proved], words.Plural(runs, "run", "runs"))
	if n := v.Proofs[results.Incomplete]; n > 0 {
		line += fmt.Sprintf(", %d incomplete", n)
	}
	lines := []string{line}
	for _, x := range v.Violations {
		lines = append(lines, fmt.Sprintf("proof violated in round %d, %s: %s: %s", x.Round, words.Clean(x.Side),
			words.Plural(x.Found, "violation", "violations"), words.Clean(x.First)))
	}
	return lines
}

// RunEventTable returns a row for each disturbance of a gate's runs. The last column is words.
func RunEventTable(v *results.Verdict) (head []string, rows [][]string) {
	head = []string{"round", "side", "disturbance", "start", "length", "longest outage of the run", "details"}
	for _, e := range v.Disturbances {
		rows = append(rows, []string{
			words.Count(e.Round), words.Clean(e.Side), words.Clean(e.Kind), words.Duration(int64(e.Start)), words.Duration(int64(e.Length)),
			words.DurationOrUnknown(int64(e.Outage)), words.Clean(e.Outcome()),
		})
	}
	return head, rows
}

// RunEventLines return, for each kind of disturbance of a gate's runs, how many there were on each side, the
// medians of their lengths and of the longest outages of their runs, and the first error.
func RunEventLines(v *results.Verdict) (lines []string) {
	var kinds []string
	for _, e := range v.Disturbances {
		if !slices.Contains(kinds, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
	}
	for _, kind := range kinds {
		var sides []string
		for _, side := range []string{"baseline", "candidate"} {
			sides = append(sides, runEventsOf(v, kind, side))
		}
		line := words.Clean(kind) + ": " + strings.Join(sides, "; ")
		if i := slices.IndexFunc(v.Disturbances, func(e results.RunEvent) bool { return e.Kind == kind && e.Error != "" }); i >= 0 {
			e := v.Disturbances[i]
			line += fmt.Sprintf("; error in round %d, %s: %s", e.Round, words.Clean(e.Side), words.Clean(e.Error))
		}
		lines = append(lines, line)
	}
	return lines
}

// runEventsOf describes the disturbances of a kind on a side.
func runEventsOf(v *results.Verdict, kind, side string) string {
	var took, outages []float64
	rounds := map[int]bool{}
	for _, e := range v.Disturbances {
		if e.Kind != kind || e.Side != side {
			continue
		}
		took = append(took, float64(e.Length))
		if !rounds[e.Round] {
			rounds[e.Round] = true
			outages = append(outages, float64(e.Outage))
		}
	}
	text := fmt.Sprintf("%s in the %s's runs", words.Plural(len(took), "time", "times"), side)
	if len(took) > 0 {
		text += fmt.Sprintf(", took %s (median)", words.Duration(int64(stats.Median(took))))
	}
	if longest := stats.Median(outages); len(outages) > 0 && longest > 0 {
		text += fmt.Sprintf(", longest outage of a run %s (median)", words.Duration(int64(longest)))
	}
	return text
}

// CheckRows returns a row for each threshold: its text, the measured value, the number of
// windows that met it, and the verdict with its reason.
func CheckRows(v *results.Verdict) [][]string {
	var rows [][]string
	for _, c := range v.Checks {
		measured := words.Rate(c.Value)
		switch {
		case c.IsTime && c.Value == 0 && c.Reason == "":
			measured = "no outage"
		case c.IsTime:
			measured = words.DurationOrUnknown(int64(c.Value))
		case c.IsShare && c.Value < 0.9: // an error rate
			measured = words.Percent(c.Value)
		case c.IsShare:
			measured = availabilityShare(c.Value)
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

// Thresholds compares a document's run with the thresholds of its plan. It returns nil
// where the plan has none, and an error where the run cannot be judged by them.
func Thresholds(d Document) (*results.Verdict, error) {
	if len(d.Plan.Thresholds) == 0 {
		return nil, nil
	}
	v, err := judge.RunVerdict(d.Run, nil, d.EachInterval)
	if err != nil {
		return nil, fmt.Errorf("compare with thresholds: %w", err)
	}
	return v, nil
}

// VerdictSubject returns the subject of the comparison.
func VerdictSubject(v *results.Verdict) string {
	switch v.Gate {
	case "ab":
		return words.Clean(v.Candidate) + " against " + words.Clean(v.Baseline) + ", " + words.Clean(v.Workload)
	case "aa":
		return words.Clean(v.Baseline) + " against itself, " + words.Clean(v.Workload)
	case "qualify":
		return words.Clean(v.Candidate) + " against " + words.Clean(v.Baseline) + ", " + words.Plural(len(v.Parts), "scenario", "scenarios")
	case "thresholds":
		return words.Clean(v.Workload) + " " + words.Clean(v.Candidate)
	}
	return words.Clean(v.Workload)
}

// PartTable returns the heading and the cells of a table with a row for each scenario of a
// release check: its name, the verdict, the rounds that count and those that were dropped,
// how long it took, and the reason.
func PartTable(v *results.Verdict) (head []string, rows [][]string) {
	head = []string{"scenario", "verdict", "rounds", "dropped", "duration", "reason"}
	for _, p := range v.Parts {
		took := "–"
		if p.Ended.After(p.Started) {
			took = p.Ended.Sub(p.Started).Round(time.Second).String()
		}
		rows = append(rows, []string{
			words.Clean(p.Workload), words.Clean(p.Verdict), words.Count(p.Rounds), words.Count(len(p.Dropped)), took, words.Clean(p.Reason),
		})
	}
	return head, rows
}

// PartLines returns a line for each metric that failed in a scenario of a release check,
// and the lines of its proof where something was violated.
func PartLines(v *results.Verdict) (lines []string) {
	for _, p := range v.Parts {
		for _, m := range p.Metrics {
			if m.Primary && m.Verdict == results.Fail {
				change, low, high := MetricChange(m)
				margin, _ := MetricMargin(m)
				lines = append(lines, fmt.Sprintf("%s: %s %s, from %s to %s (margin %s): %s → %s", words.Clean(p.Workload), words.Clean(m.Name),
					change, low, high, margin, MetricValue(m, m.Baseline), MetricValue(m, m.Candidate)))
			}
		}
		if len(p.Violations) > 0 {
			for _, line := range ProofLines(&p)[1:] {
				lines = append(lines, words.Clean(p.Workload)+": "+line)
			}
		}
	}
	return lines
}

// RoundsLine returns the numbers of planned, counted and dropped rounds.
func RoundsLine(v *results.Verdict) string {
	if len(v.Parts) > 0 {
		return words.Plural(len(v.Parts), "scenario", "scenarios") + " judged together"
	}
	line := fmt.Sprintf("%s of %d planned", words.Plural(v.Rounds, "round", "rounds"), v.Planned)
	if len(v.Dropped) > 0 {
		line += fmt.Sprintf(", %d dropped", len(v.Dropped))
	}
	return line
}

// NoiseLines say of a comparison of one thing with itself how noisy the machine is, and
// how many rounds it takes to find a change on it.
func NoiseLines(v *results.Verdict) []string {
	if v.Gate != "aa" {
		return nil
	}
	var lines []string
	for _, m := range v.Metrics {
		if !m.Primary || len(m.Needed) == 0 {
			continue
		}
		noise := words.Percent(m.Noise)
		if m.Absolute {
			noise = strings.TrimPrefix(words.SignedPoints(&m.Noise, ""), "+")
		}
		line := fmt.Sprintf("%s: two runs differ by %s (standard deviation); rounds needed to find", words.Clean(m.Name), noise)
		for _, x := range m.Needed {
			needed := "more than 500"
			if x.Rounds > 0 {
				needed = words.Count(x.Rounds)
			}
			effect := x.Effect
			if m.Higher {
				effect = -effect
			}
			line += fmt.Sprintf(" %s: %s,", changeOf(m, &effect, ""), needed)
		}
		lines = append(lines, strings.TrimSuffix(line, ","))
	}
	return lines
}
