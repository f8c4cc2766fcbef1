package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// HistoryFormats are the formats of a history.
func HistoryFormats() []string { return []string{"text", "html"} }

// WriteHistory shows how the target, latency and cost went from run to run, with
// the versions and machines at which they changed, and the changes that were found
// in them. notes are what was left out.
func WriteHistory(w io.Writer, format string, runs []results.HistoryRun, changes []results.SeriesChange, notes []string) error {
	h := newHistory(runs, notes)
	h.found = changeLines(&results.Verdict{Changes: changes})
	if format == "html" {
		return h.html(w)
	}
	return h.text(w)
}

// history is runs in the order in which they were made, by series.
type history struct {
	runs  []results.HistoryRun
	notes []string
	// series are the runs' series, by letter in the order in which they came up.
	series []string
	of     []int // the series of each run
	// changes are what is new in a run: the machine, compared with the run before,
	// and versions, compared with that before of its series.
	changes []string
	// found are the changes of level.
	found []string
}

func newHistory(runs []results.HistoryRun, notes []string) history {
	h := history{runs: runs, notes: notes}
	last := map[int]results.HistoryRun{}
	for i, r := range runs {
		name := r.Series()
		k := slices.Index(h.series, name)
		if k < 0 {
			k = len(h.series)
			h.series = append(h.series, name)
		}
		h.of = append(h.of, k)
		var changes []string
		if i > 0 {
			if a, b := runs[i-1].Environment.Machine(), r.Environment.Machine(); a != b {
				changes = append(changes, "machine "+clean(a)+" → "+clean(b))
			}
		}
		if before, ok := last[k]; ok {
			changes = append(changes, versionChanges(before, r)...)
		}
		h.changes = append(h.changes, strings.Join(changes, ", "))
		last[k] = r
	}
	return h
}

// versionChanges says which versions differ between two runs of a series.
func versionChanges(a, b results.HistoryRun) []string {
	var parts []string
	for _, v := range [][3]string{
		{"etcd", a.Cluster.Version, b.Cluster.Version}, {"binary", a.Cluster.Binary, b.Cluster.Binary},
		{"etcdbench", a.Environment.Tool, b.Environment.Tool}, {"revision", a.Environment.Revision, b.Environment.Revision},
		{"Go", a.Environment.Go, b.Environment.Go},
	} {
		if v[1] != v[2] {
			parts = append(parts, fmt.Sprintf("%s %s → %s", v[0], clean(v[1]), clean(v[2])))
		}
	}
	return parts
}

// historyFigure is one figure of a run; NaN where it has none.
type historyFigure struct {
	title, caption string
	head           string // in the table of runs
	of             func(r results.HistoryRun) float64
	print          func(v float64) string
	axis           func(v float64) string
}

func historyFigures() []historyFigure {
	value := func(name string) func(r results.HistoryRun) float64 {
		return func(r results.HistoryRun) float64 {
			if v, ok := r.Values[name]; ok {
				return v
			}
			return math.NaN()
		}
	}
	written := func(r results.HistoryRun) float64 {
		if r.Target.Verdict == results.TargetNone {
			return math.NaN()
		}
		return r.Target.Achieved
	}
	time := func(v float64) string { return duration(int64(v)) }
	return []historyFigure{
		{"Writes per second", "Completed writes per second of the measured phases. The dashed line is the target.", "writes/s", written, rate, rate},
		{"p99 of response time", "Of all measured operations that were asked for.", "p99", value("p99"), time, nsLabel},
		{"CPU time of the members for an operation", "Of all members together.", "CPU/op", value("cpu"), time, nsLabel},
		{"Objects that the members allocate for an operation", "Of all members together; it swings far less than time does.", "objects/op", value("allocs"), rate, plain},
	}
}

func (h history) rows() (head []string, rows [][]string) {
	head = []string{"#", "started", "series", "writes/s", "target", "p99", "CPU/op", "objects/op", "validity", "etcd", "run", "new"}
	figures := historyFigures()
	for i, r := range h.runs {
		row := []string{fmt.Sprint(i + 1), r.Started.UTC().Format("2006-01-02 15:04"), runLetter(h.of[i])}
		for k, f := range figures {
			cell := "–"
			if v := f.of(r); !math.IsNaN(v) {
				cell = f.print(v)
			}
			if row = append(row, cell); k == 0 {
				row = append(row, clean(r.Target.Verdict))
			}
		}
		rows = append(rows, append(row, clean(r.Validity.Verdict), clean(r.Cluster.Version), clean(cmp.Or(r.Label, filepath.Base(r.Path))), h.changes[i]))
	}
	return head, rows
}

// seriesLines say what each series is.
func (h history) seriesLines() []string {
	var lines []string
	for k := range h.series {
		r := h.runs[slices.Index(h.of, k)]
		n := 0
		for _, of := range h.of {
			if of == k {
				n++
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %s: %s, %s; %s; %s", runLetter(k), plural(n, "run", "runs"), clean(r.Plan.Workload), load(r.Plan), describeCluster(r.Cluster, nil), describeMachine(r.Environment)))
	}
	return lines
}

func (h history) text(w io.Writer) error {
	var b strings.Builder
	t := text{&b}
	t.line("history of %s in %s", plural(len(h.runs), "run", "runs"), plural(len(h.series), "series", "series"))
	for _, s := range h.seriesLines() {
		t.line("  %s", s)
	}
	t.line("")
	head, rows := h.rows()
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.table(lines)
	for i, c := range h.changes {
		if c != "" {
			t.line("  new in %d: %s", i+1, c)
		}
	}
	for _, c := range h.found {
		t.line("  change: %s", c)
	}
	for _, n := range h.notes {
		t.line("  note: %s", clean(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (h history) html(w io.Writer) error {
	head, rows := h.rows()
	s := section{Title: "History of " + plural(len(h.runs), "run", "runs"), Lead: "From the oldest to the newest. Runs of one series have the same plan, cluster and machine; their versions may differ, which the dashed lines mark."}
	for _, f := range historyFigures() {
		if fig, ok := h.figure(f, head, rows); ok {
			s.Figures = append(s.Figures, fig)
		}
	}
	s.Tables = append(s.Tables, table{Title: "Runs", Words: true, Head: head, Rows: rows})
	series := table{Title: "Series", Words: true}
	for _, l := range h.seriesLines() {
		name, what, _ := strings.Cut(l, ": ")
		series.Rows = append(series.Rows, []string{name, what})
	}
	s.Tables = append(s.Tables, series)
	found := table{Title: "Changes of level", Words: true}
	for _, c := range h.found {
		found.Rows = append(found.Rows, []string{c})
	}
	s.Tables = append([]table{found}, s.Tables...)
	for _, n := range h.notes {
		s.Notes = append(s.Notes, clean(n))
	}
	return page{Title: "etcdbench history", Sections: []section{s}}.write(w, nil)
}

// figure draws one figure of all runs, a line for each series.
func (h history) figure(f historyFigure, head []string, rows [][]string) (figure, bool) {
	lines := make([]line, len(h.series))
	for k := range lines {
		lines[k] = line{name: "series " + runLetter(k), class: runClass(k), dots: true}
	}
	var marks []mark
	target := line{name: "target", class: "target"}
	var at []float64
	any := false
	for i, r := range h.runs {
		x := float64(i + 1)
		at = append(at, x)
		v := f.of(r)
		any = any || !math.IsNaN(v)
		l := &lines[h.of[i]]
		l.at, l.value = append(l.at, x), append(l.value, v)
		if h.changes[i] != "" {
			marks = append(marks, mark{x, x, "member", h.changes[i]})
		}
		target.at, target.value = append(target.at, x), append(target.value, r.Target.Writes)
	}
	if !any {
		return figure{}, false
	}
	if f.head == "writes/s" {
		lines = append(lines, target)
	}
	_, high := bounds(lines, false)
	ch := chart{
		title: f.title, describe: "of each run, oldest first", width: chartWidth, height: 240,
		x: axis{low: 0.5, high: float64(len(h.runs)) + 0.5, whole: true}, y: axis{low: 0, high: high},
		xLabel: func(v float64) string { return fmt.Sprintf("#%.0f", v) }, yLabel: f.axis, lines: lines, marks: marks,
	}
	place := slices.Index(head, f.head)
	t := table{Head: []string{"run", "started", "series", head[place], "new"}}
	for _, row := range rows {
		t.Rows = append(t.Rows, []string{"#" + row[0], row[1], row[2], row[place], row[len(row)-1]})
	}
	return figure{Title: f.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(at), Caption: f.caption}, true
}
