package content

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// CapacityUnit returns a function that prints a rate, or a value of the parameter
// that was searched over.
func CapacityUnit(c *results.Capacity) func(v float64) string {
	if c.Over == "" {
		return func(v float64) string { return words.Rate(v) + "/s" }
	}
	return func(v float64) string { return words.Rate(v) + " " + words.Clean(c.Over) }
}

// CapacityAnswer returns the interval of the capacity.
func CapacityAnswer(c *results.Capacity) string {
	unit := CapacityUnit(c)
	switch {
	case c.Low == 0 && (c.Stopped != "" || len(c.Probes) == 0):
		return "no result"
	case c.Low == 0 && !judge.NothingSustained(c):
		return "inconclusive whether any load meets it"
	case c.Low == 0:
		return "no load meets it"
	case c.High == 0:
		return unit(c.Low) + " at least"
	case c.Confidence > 0:
		return fmt.Sprintf("between %s and %s, with %.0f %% confidence from %d searches",
			unit(c.Low), unit(c.High), 100*c.Confidence, len(c.Repeats))
	}
	if c.Failed > 0 {
		return fmt.Sprintf("sustained %s; inconclusive at %s; failed at %s", unit(c.Low), unit(c.Failed), unit(c.High))
	}
	return fmt.Sprintf("sustained %s; failed at %s", unit(c.Low), unit(c.High))
}

// CapacityMaximum prints the interval that holds the maximum, "none" where no load
// meets the SLO.
func CapacityMaximum(c *results.Capacity) string {
	unit := CapacityUnit(c)
	switch {
	case c.Low == 0 && (c.Stopped != "" || !judge.NothingSustained(c)):
		return "unknown"
	case c.Low == 0:
		return "none"
	case c.High == 0:
		return "≥ " + unit(c.Low)
	}
	return words.Rate(c.Low) + "–" + unit(c.High)
}

// CapacityVerdict returns whether some load meets the SLO: pass, fail or inconclusive.
func CapacityVerdict(c *results.Capacity) string {
	switch {
	case c.Low > 0:
		return results.Pass
	case c.Stopped != "" || !judge.NothingSustained(c):
		return results.Inconclusive
	}
	return results.Fail
}

// CapacityTarget returns whether the target was met, or "" without a target.
func CapacityTarget(c *results.Capacity) string {
	t := c.Target
	switch t.Verdict {
	case "", results.TargetNone:
		return ""
	case results.TargetUndecided:
		return fmt.Sprintf("target %s writes/s: undecided (%s)", words.Rate(t.Writes), words.Clean(t.Reason))
	}
	return fmt.Sprintf("target %s writes/s: %s", words.Rate(t.Writes), words.Clean(t.Verdict))
}

// CapacityTable returns the heading and the cells of a table with a row for each
// probe. The last column is the verdict with its reason, and what speaks against the
// generator or contradicts the verdict.
func CapacityTable(c *results.Capacity) (head []string, rows [][]string) {
	unit := CapacityUnit(c)
	head = []string{"probe", "stage", "load", "length", "achieved", "error rate", "p50", "p99", "p99.9", "send lag p99", "verdict"}
	for _, p := range c.Probes {
		rows = append(rows, []string{
			words.Count(p.Number), words.Clean(p.Stage), unit(p.Rate), p.Length.String(),
			words.Rate(p.Achieved) + "/s", words.Percent(p.ErrorRate), ProbeCell(p, "p50", p.P50), ProbeCell(p, "p99", p.P99),
			ProbeCell(p, "p99.9", p.P999), probeLag(p), probeVerdict(c, p),
		})
	}
	return head, rows
}

// probeLag prints how late the generator sent, with its share of the response time's p99.
func probeLag(p results.CapacityProbe) string {
	text := words.DurationOrUnknown(p.SendLag)
	if p.SendLag > 0 && p.P99 > 0 {
		text += " (" + words.Percent(float64(p.SendLag)/float64(p.P99)) + ")"
	}
	return text
}

// probeVerdict prints a verdict with its reason, and what speaks against it.
func probeVerdict(c *results.Capacity, p results.CapacityProbe) string {
	text := words.Clean(p.Verdict)
	if p.Reason != "" {
		text += ": " + words.Clean(p.Reason)
	}
	if p.Contradicted > 0 {
		text += fmt.Sprintf("; contradicted by probe %d", p.Contradicted)
		other := slices.IndexFunc(c.Probes, func(o results.CapacityProbe) bool { return o.Number == p.Contradicted })
		if other >= 0 && len(c.Repeats) == 0 {
			text += ", which sustained " + CapacityUnit(c)(c.Probes[other].Rate)
		}
	}
	if len(p.Reasons) > 0 {
		var codes []string
		for _, r := range p.Reasons {
			codes = append(codes, words.Clean(r.Code))
		}
		text += "; " + words.Clean(p.Validity) + ": " + strings.Join(codes, ", ")
	}
	return text
}

// ProbeCell prints a percentile of a probe.
func ProbeCell(p results.CapacityProbe, name string, ns int64) string {
	return AtLeast(words.DurationOrUnknown(ns), slices.Contains(p.AtLeast, name))
}

func estimate(e results.Estimate) string {
	return fmt.Sprintf("%.3g [%.3g, %.3g]", e.Value, e.Low, e.High)
}

// FitText describes the scalability law that was fitted to the probes.
func FitText(u *results.USL) string {
	text := fmt.Sprintf("scalability law over concurrency, with 95 %% intervals: λ %s/s, σ %s, κ %s",
		estimate(u.Lambda), estimate(u.Sigma), estimate(u.Kappa))
	if u.Peak > 0 {
		return text + fmt.Sprintf("; its peak is at a concurrency of %s, %s/s", words.Rate(u.Peak), words.Rate(u.Throughput(u.Peak)))
	}
	return text + fmt.Sprintf("; no peak up to a concurrency of %s, the end of its range", words.Rate(u.Reach))
}

// PlanTable returns the heading and the cells of a table that compares maximum,
// safe rate and demand, with all members and with one down.
func PlanTable(c *results.Capacity) (head []string, rows [][]string) {
	p, unit := c.Plan, CapacityUnit(c)
	head = []string{"plan", "maximum", fmt.Sprintf("safe (%.0f %%)", 100*p.Safe), "demand", "headroom", "months left"}
	months := "none"
	switch {
	case p.Endless:
		months = "no growth given"
	case p.Months > 0:
		months = fmt.Sprintf("%s at %+.1f %% a month", words.ThreeDigits(p.Months), 100*p.Growth)
	}
	maximum := CapacityMaximum(c)
	rows = [][]string{{"all members", maximum, unit(p.SafeRate), unit(p.Demand), fmt.Sprintf("%+.0f %%", 100*p.Headroom), months}}
	switch {
	case p.DownSafeRate > 0 && c.MemberDown != nil:
		maximum = "≥ " + unit(c.MemberDown.Low)
		if c.MemberDown.High > 0 {
			maximum = words.Rate(c.MemberDown.Low) + "–" + unit(c.MemberDown.High)
		}
		rows = append(rows, []string{
			"one member down", maximum, unit(p.DownSafeRate), unit(p.Demand),
			fmt.Sprintf("%+.0f %%", 100*p.DownHeadroom), "",
		})
	default:
		rows = append(rows, []string{"one member down", "not measured", "", "", "", ""})
	}
	return head, rows
}

// ResourceLines describe the resources that were nearest to their limits at the
// maximum, three at most.
func ResourceLines(c *results.Capacity) (lines []string) {
	for i, r := range c.Resources {
		if i == 3 || r.Share == 0 {
			break
		}
		name := words.Clean(r.Name)
		if r.Member != "" {
			name += " " + words.Clean(r.Member)
		}
		label := "then"
		if i == 0 {
			label = "nearest to its limit at the maximum:"
		}
		lines = append(lines, fmt.Sprintf("%s %s, %s", label, name, words.Clean(r.Text)))
	}
	return lines
}
