package report

import (
	"bytes"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Two ladders beside each other in every format: both figures, their ratio, what differs, and
// both curves on the page.
func TestScaleComparison(t *testing.T) {
	t.Parallel()
	base, candidate := reporttest.Scale(t), reporttest.Scale(t)
	candidate.Rate = 800
	for i := range candidate.Rungs {
		candidate.Rungs[i].Members[0].File *= 2
	}
	c := ScaleCompared{
		Base: []*results.Scale{base}, Candidate: []*results.Scale{candidate}, Differences: judge.ScaleDifferences(base, candidate),
	}
	c.Rows = judge.CompareScales(c.Base, c.Candidate)
	wants := map[string][]string{
		"text":     {"1 ladder against 1 ladder", "the sides differ in rate", "candidate ÷ base", "2.00", "No intervals"},
		"markdown": {"| file |", "2.00"},
		"json":     {`"schema": "etcdbench.scale-comparison/v1"`, `"ratio": 2`},
		"html":     {"candidate ÷ base", "File, by size of the data", "&lt;data&gt;", `class="line s1"`, `class="line s2"`},
	}
	for _, f := range ScaleComparisons() {
		var b bytes.Buffer
		if err := f.Write(&b, c); err != nil {
			t.Fatal(err)
		}
		for _, want := range wants[f.Name] {
			if !bytes.Contains(b.Bytes(), []byte(want)) {
				t.Errorf("%s lacks %q", f.Name, want)
			}
		}
	}
}
