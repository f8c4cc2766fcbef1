package html

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
)

// contrasts are those of all texts with the page's background, by the WCAG's
// formula, with an example of the weakest.
const contrasts = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	const rgb = (color) => { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
	const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => { const v = c[i] / 255; return sum + w * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
	const ground = light(rgb(getComputedStyle(document.body).backgroundColor));
	let least = [99, ''];
	for (const e of document.querySelectorAll('h1, h2, h3, p, th, td, dt, dd, a, strong, span, figcaption, summary, button, text, li')) {
		const style = getComputedStyle(e), l = light(rgb(e.tagName === 'text' ? style.fill : style.color));
		const ratio = (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05);
		if (ratio < least[0]) least = [ratio, e.tagName + ' ' + e.textContent.slice(0, 30)];
	}
	return JSON.stringify(least);
})()`

// In the dark and on a screen of 400 pixels, everything can be read: contrast,
// size, and nothing beyond the edge.
func TestPageIsReadable(t *testing.T) {
	b := browsertest.Open(t, render(t, reporttest.LongRun(t, 60, 2, 3)))
	checkContents(t, b)
	browsertest.Eval[int](b, openParts)
	checkReadable(t, b, "run")
}

// checkReadable fails the test unless everything on the page can be read in the light, in the
// dark and on a screen of 400 pixels, and the browser has not complained.
func checkReadable(t *testing.T, b *browsertest.Page, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.Scheme(scheme)
		least, ground := browsertest.Eval[string](b, contrasts), browsertest.Eval[string](b, `getComputedStyle(document.body).backgroundColor`)
		var ratio float64
		fmt.Sscanf(least, "[%f", &ratio)
		if ratio < 4.5 {
			t.Errorf("%s: the weakest contrast is %s", scheme, least)
		}
		if dark := ground != "rgb(255, 255, 255)"; dark != (scheme == "dark") {
			t.Errorf("%s: the ground is %s", scheme, ground)
		}
	}
	b.Screenshot(name + "-dark")
	b.Scheme("light")
	b.Width(400)
	width := browsertest.Eval[float64](b, `document.documentElement.scrollWidth`)
	smallest := browsertest.Eval[float64](b, `Math.min(...[...document.querySelectorAll('svg.chart')].filter((c) => c.querySelector('.tick')).map((c) => c.getBoundingClientRect().width / c.viewBox.baseVal.width * parseFloat(getComputedStyle(c.querySelector('.tick')).fontSize)))`)
	if width > 400 || smallest < 9 {
		t.Errorf("on a screen of 400 pixels, the page is %v wide, and its smallest label %v high", width, smallest)
	}
	b.Screenshot(name + "-narrow")
	checkComplaints(t, b)
}

// checkContents follows the list of contents, which stays in view: it opens the part that it
// leads to. Charts that answer to keys are no pictures to a screen reader.
func checkContents(t *testing.T, b *browsertest.Page) {
	t.Helper()
	open := `document.getElementById('c1-throughput').closest('details').open`
	if browsertest.Eval[bool](b, open) {
		t.Error("a part that is not at the top is open from the beginning")
	}
	b.Press(`nav a[href="#c1-throughput"]`, kb.Enter)
	if !browsertest.Eval[bool](b, open) {
		t.Error("the list of contents does not open the part that it leads to")
	}
	if top := browsertest.Eval[float64](b, `document.querySelector('nav').getBoundingClientRect().top`); top != 0 {
		t.Errorf("the list of contents is at %v", top)
	}
	if n := browsertest.Eval[int](b, `document.querySelectorAll('svg[role="img"][tabindex]').length`); n > 0 {
		t.Errorf("%d charts with keys are pictures", n)
	}
}

// On paper, all parts are shown, and nothing that only a screen can use.
func TestPrintedPage(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, render(t, reporttest.LongRun(t, 20, 2, 3)))
	hidden := `[...document.querySelectorAll('.part > .body')].filter((e) => !e.checkVisibility({ contentVisibilityAuto: true }) || e.getBoundingClientRect().height === 0).length`
	if browsertest.Eval[int](b, hidden) == 0 {
		t.Error("no part is folded on a screen")
	}
	b.Print()
	if n := browsertest.Eval[int](b, hidden); n != 0 {
		t.Errorf("%d parts are folded on paper", n)
	}
	for _, selector := range []string{"nav", "details.data", "output"} {
		if browsertest.Eval[bool](b, `document.querySelector('`+selector+`').checkVisibility()`) {
			t.Errorf("%s is on paper", selector)
		}
	}
	if beyond := browsertest.Eval[int](b, `[...document.querySelectorAll('svg.chart, table')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth).length`); beyond > 0 {
		t.Errorf("%d charts and tables reach beyond the paper", beyond)
	}
	checkComplaints(t, b)
}
