package html

import (
	"slices"

	"github.com/etcdbench/etcdbench/report/words"
)

// mostMarked is the largest number of disturbances of several runs that a chart marks; the
// table contains all.
const mostMarked = 24

// overlayMarks are the disturbances of the runs, counted as the runs are, up to end in seconds.
func overlayMarks(runs []runColumns, end float64) (marks []mark) {
	for i, r := range runs {
		_, from := measuredColumns(r)
		for _, e := range r.Events {
			what := words.Letter(i) + ": " + words.Clean(e.Kind)
			marks = append(marks, mark{
				(e.Start - from).Seconds(), (e.Start + e.Length - from).Seconds(), "event", what + " " + words.Clean(e.Outcome()), what,
			})
		}
	}
	marks = slices.DeleteFunc(marks, func(m mark) bool { return m.from < 0 || m.from > end })
	return marks[:min(len(marks), mostMarked)]
}

// overlayEvents returns a table of the disturbances of each run.
func overlayEvents(runs []runColumns) (table, bool) {
	t := table{Title: "Disturbances", Words: true, Head: []string{"run", "start", "disturbance", "length", "details"}}
	for i, r := range runs {
		_, from := measuredColumns(r)
		for _, e := range r.Events {
			at := "before the measurement"
			if e.Start >= from {
				at = words.Duration(int64(e.Start - from))
			}
			t.Rows = append(t.Rows, []string{
				words.Letter(i), at, words.Clean(e.Kind), words.Duration(int64(e.Length)), words.Clean(e.Outcome()),
			})
		}
	}
	return t, len(t.Rows) > 0
}
