package html

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/etcdbench/etcdbench/report/browsertest"
)

// A keyboard reaches everything on the pages of each kind, in the order of the page: on a
// screen in the light and on a small one in the dark.
func TestKeyboard(t *testing.T) {
	pages := pagesOfEachKind(t)
	b := browsertest.Open(t, pages["run"])
	for _, small := range []bool{false, true} {
		where := "light"
		if small {
			b.Width(400)
			where = "small and dark"
		}
		b.Scheme(strings.TrimPrefix(where, "small and "))
		for kind, page := range pages {
			b.Show(page)
			visited, problems := b.CheckKeyboard()
			if cut := browsertest.Eval[[]string](b, cutLabels); len(cut) > 0 {
				t.Errorf("%s, %s: labels are cut: %q", kind, where, cut)
			}
			if visited < 2 {
				t.Errorf("%s, %s: only %d elements are reached", kind, where, visited)
			}
			for _, problem := range problems {
				t.Errorf("%s, %s: %s", kind, where, problem)
			}
		}
	}
	checkComplaints(t, b)
}

// cutLabels are the labels to the left of charts that reach beyond what scrolls the chart.
const cutLabels = `[...document.querySelectorAll('svg.chart text.tick')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().left + (e.closest('.wide')?.scrollLeft ?? 0) < (e.closest('.wide')?.getBoundingClientRect().left ?? 0)).map((e) => e.textContent)`

// On a small screen, a chart is scrolled to the figures that the keys choose. The browser's own
// keys keep their meaning.
func TestKeysOfCharts(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, pagesOfEachKind(t)["history"])
	b.Width(400)
	b.Press("svg.chart", kb.End)
	if x := browsertest.Eval[float64](b, `document.querySelector('.cursor').getBoundingClientRect().left`); x < 0 || x > 400 {
		t.Errorf("the last figures are at %v, outside of a screen of 400 pixels", x)
	}
	taken := func(event string) bool {
		return browsertest.Eval[bool](b, `!document.querySelector('svg.chart').dispatchEvent(new KeyboardEvent('keydown', { cancelable: true, `+event+` }))`)
	}
	for event, want := range map[string]bool{`key: 'ArrowLeft'`: true, `key: '+'`: true, `key: '+', ctrlKey: true`: false, `key: 'ArrowLeft', altKey: true`: false} {
		if got := taken(event); got != want {
			t.Errorf("a chart takes %s: %v, want %v", event, got, want)
		}
	}
}

// The check of the keyboard finds each problem.
func TestKeyboardIsChecked(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, "")
	for body, want := range map[string]string{
		`<button>one</button><button>two</button>`:                                                                              "",
		`<button>one</button><button tabindex="1">two</button>`:                                                                 "has a place of its own in the order",
		`<button>one</button><button style="opacity: 0">two</button>`:                                                           "is not visible",
		`<button>one</button><button></button>`:                                                                                 "has no accessible name",
		`<button>one</button><button style="outline: none">two</button>`:                                                        "has no focus ring",
		`<button>one</button><button style="outline: 2px solid #eee">two</button>`:                                              "has a focus ring without contrast",
		`<div style="overflow: hidden; float: left"><button style="outline-offset: 2px">one</button></div>`:                     "has a focus ring that is cut",
		`<div style="overflow: auto; height: 50px"><p style="height: 200px"></p></div>`:                                         "has no accessible name",
		`<button>one</button><p style="display: flex; flex-direction: column-reverse"><a href="#a">a</a><a href="#b">b</a></p>`: "is above the element before it",
		`<details><summary onclick="return false">more</summary></details>`:                                                     "does not unfold",
		`<button>one</button><p tabindex="-1" aria-label="p">two</p>`:                                                           "cannot be reached",
		`<nav style="position: fixed; inset: 0; bottom: 90%"></nav><button>one</button>`:                                        "is out of view",
	} {
		b.Show(`<!DOCTYPE html><html lang="en"><style>body { background: #fff; } :focus { outline: 2px solid #00f; }</style><body>` + body)
		_, problems := b.CheckKeyboard()
		if want == "" && len(problems) > 0 || want != "" && !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%s: problems %q, want %q", body, problems, want)
		}
	}
}
