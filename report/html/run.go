package html

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// newRunChapter is the part of a page that is about one run: what matters first, then the
// rest, folded. It also returns the run's columns.
func newRunChapter(d content.Document) (chapter, []column, error) {
	c := chapter{
		Title: "etcdbench " + words.Clean(d.Plan.Workload), Lead: content.Load(d.Plan), Cards: verdictCards(d.Run), Facts: runFacts(d),
	}
	if d.Outcome != results.Completed {
		c.Alert = content.Outcome(d.Run)
	}
	thresholds, card := thresholdTable(d)
	if len(thresholds.Rows) > 0 {
		c.Cards = append([]verdictCard{card}, c.Cards...)
	}
	seconds, members, err := readColumns(d)
	if err != nil && !errors.Is(err, content.ErrNoIntervals) {
		return c, nil, err
	}
	columns := joinColumns(seconds, maxColumns)
	if err := addSums(columns); err != nil {
		return c, nil, err
	}
	series := operationsOverTime(d.Run, seconds)
	if len(series) > 0 && len(columns) > 1 {
		if f, ok := leadFigure(d.Run, series, seconds); ok {
			c.Figures = append(c.Figures, f)
		}
	}
	c.Tables = []table{thresholds}
	c.Parts = append(c.Parts, part{
		ID: "operations", Title: "Operations", Open: true, Tables: []table{operationTable(d.Run)}, Notes: operationNotes(d.Run),
	})
	if drawable(columns, func(c column) bool { return c.sum.Ended() > 0 && c.sum.Completed > 0 }) {
		c.Parts = append(c.Parts, responsePart(d.Run, series, seconds),
			part{ID: "throughput", Title: "Throughput", Figures: []figure{throughputFigure(d.Run, columns)}},
			membersPart(d.Run, joinColumns(seconds, maxMemberColumns), members))
	} else if f, ok := percentileFigure(d.Run); ok {
		c.Parts = append(c.Parts, part{ID: "response", Title: "Response time", Figures: []figure{f}})
	}
	c.Parts = append(c.Parts, slowPart(d.Run), profilePart(d))
	c.Parts = append(c.Parts, detailParts(d, happenedTable(columns))...)
	c.Parts = slices.DeleteFunc(c.Parts, part.empty)
	return c, columns, nil
}

// leadFigure is the page's first chart: the response time of the first operation, or the heat
// map of all operations where that one has too few samples for a line.
func leadFigure(r *results.Run, series []operationSeries, seconds []column) (figure, bool) {
	f, ok := series[0].figure(r, series[0].leadTitle(len(series)), chartWidth, responseHeight, maxColumns)
	if !ok {
		f, ok = heatFigure(r, heatColumns(seconds, maxHeatColumns), "All operations by response time", chartWidth)
		f.Caption += " "
	}
	f.Caption += markCaption
	return f, ok
}

// markCaption explains the marks behind the lines of a chart over time.
const markCaption = "Grey: warm-up; amber: slow stretches; pink: disturbances; dashed lines: changes of leader and of members."

// leadTitle is the title of the page's first chart.
func (s operationSeries) leadTitle(kinds int) string {
	if kinds > 1 {
		return "Response time of " + s.title
	}
	return "Response time over time"
}

// runFacts returns the facts that a reader needs to interpret a run's figures.
func runFacts(d content.Document) (facts []fact) {
	add := func(name, value string, flags ...string) {
		if value != "" || len(flags) > 0 {
			facts = append(facts, fact{name, value, flags})
		}
	}
	add("etcd", content.DescribeCluster(d.Cluster, nil))
	add("etcd flags", "", settings(d.Cluster.Settings)...)
	add("disk", content.DescribeDisk(d.Environment.Disk))
	add("workload", words.Clean(cmp.Or(d.Plan.Scenario, d.Plan.Workload)), workloadFlags(d.Plan)...)
	add("machine", content.DescribeMachine(d.Environment))
	add("run", words.Clean(strings.TrimSpace(d.ID+" "+d.Label))+", started "+d.Started.UTC().Format("2006-01-02 15:04:05 MST"))
	return facts
}

// settings returns the flags of a started cluster.
func settings(settings map[string]string) (flags []string) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !strings.Contains(name, ":") {
			flags = append(flags, "--"+words.Clean(name)+"="+words.Clean(settings[name]))
		}
	}
	return flags
}

// workloadFlags are the flags of a run's workload, or of a mix its scenario's parameters.
func workloadFlags(p results.Plan) (flags []string) {
	params := map[string]string{}
	if len(p.Mix) == 0 {
		maps.Copy(params, p.Params)
	}
	for name, v := range p.Parameters {
		params[name] = fmt.Sprintf("%g", v)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		flags = append(flags, "--"+words.Clean(name)+"="+words.Clean(params[name]))
	}
	return flags
}

// thresholdTable has the verdict on each threshold of the run's plan, and the card of all.
func thresholdTable(d content.Document) (table, verdictCard) {
	t := table{}
	v, err := content.Thresholds(d)
	switch {
	case err != nil:
		return t, verdictCard{"thresholds", "warn", results.Inconclusive, words.Clean(err.Error())}
	case v == nil:
		return t, verdictCard{}
	}
	return checkTable(v), newVerdictCard("thresholds", v)
}

// newVerdictCard says the verdict once, and why.
func newVerdictCard(name string, v *results.Verdict) verdictCard {
	verdict := words.Clean(v.Verdict)
	return verdictCard{name, verdictClass(v.Verdict), verdict, strings.TrimPrefix(words.Clean(v.Reason), verdict+": ")}
}

// checkTable returns the verdict on each threshold. If a threshold has windows, it contains the
// number of windows in which the threshold held.
func checkTable(v *results.Verdict) table {
	t := table{Title: "Thresholds", Words: true, Rows: content.CheckRows(v)}
	t.Head = []string{"threshold", "measured", "windows met", "verdict"}
	if !slices.ContainsFunc(v.Checks, func(c results.ThresholdCheck) bool { return c.Windows > 0 }) {
		t.Head = slices.Delete(t.Head, 2, 3)
		for i := range t.Rows {
			t.Rows[i] = slices.Delete(t.Rows[i], 2, 3)
		}
	}
	return t
}

// slowPart is about the stretches that were slower than usual.
func slowPart(r *results.Run) part {
	p := part{ID: "slow", Title: "Slow stretches"}
	for _, s := range r.Slow {
		stretch := slowStretch{
			What: fmt.Sprintf("at %s for %s: %s", words.Duration(int64(s.Start)), words.Duration(int64(s.Length)), content.Slowness(s)),
		}
		for _, c := range s.Causes {
			stretch.Causes = append(stretch.Causes, words.Clean(c.Text))
		}
		p.Slow = append(p.Slow, stretch)
	}
	return p
}

// profilePart has the profiles of a run.
func profilePart(d content.Document) part {
	p := part{ID: "profiles", Title: "Profiles", Views: frames(d.Views)}
	tables, notes := content.ProfileTables(d.Run)
	for _, profile := range tables {
		t := table{Title: profile.Title, Head: []string{"function", "self", "share", "with callees"}}
		for _, r := range profile.Rows {
			t.Rows = append(t.Rows, []string{r.Name, r.Flat, r.Share, r.Cum})
		}
		p.Tables = append(p.Tables, t)
	}
	p.Notes = notes
	return p
}

// operationNotes explain the signs in the table of operations and list the additional counts
// of the workloads.
func operationNotes(r *results.Run) []string {
	var lines []string
	all := fmt.Sprint(operationTable(r).Rows)
	for _, sign := range [][2]string{
		{"?", "?: fewer than ten samples lie beyond it."},
		{"≥", "≥: a lower bound, because some of these operations did not finish."},
		{"(signed)", "(signed): a negative time is before the moment that it counts from."},
	} {
		if strings.Contains(all, sign[0]) {
			lines = append(lines, sign[1])
		}
	}
	if line := content.OmittedLine(r); line != "" {
		lines = append(lines, "… "+line+".")
	}
	for _, o := range content.Operations(r) {
		if s := content.Counts(o); s != "" {
			lines = append(lines, content.OperationName(r, o)+": "+s)
		}
	}
	return lines
}

// drawable reports whether there is data to draw: an empty chart would have no meaning.
func drawable(columns []column, has func(c column) bool) bool {
	return len(columns) > 1 && slices.ContainsFunc(columns, has)
}

func verdictCards(r *results.Run) []verdictCard {
	class := map[string]string{
		results.TargetMet: "good", results.TargetMissed: "bad", results.TargetUndecided: "warn",
		results.Valid: "good", results.Degraded: "warn", results.Invalid: "bad",
		results.Proved: "good", results.Violated: "bad", results.Incomplete: "warn",
	}
	var cards []verdictCard
	if t := r.Target; t.Verdict != results.TargetNone {
		detail := words.Clean(t.Verdict) + " of " + words.Rate(t.Writes) + " writes/s"
		if t.Reason != "" {
			detail += " (" + words.Clean(t.Reason) + ")"
		}
		cards = append(cards, verdictCard{"target", class[t.Verdict], words.Rate(t.Achieved) + " writes/s", detail})
	}
	why := ""
	if n := len(r.Validity.Reasons); n > 0 {
		why = words.Clean(r.Validity.Reasons[0].Message)
		if n > 1 {
			why += "; and " + words.Plural(n-1, "more reason", "more reasons") + " below"
		}
	}
	cards = append(cards, verdictCard{"validity", class[r.Validity.Verdict], words.Clean(r.Validity.Verdict), why})
	if a := r.Availability; a != nil {
		class := "good"
		if a.Count > 0 || a.Share < 1 {
			class = "warn"
		}
		share, outages, _ := strings.Cut(content.Availability(a), ", ")
		cards = append(cards, verdictCard{"availability", class, strings.TrimPrefix(share, "availability "), outages})
	}
	if p := r.Proof; p != nil {
		var checks []string
		for _, c := range content.JoinChecks(p.Checks) {
			checks = append(checks, words.Clean(c.Name))
		}
		cards = append(cards, verdictCard{"proof", class[p.Verdict], words.Clean(p.Verdict), strings.Join(checks, ", ")})
	}
	if r.Profiled() {
		cards = append(cards, verdictCard{"profiled", "warn", "yes", "its figures include the cost of profiling"})
	}
	return cards
}
