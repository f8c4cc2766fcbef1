package content

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// TuningSubject returns the settings that were tuned.
func TuningSubject(t *results.Tuning) string {
	if t.Dimension != results.DimensionPair {
		return words.Clean(t.Dimension)
	}
	subject := "heartbeat interval and election timeout"
	switch {
	case t.RTTMeasured && t.RTT > 0:
		subject += fmt.Sprintf(", with round trips of %s at most between members", words.Duration(int64(t.RTT)))
	case t.RTT > 0:
		subject += fmt.Sprintf(", for round trips of %s between members", words.Duration(int64(t.RTT)))
	}
	return subject
}

// TuningAnswer returns the recommendation.
func TuningAnswer(t *results.Tuning) string {
	if t.Recommended == "" {
		return "nothing to recommend"
	}
	switch t.Confirmation {
	case results.Unconfirmed:
		return "recommended, not confirmed: " + words.Clean(t.Recommended)
	case results.Withdrawn:
		return "recommended: " + words.Clean(t.Recommended) + ", after another recommendation was withdrawn"
	}
	return "recommended: " + words.Clean(t.Recommended)
}

// TuningReasons returns the reasons for the recommendation, and against other
// choices.
func TuningReasons(t *results.Tuning) (lines []string) {
	for _, reason := range t.Reasons {
		lines = append(lines, words.Clean(reason))
	}
	if t.Compared != nil {
		lines = append(lines, words.Clean(t.Compared.Text))
	}
	if rules := judge.EtcdRules(t); rules != "" {
		lines = append(lines, rules)
	}
	return lines
}

// SettingsAs returns settings as flags, as environment variables and as YAML, each
// after the name of its form. The YAML has several lines.
func SettingsAs(settings []results.Setting) [][2]string {
	var flags, env, yaml []string
	for _, s := range settings {
		name, value := words.Clean(s.Name), words.Clean(s.Value)
		flags = append(flags, "--"+name+"="+value)
		env = append(env, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
		yaml = append(yaml, name+": "+value)
	}
	return [][2]string{{"flags", strings.Join(flags, " ")}, {"environment", strings.Join(env, " ")}, {"YAML", strings.Join(yaml, "\n")}}
}

// TuningTable returns the heading and the cells of a table with a row for each
// choice that was tried. The last column is remarks.
func TuningTable(t *results.Tuning) (head []string, rows [][]string) {
	head = []string{
		"tried", "p50", "p99", "elections", "elections/h ≤", "late heartbeats", "failover", "idle CPU", "idle peers", "CPU/op", "",
	}
	for _, x := range t.Tried {
		failover, elections, hourly, late := "–", "–", "–", "–"
		if t.Failover {
			failover = FailoverText(x)
		}
		if x.Steady > 0 {
			late = words.Rate(x.HeartbeatFailures)
			elections, hourly = fmt.Sprintf("%.0f in %s", x.Elections, x.Steady.Round(time.Second)), words.Rate(x.ElectionsPerHour)
		}
		rows = append(rows, []string{
			triedName(x), TriedCell(x, "p50", x.P50), TriedCell(x, "p99", x.P99), elections, hourly, late, failover,
			figureOf(x, "idle_cpu", func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }),
			figureOf(x, "idle_peer_bytes", func(v float64) string { return words.Bytes(v) + "/s" }),
			figureOf(x, "cpu", func(v float64) string { return words.Duration(int64(v)) }), tuningWords(t, x),
		})
	}
	return head, rows
}

// TriedCell prints a percentile of settings that were tried.
func TriedCell(x results.Tried, name string, ns float64) string {
	return AtLeast(words.DurationOrUnknown(int64(ns)), slices.Contains(x.AtLeast, name))
}

// FailoverText returns the median unavailability without the leader, and the
// longest.
func FailoverText(x results.Tried) string {
	text := words.DurationOrUnknown(int64(x.Failover))
	if x.Failover == 0 && x.FailoverBelow > 0 {
		text = NotDetectable(time.Duration(x.FailoverBelow))
	}
	if x.FailoverP99 > x.Failover {
		text += "–" + words.Duration(int64(x.FailoverP99))
	}
	return text
}

// NotDetectable returns the text for an outage that is too short to be detected: shorter than
// the limit for a late arrival.
func NotDetectable(below time.Duration) string {
	return "not detectable (< " + words.Duration(int64(below)) + ")"
}

func triedName(x results.Tried) string {
	if x.Default {
		return words.Clean(x.Name) + " (default)"
	}
	return words.Clean(x.Name)
}

// FaultTable returns the heading and the cells of a table with a row for each
// choice that was tried: how long the cluster was unavailable after each kind of
// fault.
func FaultTable(t *results.Tuning) (head []string, rows [][]string) {
	head = []string{"tried"}
	var faults []string
	for _, x := range t.Tried {
		for _, f := range x.Faults {
			if !slices.Contains(faults, f.Fault) {
				faults = append(faults, f.Fault)
			}
		}
	}
	slices.Sort(faults)
	for _, f := range faults {
		head = append(head, words.Clean(f))
	}
	for _, x := range t.Tried {
		row := []string{triedName(x)}
		for _, name := range faults {
			row = append(row, faultCell(x, name))
		}
		rows = append(rows, row)
	}
	return head, rows
}

func faultCell(x results.Tried, fault string) string {
	for _, f := range x.Faults {
		if f.Fault != fault {
			continue
		}
		text := words.DurationOrUnknown(int64(f.P50))
		switch {
		case f.P50 == 0 && f.Below > 0:
			text = NotDetectable(f.Below)
		case f.P50 == 0:
			text = "none"
		}
		if f.P99 > f.P50 {
			text += "–" + words.Duration(int64(f.P99))
		}
		if f.Open > 0 {
			text = "≥ " + text
		}
		return text
	}
	return "?"
}

func figureOf(x results.Tried, name string, print func(v float64) string) string {
	v, ok := x.Figures[name]
	if !ok {
		return "?"
	}
	return print(v)
}

func tuningWords(t *results.Tuning, x results.Tried) string {
	var notes []string
	if x.Name == t.Recommended {
		notes = append(notes, "recommended")
	}
	if x.Pareto {
		notes = append(notes, "Pareto")
	}
	if x.Finding != "" {
		notes = append(notes, words.Clean(x.Finding))
	}
	return strings.Join(notes, ", ")
}
