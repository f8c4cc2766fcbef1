package content

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// A History is a list of runs by series, with what changed between them.
type History struct {
	// Runs are the runs, the oldest first.
	Runs []results.HistoryRun
	// Notes list what was left out.
	Notes []string
	// Series are the runs' series in the order of their first runs. words.Letter
	// names the series of an index.
	Series []string
	// Of has the index in Series of each run.
	Of []int
	// Changes list the changes at each run: the machine and transport, compared with the previous
	// run, and versions, compared with the previous run of the series.
	Changes []string
	// Found has a line for each change of level.
	Found []string
}

// NewHistory returns the history of runs, which are in the order in which they
// were made. changes are the changes of level that were found in them, and notes
// say what was left out.
func NewHistory(runs []results.HistoryRun, changes []results.SeriesChange, notes []string) History {
	h := History{Runs: runs, Notes: notes, Found: ChangeLines(&results.Verdict{Changes: changes})}
	last := map[int]results.HistoryRun{}
	for i, r := range runs {
		name := r.Series()
		k := slices.Index(h.Series, name)
		if k < 0 {
			k = len(h.Series)
			h.Series = append(h.Series, name)
		}
		h.Of = append(h.Of, k)
		var changes []string
		if i > 0 {
			if a, b := runs[i-1].Environment.Machine(), r.Environment.Machine(); a != b {
				changes = append(changes, "machine "+words.Clean(a)+" → "+words.Clean(b))
			}
			if a, b := runs[i-1].Plan.TransportUsed(), r.Plan.TransportUsed(); a != b {
				changes = append(changes, "transport "+words.Clean(a)+" → "+words.Clean(b))
			}
		}
		if before, ok := last[k]; ok {
			changes = append(changes, versionChanges(before, r)...)
		}
		h.Changes = append(h.Changes, strings.Join(changes, ", "))
		last[k] = r
	}
	return h
}

// versionChanges returns the versions that differ between two runs of a series.
func versionChanges(a, b results.HistoryRun) []string {
	var parts []string
	for _, v := range [][3]string{
		{"etcd", a.Cluster.Version, b.Cluster.Version}, {"binary", a.Cluster.Binary, b.Cluster.Binary},
		{"etcdbench", a.Environment.Tool, b.Environment.Tool}, {"revision", a.Environment.Revision, b.Environment.Revision},
		{"Go", a.Environment.Go, b.Environment.Go},
	} {
		if v[1] != v[2] {
			parts = append(parts, fmt.Sprintf("%s %s → %s", v[0], words.Clean(v[1]), words.Clean(v[2])))
		}
	}
	return parts
}

// A HistoryFigure is one figure that a history shows of each run.
type HistoryFigure struct {
	// Name is the figure's name in results.Run.Figures, or empty.
	Name string
	// Title and Caption are those of the figure's chart.
	Title, Caption string
	// Head is the heading of the figure's column in the table of runs.
	Head string
	// Of returns a run's value, or NaN where the run has none.
	Of func(r results.HistoryRun) float64
	// Print prints a value in a cell.
	Print func(v float64) string
	// Axis prints a value beside an axis.
	Axis func(v float64) string
}

// HistoryFigures returns the figures of a history in the order of their columns.
func HistoryFigures() []HistoryFigure {
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
	time := func(v float64) string { return words.DurationOrUnknown(int64(v)) }
	return []HistoryFigure{
		{
			"", "Writes per second", "Completed writes per second of the measured phases. The dashed line is the target.",
			"writes/s", written, words.Rate, words.Rate,
		},
		{
			"p99", "p99 of response time",
			"Of all measured operations that clients started. Unfinished operations count with lower bounds.",
			"p99", value("p99"), time, words.AxisDuration,
		},
		{
			"error_rate", "Error rate", "The share of operations that failed, were dropped or did not finish.",
			"error rate", value("error_rate"), words.Percent, words.Percent,
		},
		{"cpu", "CPU time of the members for an operation", "Of all members together.", "CPU/op", value("cpu"), time, words.AxisDuration},
		{
			"allocs", "Objects that the members allocate for an operation",
			"Of all members together. It varies far less than times do.", "objects/op", value("allocs"), words.Rate,
			words.AxisNumber,
		},
	}
}

// Table returns the heading and the cells of a table with a row for each run. The last column
// lists the changes at the run.
func (h History) Table() (head []string, rows [][]string) {
	head = []string{
		"#", "started", "series", "writes/s", "target", "p99", "error rate", "CPU/op", "objects/op", "validity", "etcd", "run", "new",
	}
	figures := HistoryFigures()
	for i, r := range h.Runs {
		row := []string{fmt.Sprint(i + 1), r.Started.UTC().Format("2006-01-02 15:04"), words.Letter(h.Of[i])}
		for k, f := range figures {
			cell := "–"
			if v := f.Of(r); !math.IsNaN(v) {
				cell = AtLeast(f.Print(v), r.AtLeast[f.Name])
			}
			if row = append(row, cell); k == 0 {
				row = append(row, words.Clean(r.Target.Verdict))
			}
		}
		name := cmp.Or(r.Label, filepath.Base(r.Path))
		row = append(row, words.Clean(r.Validity.Verdict), words.Clean(r.Cluster.Version), words.Clean(name), h.Changes[i])
		rows = append(rows, row)
	}
	return head, rows
}

// SeriesLines returns a line for each series: its letter, how many runs it has,
// and their plan, cluster and machine.
func (h History) SeriesLines() []string {
	var lines []string
	for k := range h.Series {
		r := h.Runs[slices.Index(h.Of, k)]
		n := 0
		for _, of := range h.Of {
			if of == k {
				n++
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %s: %s, %s; %s; %s",
			words.Letter(k), words.Plural(n, "run", "runs"), words.Clean(r.Plan.Workload), Load(r.Plan),
			DescribeCluster(r.Cluster, nil), DescribeMachine(r.Environment)))
	}
	return lines
}
