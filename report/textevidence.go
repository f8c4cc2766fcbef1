package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// counts prints what the workload counted besides, as shares.
func (t text) counts(prefix string, o results.Operation) {
	var parts []string
	for _, c := range o.Counts {
		if c.Count == 0 || c.Of == "" && c.Count == o.Completed {
			continue
		}
		part := clean(c.Name) + " " + count(c.Count)
		whole, of := o.Completed, ""
		if c.Of != "" {
			of = " of " + clean(c.Of)
			for _, other := range o.Counts {
				if other.Name == c.Of {
					whole = other.Count
				}
			}
		}
		switch {
		case whole == 0:
		case of != "":
			part += fmt.Sprintf(" (%s%s)", share(int64(c.Count), int64(whole)), of)
		case c.Count < whole:
			part += fmt.Sprintf(" (%s of completed)", share(int64(c.Count), int64(whole)))
		default:
			each := float64(c.Count) / float64(whole)
			part += fmt.Sprintf(" (%s for each completed, %s/s)", rate(each), rate(each*o.Throughput))
		}
		parts = append(parts, part)
	}
	if len(parts) > 0 {
		t.line("  %s%s", prefix, strings.Join(parts, ", "))
	}
}

func (t text) errors(prefix string, errors []results.ErrorClass) {
	for i, e := range errors {
		if i == 5 {
			t.line("  %s… and %s", prefix, plural(len(errors)-i, "class of errors more", "classes of errors more"))
			return
		}
		name := e.Code
		if e.Etcd != "" {
			name += " (" + e.Etcd + ")"
		}
		t.line("  %s%s × %s, for example: %s", prefix, count(e.Count), clean(name), clean(e.Example))
	}
}

// maxEvents is how many events a screen has room for.
const maxEvents = 10

func (t text) events(events []results.Event) {
	for i, e := range events {
		if i == maxEvents {
			t.line("  … and %s", plural(len(events)-i, "disturbance more", "disturbances more"))
			return
		}
		line := fmt.Sprintf("  at %s: %s", duration(int64(e.Start)), clean(e.Kind))
		if e.Detail != "" {
			line += ", " + clean(e.Detail)
		}
		line += fmt.Sprintf(" (took %s)", duration(int64(e.Length)))
		if e.Error != "" {
			line += ": " + clean(e.Error)
		}
		t.line("%s", line)
	}
}

// maxSlow is how many slow stretches a screen has room for.
const maxSlow = 5

// slow says when the run was much slower than usual, and what moved meanwhile.
func (t text) slow(slow []results.Slow) {
	for i, s := range slow {
		if i == maxSlow {
			t.line("  … and %s", plural(len(slow)-i, "slow stretch more", "slow stretches more"))
			return
		}
		what := "p99 " + duration(s.P99)
		if s.Stalled {
			what = "nothing was completed for a while, p99 " + duration(s.P99)
		}
		t.line("  slow at %s for %s: %s, usually %s", duration(int64(s.Start)), duration(int64(s.Length)), what, duration(s.Usual))
		for _, c := range s.Causes[:min(3, len(s.Causes))] {
			t.line("    meanwhile %s", clean(c.Text))
		}
		if len(s.Causes) == 0 {
			t.line("    nothing moved of what was looked at")
		}
	}
}

// server says what operations cost, and how long the members' disks took.
func (t text) server(s *results.Server) {
	if s == nil {
		return
	}
	for _, c := range s.Cost {
		if c.Member == "" {
			t.cost(c, len(s.Members))
		}
	}
	for _, m := range s.Members {
		var parts []string
		for _, name := range []string{results.HistogramFsync, results.HistogramCommit} {
			if h := m.Times[name]; h.Count > 0 {
				parts = append(parts, fmt.Sprintf("%s p50 %s, p99 %s", name, bucket(h.P50), bucket(h.P99)))
			}
		}
		if n := m.Growth["leader_changes"]; n > 0 {
			parts = append(parts, plural(int64(n), "change of leader", "changes of leader"))
		}
		if m.Missed > 0 {
			parts = append(parts, fmt.Sprintf("no answer %s times of %s", count(m.Missed), count(m.Readings)))
		}
		if len(parts) > 0 {
			t.line("    %s: %s", clean(m.Member), strings.Join(parts, "; "))
		}
	}
}

// bucket prints a percentile that lies between two bounds.
func bucket(b [2]int64) string {
	switch {
	case b[1] == 0:
		return "> " + duration(b[0])
	case b[0] == 0:
		return "≤ " + duration(b[1])
	}
	return duration(b[0]) + "–" + duration(b[1])
}

func (t text) cost(c results.Cost, members int) {
	var parts []string
	add := func(name, format string, print func(v float64) string) {
		if v, ok := c.Figures[name]; ok {
			parts = append(parts, fmt.Sprintf(format, print(v)))
		}
	}
	bytes := func(v float64) string { return humanize.IBytes(uint64(math.Round(v))) }
	number := func(v float64) string { return rate(v) }
	add("cpu", "CPU %s", func(v float64) string { return duration(int64(v)) })
	add("alloc_bytes", "%s allocated", bytes)
	add("allocs", "%s objects", number)
	add("fsyncs", "%s fsyncs", number)
	add("wal_bytes", "WAL %s", bytes)
	add("disk_written", "disk %s", bytes)
	add("peer_bytes", "peers %s", bytes)
	add("client_bytes", "clients %s", bytes)
	if len(parts) > 0 {
		t.line("  cost of an operation in %s, %s together: %s", clean(c.Phase), plural(members, "member", "members"), strings.Join(parts, ", "))
	}
}

// joinChecks adds up the checks of one name, such as those of several prefixes.
func joinChecks(checks []results.Check) []results.Check {
	var joined []results.Check
	for _, c := range checks {
		i := slices.IndexFunc(joined, func(j results.Check) bool { return j.Name == c.Name && (j.Skipped == "") == (c.Skipped == "") })
		if i < 0 {
			joined = append(joined, c)
			continue
		}
		joined[i].Checked += c.Checked
		joined[i].Of += c.Of
		switch {
		case strings.Contains(c.Note, joined[i].Note):
			joined[i].Note = c.Note
		case !strings.Contains(joined[i].Note, c.Note):
			joined[i].Note += "; " + c.Note
		}
	}
	return joined
}

func (t text) proof(p *results.Proof) {
	if p == nil {
		return
	}
	t.line("  proof: %s", clean(p.Verdict))
	for _, c := range joinChecks(p.Checks) {
		switch {
		case c.Skipped != "":
			t.line("    %s: not checked: %s", clean(c.Name), clean(c.Skipped))
		case c.Checked < c.Of:
			t.line("    %s: %s of about %s checked: %s", clean(c.Name), count(c.Checked), count(c.Of), clean(c.Note))
		default:
			t.line("    %s: %s checked: %s", clean(c.Name), count(c.Checked), clean(c.Note))
		}
	}
	for _, v := range p.Violations {
		of := ""
		if v.Key != "" {
			of = " " + clean(v.Key)
		}
		t.line("    VIOLATION: %s%s: expected %s; found %s", clean(v.Check), of, clean(v.Expected), clean(v.Found))
	}
	if more := p.Found - uint64(len(p.Violations)); more > 0 {
		t.line("    … and %s", plural(more, "violation more", "violations more"))
	}
}
