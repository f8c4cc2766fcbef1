package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// How finely operations are drawn: of a mix, each has two charts in one row.
const (
	maxOperations    = 8
	maxMixColumns    = 120
	maxMixHeat       = 60
	leastMeasured    = 8 // columns that the measured phases are drawn with at least
	samplesBeyond    = 10
	responseHeight   = 280
	operationsHeight = 220
)

// operationSeries is one kind of operation over time.
type operationSeries struct {
	name, title string
	count       int64 // of its response times in the measured phases
	limits      []limit
	// of has its figures in the measured phases, seconds those over time. Only the first
	// series have them: the others are not drawn.
	of      results.Operation
	seconds []column
}

// operationsOverTime returns the kinds of operation that can be drawn: those with a threshold
// on their response time first, then by their number.
func operationsOverTime(r *results.Run, seconds []column) []operationSeries {
	var list []operationSeries
	counts, measures := map[string]int64{}, results.EachOnce(r.Measures)
	for i := range r.Operations {
		if o := &r.Operations[i]; measures(o.Phase) {
			counts[o.Op] += o.ResponseTime.Count
		}
	}
	for _, o := range content.Operations(r) {
		known := slices.ContainsFunc(list, func(s operationSeries) bool { return s.name == o.Op })
		if o.Of != "" || known || counts[o.Op] == 0 {
			continue
		}
		list = append(list, operationSeries{name: o.Op, title: words.Clean(o.Op), count: counts[o.Op], limits: responseLimits(r, o.Op)})
	}
	slices.SortStableFunc(list, func(a, b operationSeries) int {
		return cmp.Or(cmp.Compare(len(b.limits), len(a.limits)), cmp.Compare(b.count, a.count))
	})
	for i := range list[:min(len(list), max(maxOperations, len(memberClasses)))] {
		if len(list) == 1 { // it is all operations
			list[i].limits = append(list[i].limits, responseLimits(r, "")...)
		}
		list[i].of, _ = r.Measured(list[i].name)
		list[i].seconds = make([]column, 0, len(seconds))
		for _, c := range seconds {
			c.ops = slices.Collect(func(yield func(results.Operation) bool) {
				for _, o := range c.all {
					if o.Op == list[i].name && !yield(o) {
						return
					}
				}
			})
			list[i].seconds = append(list[i].seconds, c)
		}
	}
	return list
}

// responseLimits returns the thresholds of a plan on the response time of an operation, or of
// all operations together if the name is empty.
func responseLimits(r *results.Run, op string) (list []limit) {
	for _, text := range r.Plan.Thresholds {
		t, err := judge.ParseThreshold(text)
		point, ok := strings.CutPrefix(t.Metric, "response_time.")
		if err == nil && ok && t.Op == op && t.Value > 0 {
			list = append(list, limit{t.Value, point + " " + t.Comparison + " " + shortTime(t.Value)})
		}
	}
	return list
}

// resolving returns the percentiles to draw, and how many seconds a point of the chart
// must cover, so that nearly all points have at least ten samples beyond the last but one
// percentile. Where even long points have too few samples for p99, that is p90 or p50.
func (s operationSeries) resolving(r *results.Run) (percentiles []float64, each int) {
	var counts []int64 // of each measured second
	for _, c := range s.seconds {
		if r.Measures(c.phase) {
			n := int64(0)
			for _, o := range c.ops {
				n += o.ResponseTime.Count
			}
			counts = append(counts, n)
		}
	}
	longest := max(1, len(counts)/leastMeasured)
	for each := 1; each <= longest; each++ {
		if resolved(counts, each, 99) {
			return []float64{50, 99, 99.9}, each
		}
	}
	for each := 1; each <= longest; each++ {
		if resolved(counts, each, 90) {
			return []float64{50, 90}, each
		}
	}
	return []float64{50}, longest
}

// resolved reports whether a percentile has at least ten samples beyond it in 95 % of the
// stretches of that many seconds, without those of outages, in which less than half as much
// ends as usual: they may be gaps.
func resolved(counts []int64, each int, percentile float64) bool {
	stretches, enough := 0, 0
	usual := int64(0)
	if len(counts) > 0 {
		usual = slices.Sorted(slices.Values(counts))[len(counts)/2]
	}
	for stretch := range slices.Chunk(counts, each) {
		n := int64(0)
		for _, count := range stretch {
			n += count
		}
		if 2*n < usual*int64(each) {
			continue
		}
		if stretches++; float64(n)*(1-percentile/100) >= samplesBeyond*(1-1e-9) {
			enough++
		}
	}
	return 20*enough >= 19*stretches && stretches > 0
}

// figure draws the percentiles of the operation's response time. All lines have the same
// points, so that they cannot cross.
func (s operationSeries) figure(r *results.Run, title string, width, height float64, most int) (figure, bool) {
	percentiles, each := s.resolving(r)
	columns := joinEach(s.seconds, max(each, (len(s.seconds)+most-1)/most))
	if err := addSums(columns); err != nil || len(columns) < 2 {
		return figure{}, false
	}
	lines, t := percentileLines(columns, percentiles)
	if len(lines) == 0 {
		return figure{}, false
	}
	low, high := bounds(lines, true)
	for _, l := range s.limits {
		low, high = min(low, 0.9*l.value), max(high, 1.2*l.value)
	}
	u := timeUnit(high)
	ch := chart{
		title: fmt.Sprintf("%s (%s, log scale)", title, u.name), describe: namesOf(lines) + " over time", width: width, height: height,
		x: timeAxis(columns), y: axis{low: low, high: high, log: true}, xLabel: secondsLabel, yLabel: u.label,
		lines: lines, limits: s.limits, marks: timeMarks(r, columns), overTime: true,
	}
	caption := "Each point covers one second"
	if each > 1 || len(columns) < len(s.seconds) {
		caption = fmt.Sprintf("Each point covers up to %d seconds", max(each, (len(s.seconds)+most-1)/most))
	}
	caption += "; a percentile is drawn where at least ten samples lie beyond it. "
	if len(lines) == 1 {
		caption += "This load has too few operations for higher percentiles over time. "
	}
	return figure{Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: startsOf(columns), Caption: caption}, true
}

func namesOf(lines []line) string {
	var names []string
	for _, l := range lines {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}

// percentileLines are a line for each percentile that is resolved in some column, and the
// table of all.
func percentileLines(columns []column, percentiles []float64) ([]line, table) {
	lines := make([]line, len(percentiles))
	t := table{Head: []string{"from", "phase", "completed"}}
	for i, p := range percentiles {
		lines[i] = line{name: fmt.Sprintf("p%g", p), class: memberClasses[i], series: i}
		t.Head = append(t.Head, lines[i].name)
	}
	for _, c := range columns {
		row := []string{secondsLabel(c.start.Seconds()), words.Clean(c.phase), words.Count(c.sum.Completed)}
		for i, q := range c.sum.Percentiles(percentiles...) {
			v := math.NaN()
			if q.Resolved {
				v = float64(q.Time)
			}
			lines[i].at, lines[i].value = append(lines[i].at, (c.start+c.length/2).Seconds()), append(lines[i].value, v)
			row = append(row, content.PercentileCell(q))
		}
		t.Rows = append(t.Rows, row)
	}
	lines = slices.DeleteFunc(lines, func(l line) bool {
		return !slices.ContainsFunc(l.value, func(v float64) bool { return !math.IsNaN(v) })
	})
	return lines, t
}

// responsePart draws what the first chart of the page does not show: the distribution of a
// single kind of operation, or each of several kinds and all together.
func responsePart(r *results.Run, series []operationSeries, seconds []column) part {
	p := part{ID: "response", Title: "Response time"}
	all := operationSeries{title: "all operations", seconds: seconds, limits: responseLimits(r, "")}
	all.of, _ = r.Measured("")
	if len(series) > 1 {
		p.Title = "Response time by operation"
		p.Notes = []string{"A percentile is drawn where at least ten samples lie beyond it. " + heatCaption}
		for _, s := range series[:min(len(series), maxOperations)] {
			p.addPair(r, s, maxMixColumns, maxMixHeat)
		}
		p.Pairs = joinSingles(p.Pairs)
		if n := len(series) - maxOperations; n > 0 {
			p.Notes = append(p.Notes, words.Plural(n, "other operation is", "other operations are")+" in the table of operations only.")
		}
		if len(all.of.ResponseTime.HDR) > 0 {
			p.addPair(r, all, maxColumns, maxHeatColumns)
		}
	} else if f, ok := heatFigure(r, heatColumns(seconds, maxHeatColumns), "Operations by response time", chartWidth); ok {
		p.Figures = append(p.Figures, f)
	}
	if len(series) > 1 {
		if f, ok := operationCurves(series); ok {
			p.Figures = append(p.Figures, f)
		}
	}
	if f, ok := percentileFigure(r); ok {
		p.Figures = append(p.Figures, f)
	}
	return p
}

// joinSingles puts the charts of operations that have one chart each side by side, after those
// of the other operations.
func joinSingles(pairs []pair) (joined []pair) {
	singles := pair{Title: "Operations with too few samples for percentiles over time"}
	for _, p := range pairs {
		if len(p.Figures) > 1 {
			joined = append(joined, p)
			continue
		}
		for _, f := range p.Figures {
			f.Title = p.Title + ": " + strings.ToLower(f.Title[:1]) + f.Title[1:]
			singles.Figures = append(singles.Figures, f)
		}
	}
	if len(singles.Figures) < 2 {
		return pairs
	}
	return append(joined, singles)
}

// addPair adds the percentiles and the heat map of one operation, side by side.
func (p *part) addPair(r *results.Run, s operationSeries, most, mostHeat int) {
	shown := pair{Title: s.title}
	add := func(f figure, ok bool) {
		if ok {
			f.Title, f.Key = strings.ToUpper(f.Title[len(s.title)+2:][:1])+f.Title[len(s.title)+3:], nil
			shown.Figures = append(shown.Figures, f)
		}
	}
	add(s.figure(r, s.title+": response time", halfWidth, operationsHeight, most))
	add(heatFigure(r, heatColumns(s.seconds, mostHeat), s.title+": operations by response time", halfWidth))
	for i := range shown.Figures[:max(0, len(shown.Figures)-1)] {
		shown.Figures[i].Caption, _, _ = strings.Cut(shown.Figures[i].Caption, ";")
		shown.Figures[i].Caption += "."
	}
	if len(shown.Figures) > 0 {
		shown.Figures[len(shown.Figures)-1].Caption = ""
		p.Pairs = append(p.Pairs, shown)
	}
}
