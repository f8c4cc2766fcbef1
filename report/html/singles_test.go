package html

import "testing"

// Operations with one chart each share rows; others keep their own.
func TestOperationsWithOneChartShareRows(t *testing.T) {
	t.Parallel()
	one, two := figure{Title: "Operations by response time (ms)"}, figure{Title: "Response time (ms)"}
	pairs := []pair{{"a", []figure{one}}, {"b", []figure{two, one}}, {"c", []figure{one}}}
	joined := joinSingles(pairs)
	if len(joined) != 2 || joined[0].Title != "b" || len(joined[1].Figures) != 2 || joined[1].Figures[0].Title != "a: operations by response time (ms)" {
		t.Errorf("%+v", joined)
	}
	if kept := joinSingles(pairs[:2]); len(kept) != 2 || kept[0].Title != "a" {
		t.Errorf("a single operation with one chart: %+v", kept)
	}
}
