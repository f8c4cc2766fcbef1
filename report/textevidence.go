package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// counts prints the additional counts of the workload.
func (t text) counts(prefix string, o results.Operation) {
	if s := content.Counts(o); s != "" {
		t.line("  %s%s", prefix, s)
	}
}

func (t text) errors(prefix string, errors []results.ErrorClass) {
	for i, e := range errors {
		if i == 5 {
			t.line("  %s… and %s", prefix, words.Plural(len(errors)-i, "more class of errors", "more classes of errors"))
			return
		}
		name := e.Code
		if e.Etcd != "" {
			name += " (" + e.Etcd + ")"
		}
		t.line("  %s%s × %s, for example: %s", prefix, words.Count(e.Count), words.Clean(name), words.Clean(e.Example))
	}
}

// maxEvents is how many events a screen has room for.
const maxEvents = 10

func (t text) events(r *results.Run) {
	if began, ok := measuredFrom(r); ok && began > 0 && len(r.Events) > 0 {
		t.line("  times count from the start of the run; the first measured phase, from which --disturb counts, began at %s",
			words.Duration(int64(began)))
	}
	for i, e := range r.Events {
		if i == maxEvents {
			t.line("  … and %s", words.Plural(len(r.Events)-i, "more disturbance", "more disturbances"))
			return
		}
		line := fmt.Sprintf("  at %s: %s", words.Duration(int64(e.Start)), words.Clean(e.Kind))
		if e.Detail != "" {
			line += ", " + words.Clean(e.Detail)
		}
		line += fmt.Sprintf(" (took %s)", words.Duration(int64(e.Length)))
		if e.Error != "" {
			line += ": " + words.Clean(e.Error)
		}
		t.line("%s", line)
	}
}

// measuredFrom returns the start of the first measured phase.
func measuredFrom(r *results.Run) (start time.Duration, ok bool) {
	i := slices.IndexFunc(r.Phases, func(p results.Phase) bool { return r.Measures(p.Name) })
	if i < 0 {
		return 0, false
	}
	return r.Phases[i].Start, true
}

// maxOutages is how many outages a screen has room for.
const maxOutages = 10

// availability prints the availability and outages.
func (t text) availability(a *results.Availability) {
	if a == nil {
		return
	}
	t.line("  %s", content.Availability(a))
	shown := a.Outages[:min(len(a.Outages), maxOutages)]
	for _, o := range shown {
		t.line("    %s", content.OutageLine(o))
	}
	if more := a.Count - len(shown); more > 0 {
		t.line("    … and %s", words.Plural(more, "more outage", "more outages"))
	}
}

// maxSlow is how many slow stretches a screen has room for.
const maxSlow = 5

// slow prints the slow stretches of the run, and the signals that changed during them.
func (t text) slow(slow []results.Slow) {
	for i, s := range slow {
		if i == maxSlow {
			t.line("  … and %s", words.Plural(len(slow)-i, "more slow stretch", "more slow stretches"))
			return
		}
		what := content.Slowness(s)
		switch {
		case s.Stalled:
			what = "no operation was completed for some time, " + what
		case s.Expected > 0:
			what = fmt.Sprintf("%s of %s operations completed in a second, %s", words.Count(s.Completed), words.Count(s.Expected), what)
		}
		t.line("  slow at %s for %s: %s", words.Duration(int64(s.Start)), words.Duration(int64(s.Length)), what)
		for _, c := range s.Causes[:min(3, len(s.Causes))] {
			t.line("    at the same time: %s", words.Clean(c.Text))
		}
		if len(s.Causes) == 0 {
			t.line("    no monitored signal changed")
		}
	}
}

// server prints the cost of operations, and the times of the members' disks.
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
			parts = append(parts, words.Plural(int64(n), "change of leader", "changes of leader"))
		}
		if m.Missed > 0 {
			parts = append(parts, fmt.Sprintf("no response to %s of %s readings", words.Count(m.Missed), words.Count(m.Readings)))
		}
		if len(parts) > 0 {
			t.line("    %s: %s", words.Clean(m.Member), strings.Join(parts, "; "))
		}
	}
}

// bucket prints a percentile that lies between two bounds.
func bucket(b [2]int64) string {
	switch {
	case b[1] == 0:
		return "> " + words.Duration(b[0])
	case b[0] == 0:
		return "≤ " + words.Duration(b[1])
	}
	return words.Duration(b[0]) + "–" + words.Duration(b[1])
}

func (t text) cost(c results.Cost, members int) {
	var parts []string
	add := func(name, format string, print func(v float64) string) {
		if v, ok := c.Figures[name]; ok {
			parts = append(parts, fmt.Sprintf(format, print(v)))
		}
	}
	bytes := func(v float64) string { return humanize.IBytes(uint64(math.Round(v))) }
	number := func(v float64) string { return words.Rate(v) }
	small := func(v float64) string {
		if v > 0 && v < 0.005 {
			return "less than 0.01"
		}
		return words.Rate(v)
	}
	add("cpu", "CPU %s", func(v float64) string { return words.Duration(int64(v)) })
	add("alloc_bytes", "%s allocated", bytes)
	add("allocs", "%s objects", number)
	add("fsyncs", "%s WAL fsyncs", number)
	add("backend_commits", "%s backend commits", small)
	add("wal_bytes", "WAL %s", bytes)
	add("disk_written", "disk %s", bytes)
	add("peer_bytes", "peer payload %s", bytes)
	add("client_bytes", "client gRPC payload %s", bytes)
	if len(parts) > 0 {
		t.line("  cost of an operation in %s, %s together: %s",
			words.Clean(c.Phase), words.Plural(members, "member", "members"), strings.Join(parts, ", "))
	}
}

func (t text) proof(p *results.Proof) {
	if p == nil {
		return
	}
	t.line("  proof: %s", t.mark(words.Clean(p.Verdict)))
	for _, c := range content.JoinChecks(p.Checks) {
		switch {
		case c.Skipped != "":
			t.line("    %s: not checked: %s", words.Clean(c.Name), words.Clean(c.Skipped))
		case c.Checked < c.Of:
			t.line("    %s: %s of about %s checked: %s", words.Clean(c.Name), words.Count(c.Checked), words.Count(c.Of), words.Clean(c.Note))
		default:
			t.line("    %s: %s checked: %s", words.Clean(c.Name), words.Count(c.Checked), words.Clean(c.Note))
		}
	}
	for _, v := range p.Violations {
		of := ""
		if v.Key != "" {
			of = " " + words.Clean(v.Key)
		}
		t.line("    VIOLATION: %s%s: expected %s; found %s", words.Clean(v.Check), of, words.Clean(v.Expected), words.Clean(v.Found))
		for _, line := range content.ViolationLines(v) {
			t.line("      %s", line)
		}
	}
	if more := p.Found - uint64(len(p.Violations)); more > 0 {
		t.line("    … and %s", words.Plural(more, "more violation", "more violations"))
	}
}
