package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

//go:embed page.html
var pageText string

// The parts of the page, as its template wants them.
type (
	page struct {
		Workload, Load, Outcome string
		Verdicts                []verdictCard
		Operations              table
		Counts                  []string
		Charts                  []figure
		Slow                    []slowStretch
		MemberKey               []keyEntry
		Members                 []figure
		Tables                  []table
	}
	verdictCard struct{ Name, Class, Value, Detail string }
	table       struct {
		Title string
		Head  []string
		Rows  [][]string
		// Words says that cells hold text, not figures.
		Words bool
	}
	figure struct {
		Title, Caption string
		SVG            template.HTML
		Key            []keyEntry
		Table          table
	}
	keyEntry    struct{ Class, Name string }
	slowStretch struct {
		What   string
		Causes []string
	}
)

// writeHTML writes one page that needs nothing but itself.
func writeHTML(w io.Writer, docs []Document) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	var pages []page
	for _, d := range docs {
		p, err := newPage(d)
		if err != nil {
			return err
		}
		pages = append(pages, p)
	}
	return t.Execute(w, pages)
}

func newPage(d Document) (page, error) {
	p := page{Workload: clean(d.Plan.Workload), Load: load(d.Plan), Verdicts: verdictCards(d.Run), Operations: operationTable(d.Run)}
	if d.Outcome != results.Completed {
		p.Outcome = clean(string(d.Outcome)) + ": " + clean(d.Reason)
	}
	columns, members, err := readColumns(d)
	if err != nil && !errors.Is(err, errNoIntervals) {
		return p, err
	}
	if drawable(columns, func(c column) bool { return c.p50 > 0 }) {
		p.Charts = append(p.Charts, latencyFigure(d.Run, columns))
	}
	if drawable(columns, func(c column) bool { return c.completed > 0 }) {
		p.Charts = append(p.Charts, throughputFigure(d.Run, columns))
		p.MemberKey, p.Members = memberFigures(columns, members)
	}
	if f, ok := percentileFigure(d.Run); ok {
		p.Charts = append(p.Charts, f)
	}
	for _, s := range d.Slow {
		stretch := slowStretch{What: fmt.Sprintf("at %s for %s: p99 %s, usually %s", duration(int64(s.Start)), duration(int64(s.Length)), duration(s.P99), duration(s.Usual))}
		for _, c := range s.Causes {
			stretch.Causes = append(stretch.Causes, clean(c.Text))
		}
		p.Slow = append(p.Slow, stretch)
	}
	p.Tables = detailTables(d)
	return p, nil
}

// drawable says that there is something to draw: an empty chart says nothing.
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
		detail := clean(t.Verdict) + " of " + rate(t.Writes) + " writes/s"
		if t.Reason != "" {
			detail += " (" + clean(t.Reason) + ")"
		}
		cards = append(cards, verdictCard{"target", class[t.Verdict], rate(t.Achieved) + " writes/s", detail})
	}
	var reasons []string
	for _, reason := range r.Validity.Reasons {
		reasons = append(reasons, clean(reason.Message))
	}
	cards = append(cards, verdictCard{"validity", class[r.Validity.Verdict], clean(r.Validity.Verdict), strings.Join(reasons, "; ")})
	if p := r.Proof; p != nil {
		var checks []string
		for _, c := range joinChecks(p.Checks) {
			checks = append(checks, clean(c.Name))
		}
		cards = append(cards, verdictCard{"proof", class[p.Verdict], clean(p.Verdict), strings.Join(checks, ", ")})
	}
	return cards
}

func operationTable(r *results.Run) table {
	t := table{Head: []string{"operation", "ops/s", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "completed", "failed", "dropped", "unfinished"}}
	ops := shownOperations(r)
	signed := map[string]bool{}
	for _, o := range ops {
		if o.Of != "" {
			if key := o.Phase + "\t" + o.Of; !signed[key] {
				signed[key] = true
				o.Op = o.Of
				t.Rows = append(t.Rows, append(append([]string{operationName(r, o) + " (signed)", ""}, signedCells(ops, o)...), "", "", "", ""))
			}
			continue
		}
		row := append([]string{operationName(r, o), rate(o.Throughput)}, responseCells(o)...)
		t.Rows = append(t.Rows, append(row, count(o.Completed), count(o.Failed), count(o.Dropped), count(o.Unfinished)))
	}
	return t
}

// timeAxis spans the columns, in seconds.
func timeAxis(columns []column) axis {
	last := columns[len(columns)-1]
	return axis{low: columns[0].start.Seconds(), high: (last.start + last.length).Seconds()}
}

// timeMarks are the warm-ups, the slow stretches and the disturbances.
func timeMarks(r *results.Run) []mark {
	warm := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		warm[ph.Name] = ph.Warmup
	}
	var marks []mark
	for _, ph := range r.Phases {
		if warm[ph.Name] {
			marks = append(marks, mark{ph.Start.Seconds(), (ph.Start + ph.Length).Seconds(), "warmup", clean(ph.Name)})
		}
	}
	for _, s := range r.Slow {
		marks = append(marks, mark{s.Start.Seconds(), (s.Start + s.Length).Seconds(), "slow", "slow: p99 " + duration(s.P99)})
	}
	for _, e := range r.Events {
		marks = append(marks, mark{e.Start.Seconds(), (e.Start + e.Length).Seconds(), "event", clean(e.Kind) + " " + clean(e.Detail)})
	}
	return marks
}

func latencyFigure(r *results.Run, columns []column) figure {
	lines := []line{{name: "p50", class: "s1"}, {name: "p99", class: "s2"}, {name: "p99.9", class: "s4"}}
	t := table{Head: []string{"from", "phase", "completed", "p50", "p99", "p99.9"}}
	for _, c := range columns {
		for i, ns := range []int64{c.p50, c.p99, c.p999} {
			v := float64(ns)
			if ns == 0 {
				v = math.NaN()
			}
			lines[i].at, lines[i].value = append(lines[i].at, (c.start+c.length/2).Seconds()), append(lines[i].value, v)
		}
		t.Rows = append(t.Rows, []string{secondsLabel(c.start.Seconds()), clean(c.phase), count(c.completed), drawn(c.p50), drawn(c.p99), drawn(c.p999)})
	}
	lines = slices.DeleteFunc(lines, func(l line) bool {
		return !slices.ContainsFunc(l.value, func(v float64) bool { return !math.IsNaN(v) })
	})
	low, high := bounds(lines, true)
	ch := chart{
		title: "Response time over time", describe: "p50, p99 and p99.9 of each second", width: chartWidth, height: 300,
		x: timeAxis(columns), y: axis{low: low, high: high, log: true}, xLabel: secondsLabel, yLabel: nsLabel, lines: lines, marks: timeMarks(r),
	}
	return figure{
		Title: "Response time over time", SVG: ch.svg() + hoverColumns(ch, columns), Key: keyOf(lines), Table: t,
		Caption: "Each second's p50, p99 and p99.9 of what was asked for; the highest of several kinds, where at least ten samples lie beyond it. Grey: warm-up; amber: slow stretches; pink: disturbances.",
	}
}

// drawn is a second's percentile, if it is resolved.
func drawn(ns int64) string {
	if ns == 0 {
		return "?"
	}
	return duration(ns)
}

// hoverColumns is drawn over a chart: each column tells its figures.
func hoverColumns(ch chart, columns []column) template.HTML {
	var b strings.Builder
	x := ch.x
	x.from, x.to = marginLeft, ch.width-marginRight
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" style="margin-top:-%g%%;position:relative" aria-hidden="true">`, ch.width, ch.height, 100*ch.height/ch.width)
	for _, c := range columns {
		x0, x1 := x.place(c.start.Seconds()), x.place((c.start + c.length).Seconds())
		fmt.Fprintf(&b, `<rect class="hover" x="%.1f" y="%d" width="%.1f" height="%g"><title>%s</title></rect>`, x0, marginTop, x1-x0, ch.height-marginTop-marginFoot,
			html.EscapeString(fmt.Sprintf("%s: %s completed, p50 %s, p99 %s, p99.9 %s", secondsLabel(c.start.Seconds()), count(c.completed), drawn(c.p50), drawn(c.p99), drawn(c.p999))))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func keyOf(lines []line) []keyEntry {
	var key []keyEntry
	for _, l := range lines {
		key = append(key, keyEntry{l.class, l.name})
	}
	return key
}

func throughputFigure(r *results.Run, columns []column) figure {
	lines := []line{{name: "completed per second", class: "s1"}, {name: "failed, dropped or timed out per second", class: "s2"}}
	t := table{Head: []string{"from", "completed/s", "failed/s", "in flight", "waiting"}}
	for _, c := range columns {
		seconds := c.length.Seconds()
		if seconds <= 0 {
			continue
		}
		for i, n := range []uint64{c.completed, c.failed} {
			lines[i].at, lines[i].value = append(lines[i].at, (c.start+c.length/2).Seconds()), append(lines[i].value, float64(n)/seconds)
		}
		t.Rows = append(t.Rows, []string{secondsLabel(c.start.Seconds()), rate(float64(c.completed) / seconds), rate(float64(c.failed) / seconds), count(c.inFlight), count(c.queue)})
	}
	low, high := bounds(lines, false)
	ch := chart{
		title: "Throughput over time", describe: "operations completed and failed in each second", width: chartWidth, height: 200,
		x: timeAxis(columns), y: axis{low: low, high: high}, xLabel: secondsLabel, yLabel: func(v float64) string { return humanize.SI(v, "") }, lines: lines, marks: timeMarks(r),
	}
	return figure{Title: "Throughput over time", SVG: ch.svg(), Key: keyOf(lines), Table: t, Caption: "Operations that were asked for, by the second in which they ended."}
}

// percentileFigure draws response and service time together: where they part,
// requests waited.
func percentileFigure(r *results.Run) (figure, bool) {
	var responses, services []results.Latency
	for _, o := range shownOperations(r) {
		if !o.Arrived {
			responses, services = append(responses, o.ResponseTime), append(services, o.ServiceTime)
		}
	}
	lines := []line{{name: "response time", class: "s2"}, {name: "service time", class: "s1"}}
	t := table{Head: []string{"percentile", "response time", "service time"}}
	rows := map[string][]string{}
	for i, ls := range [][]results.Latency{responses, services} {
		merged, err := results.MergeLatency(ls...)
		if err != nil {
			return figure{}, false
		}
		for _, point := range curve(merged) {
			lines[i].at, lines[i].value = append(lines[i].at, point.nines), append(lines[i].value, float64(point.ns))
		}
		for _, q := range percentiles(merged) {
			if merged.Resolved(q.p) {
				name := fmt.Sprintf("%g %%", q.p)
				rows[name] = append(rows[name], duration(q.ns))
			}
		}
	}
	if len(lines[0].at) < 2 {
		return figure{}, false
	}
	for _, name := range []string{"50 %", "90 %", "99 %", "99.9 %", "99.99 %"} {
		if cells := rows[name]; len(cells) == 2 {
			t.Rows = append(t.Rows, append([]string{name}, cells...))
		}
	}
	low, high := bounds(lines, true)
	at := lines[0].at
	ch := chart{
		title: "Percentiles", describe: "response and service time by percentile", width: chartWidth, height: 280,
		x: axis{low: 0, high: math.Ceil(at[len(at)-1]), whole: true}, y: axis{low: low, high: high, log: true}, xLabel: ninesLabel, yLabel: nsLabel, lines: lines,
	}
	return figure{
		Title: "Percentiles", SVG: ch.svg(), Key: keyOf(lines), Table: t,
		Caption: "Each step to the right is one nine more. Where response time is above service time, requests waited before they were sent; a benchmark that starts its clock at sending shows the lower curve.",
	}, true
}

// memberCharts are the members' figures that are drawn, and how to label them.
var memberCharts = [...]struct {
	metric, title string
	label         func(v float64) string
	scale         float64
}{
	{"cpu", "CPU, cores", plain, 1},
	{"fsync_time", "time in fsync, per second", nsLabel, 1e9},
	{"commit_time", "time in backend commits, per second", nsLabel, 1e9},
	{"proposals_pending", "proposals pending", plain, 1},
	{"rss", "resident memory", bytesLabel, 1},
	{"db_size", "database size", bytesLabel, 1},
	{"peer_sent", "sent to peers, per second", bytesLabel, 1},
	{"client_sent", "sent to clients, per second", bytesLabel, 1},
	{"disk_written", "written to disk, per second", bytesLabel, 1},
	{"allocs", "objects allocated, per second", plain, 1},
	{"gc_pause", "garbage collection pauses, per second", nsLabel, 1e9},
	{"watchers", "watchers", plain, 1},
}

func plain(v float64) string      { return humanize.SIWithDigits(v, 2, "") }
func bytesLabel(v float64) string { return humanize.Bytes(uint64(max(v, 0))) }

var memberClasses = [...]string{"s1", "s2", "s3", "s4", "s5"}

func memberFigures(columns []column, members []string) ([]keyEntry, []figure) {
	if len(members) == 0 {
		return nil, nil
	}
	members = members[:min(len(members), len(memberClasses))]
	var key []keyEntry
	for i, m := range members {
		key = append(key, keyEntry{memberClasses[i], clean(m)})
	}
	var figures []figure
	for _, mc := range memberCharts {
		var lines []line
		moved := false
		for i, m := range members {
			l := line{name: clean(m), class: memberClasses[i]}
			for _, c := range columns {
				v, ok := c.server[m][mc.metric]
				if !ok {
					v = math.NaN()
				}
				moved = moved || ok && v != 0
				l.at, l.value = append(l.at, c.start.Seconds()), append(l.value, v*mc.scale)
			}
			lines = append(lines, l)
		}
		if !moved {
			continue
		}
		low, high := bounds(lines, false)
		ch := chart{title: mc.title, describe: "of each member over time", width: smallWidth, height: 150, x: timeAxis(columns), y: axis{low: low, high: high}, xLabel: secondsLabel, yLabel: mc.label, lines: lines}
		figures = append(figures, figure{Title: mc.title, SVG: ch.svg()})
	}
	return key, figures
}

// detailTables are what the charts do not show.
func detailTables(d Document) []table {
	var tables []table
	add := func(t table) {
		if len(t.Rows) > 0 {
			tables = append(tables, t)
		}
	}
	if d.Server != nil {
		t := table{Title: "Cost of an operation", Head: []string{"phase, member"}}
		for _, f := range results.CostFigures() {
			name := strings.ReplaceAll(f.Name, "_", " ")
			if !strings.HasSuffix(name, f.Unit) {
				name += " " + f.Unit
			}
			t.Head = append(t.Head, name)
		}
		for _, c := range d.Server.Cost {
			name := clean(c.Phase) + ", " + clean(c.Member)
			if c.Member == "" {
				name = clean(c.Phase) + ", all members"
			}
			row := []string{name}
			for _, f := range results.CostFigures() {
				cell := "–"
				if v, ok := c.Figures[f.Name]; ok {
					cell = rate(v)
				}
				row = append(row, cell)
			}
			t.Rows = append(t.Rows, row)
		}
		add(t)
	}
	errorsTable := table{Title: "Errors", Words: true, Head: []string{"operation", "error", "count", "example"}}
	for _, o := range shownOperations(d.Run) {
		for _, e := range o.Errors {
			errorsTable.Rows = append(errorsTable.Rows, []string{operationName(d.Run, o), clean(strings.TrimSpace(e.Code + " " + e.Etcd)), count(e.Count), clean(e.Example)})
		}
	}
	add(errorsTable)
	if d.Proof != nil {
		t := table{Title: "Proof", Words: true, Head: []string{"check", "checked", "of", "what"}}
		for _, c := range d.Proof.Checks {
			what := clean(c.Note)
			if c.Skipped != "" {
				what = "not checked: " + clean(c.Skipped)
			}
			t.Rows = append(t.Rows, []string{clean(c.Name), count(c.Checked), count(c.Of), what})
		}
		for _, v := range d.Proof.Violations {
			t.Rows = append(t.Rows, []string{"VIOLATION: " + clean(v.Check), clean(v.Key), "expected " + clean(v.Expected), "found " + clean(v.Found)})
		}
		add(t)
	}
	events := table{Title: "Disturbances", Words: true, Head: []string{"at", "what", "took", "detail"}}
	for _, e := range d.Events {
		events.Rows = append(events.Rows, []string{duration(int64(e.Start)), clean(e.Kind), duration(int64(e.Length)), clean(strings.TrimSpace(e.Detail + " " + e.Error))})
	}
	add(events)
	warnings := table{Title: "Warnings", Words: true}
	for _, w := range d.Warnings {
		warnings.Rows = append(warnings.Rows, []string{clean(w.Code), clean(w.Message)})
	}
	add(warnings)
	plan := table{Title: "Plan", Words: true}
	for _, e := range d.Plan.Entries() {
		var params []string
		for _, name := range sortedNames(e.Params) {
			params = append(params, clean(name)+"="+clean(e.Params[name]))
		}
		plan.Rows = append(plan.Rows, []string{clean(e.Name), fmt.Sprintf("%s, weight %s: %s", clean(e.Workload), rate(e.Weight), strings.Join(params, ", "))})
	}
	plan.Rows = append(plan.Rows, []string{"seed", fmt.Sprint(d.Plan.Seed)})
	add(plan)
	add(table{Title: "Where", Words: true, Rows: [][]string{
		{"cluster", describeCluster(d.Cluster, d.Environment.Disk)}, {"machine", describeMachine(d.Environment)}, {"run", clean(d.ID)}, {"started", d.Started.UTC().Format("2006-01-02 15:04:05 MST")}, {"result", clean(d.Path)},
	}})
	return tables
}

func sortedNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
