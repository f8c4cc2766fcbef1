package browsertest

import (
	"encoding/json"
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// maxStops bounds the elements that CheckKeyboard visits.
const maxStops = 1000

// stop is an element that has the focus.
type stop struct {
	// Name describes the element, "" for none: the focus left the page.
	Name string
	// Visited means that the element was visited before.
	Visited bool
	// Frame means that the focus is in a frame, Folded that it is on folded details.
	Frame, Folded bool
	Problems      []string
}

// visit describes the element that has the focus, and what is wrong with it.
const visit = `(() => {
	const e = document.activeElement, problems = [];
	if (!e || e === document.body) return JSON.stringify({ Name: '' });
	const visited = window.visited ??= [], last = visited.at(-1);
	const what = e.tagName.toLowerCase() + ' ' +
		(e.getAttribute('aria-label') || e.textContent.trim() || e.className.baseVal || e.className).slice(0, 40);
	if (visited.includes(e)) return JSON.stringify({ Name: what, Again: true, Frame: e === last && e.tagName === 'IFRAME' });
	visited.push(e);
	const box = e.getBoundingClientRect(), style = getComputedStyle(e);
	const shown = e.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
	if (!shown || box.width < 2 || box.height < 2) problems.push('is not visible');
	const label = e.getAttribute('aria-label') || e.title || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent;
	if (!label && !(/^(A|BUTTON|SUMMARY)$/.test(e.tagName) && e.textContent.trim())) problems.push('has no accessible name');
	if (e.tabIndex > 0) problems.push('has a place of its own in the order');
	if (last) {
		if (!(last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)) problems.push('comes after a later element');
		const before = last.getBoundingClientRect();
		const inContents = last.closest('nav') || e.closest('nav');
		if (!inContents && box.bottom <= before.top && box.left < before.right) problems.push('is above the element before it');
	}
	const isFrame = e.tagName === 'IFRAME'; // its own elements have rings
	const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	const light = (color) => {
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		const linear = (v) => v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
		return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].reduce((sum, v, i) => sum + [0.2126, 0.7152, 0.0722][i] * linear(v), 0);
	};
	const automatic = style.outlineStyle === 'auto'; // the browser's own ring, which has two colours
	const width = style.outlineStyle === 'none' ? 0 : automatic ? 2 : parseFloat(style.outlineWidth);
	const reach = width + (parseFloat(style.outlineOffset) || 0);
	if (!isFrame && width < 2) problems.push('has no focus ring');
	const ring = light(style.outlineColor), ground = light(getComputedStyle(document.body).backgroundColor);
	const contrast = (Math.max(ring, ground) + 0.05) / (Math.min(ring, ground) + 0.05);
	if (!isFrame && !automatic && width > 0 && contrast < 3) problems.push('has a focus ring without contrast');
	for (let a = e.parentElement; a && a !== document.body; a = a.parentElement) {
		if (getComputedStyle(a).overflowX === 'visible' || a instanceof SVGElement) continue;
		const clip = a.getBoundingClientRect();
		const across = a.scrollWidth <= a.clientWidth && (box.left - reach < clip.left - 0.5 || box.right + reach > clip.right + 0.5);
		const down = a.scrollHeight <= a.clientHeight && (box.top - reach < clip.top - 0.5 || box.bottom + reach > clip.bottom + 0.5);
		if (across || down) problems.push('has a focus ring that is cut');
	}
	const covered = e.closest('nav') ? 0 : document.querySelector('nav')?.getBoundingClientRect().bottom ?? 0;
	const reachTop = box.height < innerHeight - covered ? box.top : box.bottom;
	if (reachTop < covered - 1 || box.top > innerHeight) problems.push('is out of view');
	return JSON.stringify({ Name: what, Problems: problems, Folded: e.tagName === 'SUMMARY' && !e.parentElement.open });
})()`

// missed are the visible elements that take part in the page's keyboard order and were not visited.
const missed = `[...document.querySelectorAll('a[href], button, summary, input, iframe, [tabindex]')]
	.filter((e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
	.filter((e) => !e.closest('[inert]') && !(window.visited ?? []).includes(e))
	.map((e) => e.outerHTML.slice(0, 80))`

// CheckKeyboard goes through the page with the tabulator key and unfolds all details on the way.
// It returns the number of elements that it visited, and the problems of a keyboard user: elements
// in another order than on the page, without a name, without a visible focus ring, that are
// invisible or hidden behind others, or that cannot be reached.
func (p *Page) CheckKeyboard() (visited int, problems []string) {
	p.t.Helper()
	for range maxStops {
		p.Type(kb.Tab)
		var s stop
		if err := json.Unmarshal([]byte(Eval[string](p, visit)), &s); err != nil {
			p.t.Fatal(err)
		}
		if s.Frame {
			continue
		}
		if s.Name == "" || s.Visited {
			break
		}
		visited++
		for _, problem := range s.Problems {
			problems = append(problems, fmt.Sprintf("%s %s", s.Name, problem))
		}
		if s.Folded {
			p.Type(kb.Enter)
			if !Eval[bool](p, `document.activeElement.parentElement.open`) {
				problems = append(problems, s.Name+" does not unfold")
			}
		}
	}
	for _, e := range Eval[[]string](p, missed) {
		problems = append(problems, e+" cannot be reached")
	}
	return visited, problems
}
