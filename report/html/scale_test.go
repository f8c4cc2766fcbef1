package html

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// The page of a ladder in a browser: a row for each rung in every chart, larger values
// higher, and everything readable.
func TestScalePageInABrowser(t *testing.T) {
	s := reporttest.Scale(t)
	var b bytes.Buffer
	if err := WriteScale(&b, s); err != nil {
		t.Fatal(err)
	}
	page := openAll(t, b.String())
	charts := shownCharts(t, page)
	for _, title := range []string{"File and memory", "Response time p50", "Duration of maintenance", "Time to full redundancy"} {
		c := charts[find(t, charts, title)]
		if len(c.Rows) != len(s.Rungs) || len(c.Head) != len(c.Paths)+1 {
			t.Errorf("%s: %d rows and %d columns of %d lines", title, len(c.Rows), len(c.Head), len(c.Paths))
		}
		for i, row := range c.Rows {
			if want := content.ScaleSize(s.Rungs[i].Size); row[0] != want {
				t.Errorf("%s: row %d is of %q, want %q", title, i, row[0], want)
			}
		}
	}
	c := charts[find(t, charts, "Duration of maintenance")]
	if column := slices.Index(c.Head, "defragmentation"); column < 1 || c.Rows[2][column] != "9.00 s" {
		t.Errorf("defragmentation is column %d of %q: %q", column, c.Head, c.Rows)
	} else if places := heights(c.Paths[column-1]); !slices.IsSorted(places) || places[0] >= places[len(places)-1] {
		t.Errorf("defragmentations of 1 to 9 s are drawn at %v", places)
	}
	for _, want := range []string{"Events under load", "a member did not come back", "one response cannot contain it"} {
		if !strings.Contains(browsertest.Eval[string](page, `document.body.innerText`), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	file := charts[find(t, charts, "file: by size")]
	if len(file.Rows) != len(s.Rungs) || len(file.Paths) != 4 {
		t.Errorf("the growth of the file has %d rows and %d lines", len(file.Rows), len(file.Paths))
	}
	checkNames(t, page)
	checkReadable(t, page, "scale")
	checkNames(t, page)
}

// checkNames fails the test where the name of a line is shortened or reaches beyond its chart.
func checkNames(t *testing.T, page *browsertest.Page) {
	t.Helper()
	const cut = `[...document.querySelectorAll('svg.chart > text.end')].filter((e) => e.textContent.includes('…') ||
		e.getBBox().x + e.getBBox().width > e.ownerSVGElement.viewBox.baseVal.width).map((e) => e.textContent).join(', ')`
	if names := browsertest.Eval[string](page, cut); names != "" {
		t.Errorf("names of lines are cut: %s", names)
	}
}

// The ticks of a ladder of one rung have different labels.
func TestTicksDiffer(t *testing.T) {
	t.Parallel()
	var labels []string
	for _, label := range distinctTicks(axis{low: 14.4e6, high: 17.6e6, log: true}, 8, scaleBytes) {
		labels = append(labels, label)
	}
	if want := slices.Compact(slices.Clone(labels)); len(labels) < 2 || !slices.Equal(labels, want) {
		t.Errorf("labels %q", labels)
	}
}
