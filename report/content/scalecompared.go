package content

import (
	"fmt"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// ScaleCompared is a comparison of scale experiments.
type ScaleCompared struct {
	Base, Candidate []*results.Scale
	Rows            []judge.ScaleRatio
	// Differences list the differences of the first ladders of the two sides other than their
	// figures.
	Differences []string
}

// Title returns the subject of the comparison.
func (c ScaleCompared) Title() string {
	return fmt.Sprintf("scale of %s: %s against %s", words.Clean(c.Base[0].Workload),
		words.Plural(len(c.Candidate), "ladder", "ladders"), words.Plural(len(c.Base), "ladder", "ladders"))
}

// Notes returns the notes that precede the figures.
func (c ScaleCompared) Notes() (notes []string) {
	for _, d := range c.Differences {
		notes = append(notes, "the sides differ in "+words.Clean(d))
	}
	for _, side := range []struct {
		name string
		list []*results.Scale
	}{{"base", c.Base}, {"candidate", c.Candidate}} {
		notes = append(notes, side.name+": "+DescribeCluster(side.list[0].Cluster, side.list[0].Environment.Disk))
		for _, s := range side.list {
			for _, n := range ScaleNotes(s) {
				notes = append(notes, side.name+": "+n)
			}
		}
	}
	return notes
}

// Note explains the intervals.
func (c ScaleCompared) Note() string {
	for _, r := range c.Rows {
		if r.Low != nil {
			return "The 95 % intervals cover the variation between ladders."
		}
	}
	return "No intervals: they need at least four ladders per side. The figures of two ladders with the same settings also differ."
}

// Table returns a table with a row for each figure and rung: the figures of both sides,
// and their ratio with its interval.
func (c ScaleCompared) Table() (head []string, rows [][]string) {
	head = []string{"figure", "data", "base", "candidate", "candidate ÷ base", "95 % interval"}
	for _, r := range c.Rows {
		interval := "–"
		if r.Low != nil {
			interval = fmt.Sprintf("%s to %s", words.ThreeDigits(*r.Low), words.ThreeDigits(*r.High))
		}
		rows = append(rows, []string{
			words.Clean(r.Figure), ScaleSize(r.Size), ScaleValue(r.Unit, r.Base), ScaleValue(r.Unit, r.Candidate),
			words.ThreeDigits(r.Ratio), interval,
		})
	}
	return head, rows
}
