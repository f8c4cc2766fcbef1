package content

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// Compared is a comparison of saved results, with the results themselves.
type Compared struct {
	// Base and Candidate are the runs of each side.
	Base, Candidate []Document
	// Rows compare one metric of one operation each.
	Rows []results.Comparison
	// Differences list the differences of the first runs of the two sides other than their
	// figures.
	Differences []string
}

// The notes below a comparison some of whose intervals do not describe how runs differ
// from each other.
const (
	// oneRun is the note on a comparison of one run with one: its intervals describe the seconds of these two.
	oneRun = "One run per side: the intervals cover the variation between the seconds of each run. " +
		"They do not include the variation between runs."
	// fewRuns is the note on a comparison of several runs, which are too few for an interval between runs.
	fewRuns = "Too few runs per side for intervals between runs: the interval of an error rate covers those of all pairs of runs."
)

// Note says what intervals do not cover, or nothing.
func (c Compared) Note() string {
	switch {
	case !slices.ContainsFunc(c.Rows, func(r results.Comparison) bool { return r.Descriptive }):
		return ""
	case len(c.Base) > 1 || len(c.Candidate) > 1:
		return fewRuns
	}
	return oneRun
}

// Table returns the heading and the cells of a table with a row for each
// comparison.
func (c Compared) Table() (head []string, rows [][]string) {
	head = []string{"operation", "metric", "base", "candidate", "change", "95 % interval", "verdict"}
	for _, r := range c.Rows {
		m := results.MetricVerdict{Unit: r.Unit, Absolute: r.Unit == "share"}
		interval := "–"
		if r.Lower != nil {
			interval = changeOf(m, r.Lower, "") + " to " + changeOf(m, r.Upper, "")
		}
		word := words.Clean(r.Word)
		if r.Word == results.Same {
			word = "same within ±" + strings.TrimPrefix(changeOf(m, &r.Within, ""), "+")
		}
		op := words.Clean(r.Operation)
		if op == "" {
			op = "cost/op"
		}
		rows = append(rows, []string{
			op, words.Clean(r.Metric), AtLeast(MetricValue(m, r.Base), r.BaseAtLeast),
			AtLeast(MetricValue(m, r.Candidate), r.CandidateAtLeast),
			changeOf(m, &r.Change, ""), interval, word,
		})
	}
	return head, rows
}

// Title returns how many runs are compared with how many.
func (c Compared) Title() string {
	return fmt.Sprintf("%s against %s", words.Plural(len(c.Candidate), "run", "runs"), words.Plural(len(c.Base), "run", "runs"))
}
