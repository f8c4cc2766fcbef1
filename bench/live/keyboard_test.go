package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// A keyboard reaches everything on the page, in its order, and keeps its place in the list of
// runs while these go on. The list fits on a small screen and leaves the button free.
func TestPageByKeyboard(t *testing.T) {
	t.Parallel()
	b := browsertest.Visit(t, "about:blank")
	s := servePage(t, `<h2>results</h2><a href="#top">to the top</a>`)
	for n := range 2 {
		run := s.Observe(fmt.Sprint(strings.Repeat("long-name-", 8), n), "dir")
		check(t, run.Start(plan()))
		run.End("completed")
	}
	run := s.Observe("last", "dir")
	check(t, run.Start(plan()))
	b.Width(400)
	b.Navigate(s.url)
	until := func(condition string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !browsertest.Eval[bool](b, condition); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not within 20 s: ", condition)
			}
		}
	}
	until(`document.body.dataset.version > 0 && document.querySelectorAll('#runs li a').length === 3`)
	for _, scheme := range []string{"light", "dark"} {
		b.Scheme(scheme)
		browsertest.Eval[int](b, `(document.activeElement.blur(), document.getElementById('runs').open = false, window.visited = [], 0)`)
		visited, problems := b.CheckKeyboard()
		if visited != 6 {
			t.Errorf("%s: %d elements are reached, want 6", scheme, visited)
		}
		for _, problem := range problems {
			t.Errorf("%s: %s", scheme, problem)
		}
	}
	if width := browsertest.Eval[float64](b, `document.documentElement.scrollWidth`); width > 400 {
		t.Errorf("the page is %v wide", width)
	}
	b.Screenshot("live-narrow")
	browsertest.Eval[int](b, `(document.querySelectorAll('#runs a')[2].focus(), 0)`)
	check(t, run.Interval(&results.Interval{Phase: "measure", Start: 2 * time.Second, Length: time.Second}))
	until(`document.getElementById('progress').textContent.includes('3s of 10s')`)
	if got := browsertest.Eval[string](b, `document.activeElement.parentElement.textContent`); !strings.HasPrefix(got, "last ") || !strings.Contains(got, "3s of 10s") {
		t.Errorf("after an interval, the focus is on %q", got)
	}
	for _, c := range b.Complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}
