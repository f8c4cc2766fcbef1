package html

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// checkComplaints fails the test if the browser has complained.
func checkComplaints(t *testing.T, b *browsertest.Page) {
	t.Helper()
	for _, c := range b.Complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// openAll opens a page with all of its parts.
func openAll(t *testing.T, page string) *browsertest.Page {
	t.Helper()
	b := browsertest.Open(t, page)
	browsertest.Eval[int](b, openParts)
	return b
}

const openParts = `document.querySelectorAll('details.part').forEach((d) => { d.open = true; }), 0`

// find returns the place of the chart whose title begins like that.
func find(t *testing.T, charts []shownChart, title string) int {
	t.Helper()
	i := slices.IndexFunc(charts, func(c shownChart) bool { return strings.HasPrefix(c.Title, title) })
	if i < 0 {
		t.Fatalf("no chart %q", title)
	}
	return i
}

// place is where a chart's plot lies in the window, after scrolling there.
func place(b *browsertest.Page, chart int) (x, y, width, height float64) {
	box := browsertest.Eval[[]float64](b, fmt.Sprintf(`(() => { const p = document.querySelectorAll('svg.chart')[%d]; p.scrollIntoView({block: 'center'});
		const r = p.getBoundingClientRect(), k = r.width / p.viewBox.baseVal.width;
		return [r.left + k * Number(p.dataset.left), r.top + k * Number(p.dataset.top), k * Number(p.dataset.width), r.height - k * (Number(p.dataset.top) + 26)]; })()`, chart))
	return box[0], box[1], box[2], box[3]
}

// shownChart is what the browser has of a chart.
type shownChart struct {
	Title string
	Head  []string
	Rows  [][]string
	Paths []string
}

func shownCharts(t *testing.T, b *browsertest.Page) []shownChart {
	t.Helper()
	text := browsertest.Eval[string](b, `JSON.stringify([...document.querySelectorAll('svg.chart')].map((svg) => {
		const f = svg.closest('figure'), of = (q) => [...f.querySelectorAll(q)];
		return { Title: svg.getAttribute('aria-label'), Head: of('thead th').map((c) => c.textContent),
			Rows: of('tbody tr').map((r) => [...r.children].map((c) => c.textContent)), Paths: of('path.line').map((p) => p.getAttribute('d')) };
	}))`)
	var charts []shownChart
	if err := json.Unmarshal([]byte(text), &charts); err != nil {
		t.Fatal(err)
	}
	return charts
}

var pathPoint = regexp.MustCompile(`[ML]([-\d.]+) ([-\d.]+)`)

// heights are the places of a path's points above the foot of its chart.
func heights(path string) []float64 {
	var list []float64
	for _, m := range pathPoint.FindAllStringSubmatch(path, -1) {
		var y float64
		fmt.Sscan(m[2], &y)
		list = append(list, -y)
	}
	return list
}

// sameOrder fails unless the points of a line lie as its values do.
func sameOrder(t *testing.T, what string, values, places []float64) {
	t.Helper()
	if len(values) != len(places) {
		t.Errorf("%s: %d points of %d values", what, len(places), len(values))
		return
	}
	// A drawing has so many places, and one over time begins at 0.
	least := max((slices.Max(values)-slices.Min(values))/100, slices.Max(values)/500)
	for i := range values {
		for j := range values {
			if values[i] > values[j]+least && places[i] <= places[j] {
				t.Errorf("%s: %v is drawn at %v, %v at %v", what, values[i], places[i], values[j], places[j])
				return
			}
		}
	}
}

// The page opens from a file, without network and without complaints, and every
// chart and its table hold the values of the document.
func TestPageShowsTheDocument(t *testing.T) {
	doc := reporttest.LongRun(t, 60, 2, 3)
	b := openAll(t, render(t, doc))
	text := browsertest.Eval[string](b, `document.body.innerText`)
	for _, want := range []string{"etcdbench long", "6,000 writes/s", "missed of 10,000 writes/s", "op1", "Members", "m1 saw 1 change of leader", "m3 became the leader"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	charts := shownCharts(t, b)
	if len(charts) < 10 {
		t.Fatalf("only %d charts", len(charts))
	}
	for _, c := range charts {
		if len(c.Rows) == 0 || len(c.Rows[0]) != len(c.Head) || len(c.Rows[0]) < 2 {
			t.Errorf("%s: a chart without its figures", c.Title)
		}
	}
	response, heatMap := charts[find(t, charts, "all operations: response time")], charts[find(t, charts, "all operations: operations by")]
	throughput := charts[find(t, charts, "Throughput")]
	var p50, p99, rates []float64
	readings := map[string][]results.Reading{}
	err := doc.Intervals(func(i *results.Interval) error {
		all, err := i.Sum()
		if err != nil {
			return err
		}
		want := []string{secondsLabel(i.Start.Seconds()), i.Phase, words.Count(all.Completed)}
		for _, q := range all.Percentiles(50, 99, 99.9) {
			want = append(want, content.PercentileCell(q))
		}
		p50, p99 = append(p50, float64(all.Percentile(50).Time)), append(p99, float64(all.Percentile(99).Time))
		rates = append(rates, all.Throughput)
		if got := response.Rows[i.Number]; strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("second %d of the latencies: %q, want %q", i.Number, got, want)
		}
		if got := throughput.Rows[i.Number][1]; got != words.Rate(rates[i.Number]) {
			t.Errorf("second %d of the throughput: %q, want %q", i.Number, got, words.Rate(rates[i.Number]))
		}
		sum := uint64(0)
		for _, cell := range heatMap.Rows[i.Number][1:] {
			var n uint64
			fmt.Sscan(strings.ReplaceAll(cell, ",", ""), &n)
			sum += n
		}
		if sum != uint64(all.ResponseTime.Count) {
			t.Errorf("second %d of the heat map: %d operations, want %d", i.Number, sum, all.ResponseTime.Count)
		}
		for _, r := range i.Members {
			readings[r.Member] = append(readings[r.Member], r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sameOrder(t, "p50", p50, heights(response.Paths[0]))
	sameOrder(t, "p99", p99, heights(response.Paths[1]))
	sameOrder(t, "throughput", rates, heights(throughput.Paths[0]))
	checkPercentiles(t, doc, charts[find(t, charts, "Percentiles of response and")])
	checkMembers(t, readings, charts[find(t, charts, "CPU"):])
	b.Screenshot("light")
	checkComplaints(t, b)
}

// checkPercentiles compares the curve of percentiles with the document's
// histograms.
func checkPercentiles(t *testing.T, doc content.Document, c shownChart) {
	t.Helper()
	all, err := doc.Measured("")
	if err != nil {
		t.Fatal(err)
	}
	for k, l := range []results.Latency{all.ResponseTime, all.ServiceTime} {
		for i, q := range l.Percentiles(50, 90, 99) {
			if got := c.Rows[i][k+1]; got != content.PercentileCell(q) {
				t.Errorf("%s of %s: %q, want %q", c.Rows[i][0], c.Head[k+1], got, content.PercentileCell(q))
			}
		}
		if places := heights(c.Paths[k]); !slices.IsSorted(places) {
			t.Errorf("%s falls: %v", c.Head[k+1], places)
		}
	}
}

// checkMembers compares each chart of the members with their readings: the growth
// of counters, the values of gauges.
func checkMembers(t *testing.T, readings map[string][]results.Reading, charts []shownChart) {
	t.Helper()
	if len(charts) != len(memberCharts) {
		t.Fatalf("%d charts of members, want %d", len(charts), len(memberCharts))
	}
	for n, mc := range memberCharts {
		c := charts[n]
		if !strings.HasPrefix(c.Title, mc.title) {
			t.Errorf("chart %d is %q, want %q", n, c.Title, mc.title)
		}
		counter := slices.ContainsFunc(results.Metrics(), func(m results.Metric) bool { return m.Name == mc.metric && m.Counter })
		for k, member := range []string{"m1", "m2", "m3"} {
			var values []float64
			for i, r := range readings[member][1:] {
				v := r.Values[mc.metric]
				if counter {
					v -= readings[member][i].Values[mc.metric]
				}
				if v < 0 {
					t.Fatalf("%s shrinks: the test's run is none", mc.metric)
				}
				values = append(values, v)
				if got, want := c.Rows[i+1][k+1], mc.quantity.cell(v); got != want {
					t.Errorf("%s of %s in second %d: %q, want %q", mc.title, member, i+1, got, want)
				}
			}
			sameOrder(t, mc.title+" of "+member, values, heights(c.Paths[k]))
		}
	}
}

// The pointer and the arrow keys show the figures of a second, a click hides a
// series, and dragging zooms all charts over time together.
func TestPageAnswers(t *testing.T) {
	doc := reporttest.LongRun(t, 60, 2, 3)
	b := openAll(t, render(t, doc))
	charts := shownCharts(t, b)
	output := func(chart int) string {
		return browsertest.Eval[string](b, fmt.Sprintf(`document.querySelectorAll('svg.chart')[%d].closest('figure').querySelector('output').textContent`, chart))
	}
	wantRow := func(what string, chart, row int) {
		t.Helper()
		text := output(chart)
		for _, cell := range charts[chart].Rows[row] {
			if cell != "" && !strings.Contains(text, cell) {
				t.Errorf("%s shows %q, without %q", what, text, cell)
			}
		}
	}
	for _, title := range []string{"Response time of", "Throughput", "all operations: operations by", "CPU", "Pending"} {
		chart := find(t, charts, title)
		x, y, width, height := place(b, chart)
		b.Move(x+width*(20.5/60), y+height/2)
		wantRow(fmt.Sprintf("the pointer on chart %d", chart), chart, 20)
	}
	b.Press("svg.chart", kb.ArrowRight)
	wantRow("the arrow key", 0, 21)
	b.Press("svg.chart", kb.Home)
	wantRow("the home key", 0, 0)

	displays := func() []string {
		return browsertest.Eval[[]string](b, `[...document.querySelector('.legend').querySelectorAll('path.line')].map((p) => getComputedStyle(p).display)`)
	}
	if before := displays(); before[0] == "none" {
		t.Error("a series is hidden from the beginning")
	}
	b.Click(`button[data-toggle="0"]`)
	if after := displays(); after[0] != "none" || after[1] == "none" {
		t.Errorf("after a click on the first series' name: %v", after)
	}
	b.Click(`button[data-toggle="0"]`)
	if again := displays(); again[0] == "none" {
		t.Error("a second click does not show the series again")
	}

	x, y, width, height := place(b, 0)
	at := func(share float64) float64 { return x + width*share }
	b.Drag(at(0.25), y+height/2, at(0.5), y+height/2)
	shown := func() [][]float64 {
		return browsertest.Eval[[][]float64](b, `[...document.querySelectorAll('svg.chart[data-time]')].map((c) => { const b = c.querySelector('.plot').viewBox.baseVal; return [b.x / Number(c.dataset.width), b.width / Number(c.dataset.width)]; })`)
	}
	for i, part := range shown() {
		if math.Abs(part[0]-0.25) > 0.01 || math.Abs(part[1]-0.25) > 0.01 {
			t.Errorf("chart %d shows %v from %v on, want a quarter from a quarter on", i, part[1], part[0])
		}
	}
	ticks := browsertest.Eval[[]string](b, `[...document.querySelector('svg.chart g.x').querySelectorAll('text')].map((t) => t.textContent)`)
	if len(ticks) < 3 || ticks[0] != "16 s" || ticks[len(ticks)-1] != "30 s" {
		t.Errorf("ticks after zooming: %v", ticks)
	}
	b.Move(at(0.5), y+height/2)
	wantRow("the pointer after zooming", 0, 22)
	b.Press("svg.chart", kb.Escape)
	if part := shown()[0]; part[1] != 1 {
		t.Errorf("after Escape, %v is shown", part[1])
	}
	checkComplaints(t, b)
}

// Several runs are laid over each other; a flame graph zooms in its frame, which
// runs no script but its own.
func TestRunsSideBySideInABrowser(t *testing.T) {
	first, second := reporttest.LongRun(t, 30, 2, 1), reporttest.LongRun(t, 40, 2, 1)
	first.Path, second.Path = "results/first", "results/second"
	second.Plan.Clients = 20
	second.Views = []content.View{{Title: "CPU", Page: `<html><head><script>document.title = 'ours';</script></head><body><div id="box" style="width:100px">box</div><script>document.getElementById('box').addEventListener('click', (e) => { e.target.style.width = '300px'; });</script></body></html>`}}
	second.Profiles = []results.Profile{{Source: "m1", Kind: "cpu", File: "profiles/x", Missing: "for the test"}}
	b := openAll(t, render(t, first, second))
	charts := shownCharts(t, b)
	if !strings.HasPrefix(charts[0].Title, "p99 of response time") || len(charts[0].Paths) != 2 || len(heights(charts[0].Paths[0])) != 30 || len(heights(charts[0].Paths[1])) != 40 {
		t.Errorf("the first chart is %q with %d lines", charts[0].Title, len(charts[0].Paths))
	}
	text := browsertest.Eval[string](b, `document.body.innerText`)
	for _, want := range []string{"2 runs side by side", "A first", "B second", "A and B differ in clients: 10 against 20"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if n := b.Frames(`document.title === 'ours'`); n != 1 {
		t.Errorf("%d frames run their script", n)
	}
	if b.Frames(`(document.getElementById('box')?.click(), document.getElementById('box')?.style.width === '300px')`) != 1 {
		t.Error("the flame graph does not zoom")
	}
	b.Screenshot("side-by-side")
	checkComplaints(t, b)
}
