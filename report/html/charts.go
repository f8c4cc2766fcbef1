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
)

// timeAxis spans the columns, in seconds.
func timeAxis(columns []column) axis {
	last := columns[len(columns)-1]
	return axis{low: columns[0].start.Seconds(), high: (last.start + last.length).Seconds()}
}

// maxHappened is how many events of members a chart marks.
const maxHappened = 60

// timeMarks returns the marks of the warm-ups, the slow stretches, the disturbances and the
// events of members.
func timeMarks(r *results.Run, columns []column) []mark {
	warm := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		warm[ph.Name] = ph.Warmup
	}
	var marks []mark
	for _, ph := range r.Phases {
		if warm[ph.Name] {
			marks = append(marks, mark{
				ph.Start.Seconds(), (ph.Start + ph.Length).Seconds(), "warmup", "warm-up: " + words.Clean(ph.Name), "warm-up",
			})
		}
	}
	for _, s := range r.Slow {
		marks = append(marks, mark{s.Start.Seconds(), (s.Start + s.Length).Seconds(), "slow", "slow: " + content.Slowness(s), "slow"})
	}
	for _, e := range r.Events {
		marks = append(marks, mark{
			e.Start.Seconds(), (e.Start + e.Length).Seconds(), "event", words.Clean(e.Kind) + " " + words.Clean(e.Detail), words.Clean(e.Kind),
		})
	}
	happened := allHappened(columns)
	for _, h := range happened[:min(maxHappened, len(happened))] {
		what := strings.Join(h.descriptions[:min(3, len(h.descriptions))], ", ")
		marks = append(marks, mark{h.at.Seconds(), h.at.Seconds(), "member", what, h.descriptions[0]})
	}
	return marks
}

// allHappened are the events of members of all columns.
func allHappened(columns []column) []happening {
	var list []happening
	for _, c := range columns {
		list = append(list, c.happened...)
	}
	return list
}

func keyOf(lines []line) []keyEntry {
	var key []keyEntry
	for _, l := range lines {
		entry := keyEntry{Class: l.class, Name: l.name}
		if l.scattered {
			entry.Shape = cmp.Or(l.shape, shapeDot)
		}
		key = append(key, entry)
	}
	return key
}

// throughputFigure draws the operations that were asked for, by the second in which they
// ended.
func throughputFigure(r *results.Run, columns []column) figure {
	lines := []line{{name: "completed", class: "s1"}, {name: "not completed", class: "s2", series: 1}}
	t := table{Head: []string{"from", "completed/s", "not completed/s", "error rate", "in flight", "waiting"}}
	for _, c := range columns {
		rates := []float64{c.sum.Throughput, float64(c.sum.NotCompleted()) / max(c.length.Seconds(), 1e-3)}
		for i, v := range rates {
			lines[i].at, lines[i].value = append(lines[i].at, (c.start+c.length/2).Seconds()), append(lines[i].value, v)
		}
		t.Rows = append(t.Rows, []string{
			secondsLabel(c.start.Seconds()), words.Rate(rates[0]), words.Rate(rates[1]), content.ErrorRate(c.sum),
			words.Count(c.inFlight), words.Count(c.queue),
		})
	}
	low, high := bounds(lines, false)
	ch := chart{
		title: "Throughput (operations/s)", describe: "operations completed and not completed in each second", width: chartWidth, height: 220,
		x: timeAxis(columns), y: axis{low: low, high: high}, xLabel: secondsLabel,
		yLabel: plainNumber, lines: lines, marks: timeMarks(r, columns), overTime: true,
	}
	return figure{
		Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: startsOf(columns),
		Caption: "Operations by the second in which they ended. Not completed: failed, dropped or unfinished. " +
			"Operations that end after their phase do not count as throughput.",
	}
}

// percentileFigure draws the distribution of all operations: response and service time.
func percentileFigure(r *results.Run) (figure, bool) {
	sum, err := r.Measured("")
	if err != nil {
		return figure{}, false
	}
	lines := []line{{name: "response time", class: "s2"}, {name: "service time", class: "s1", series: 1}}
	t := table{Head: []string{"percentile", "response time", "service time"}}
	for i, l := range []results.Latency{sum.ResponseTime, sum.ServiceTime} {
		lines[i].addCurve(l)
	}
	if len(lines[0].at) < 2 {
		return figure{}, false
	}
	var placed []float64
	services := sum.ServiceTime.Percentiles(content.Percentiles()...)
	for i, q := range sum.Percentiles(content.Percentiles()...) {
		if q.Resolved {
			t.Rows = append(t.Rows, []string{fmt.Sprintf("%g %%", q.P), content.PercentileCell(q), content.PercentileCell(services[i])})
			placed = append(placed, -math.Log10(1-q.P/100))
		}
	}
	return figureOfCurves("Percentiles of response and service time", lines, t, placed,
		"Each step to the right adds a nine: 90 %, 99 %, 99.9 %. Where response time is above service time, requests waited before "+
			"they were sent. "+
			"Operations that did not finish are in the response time with lower bounds (≥)."), true
}

// operationCurves draws the distribution of each of several kinds of operation.
func operationCurves(series []operationSeries) (figure, bool) {
	series = series[:min(len(series), len(memberClasses))]
	t := table{Head: []string{"percentile"}}
	for _, p := range content.Percentiles() {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("%g %%", p)})
	}
	var lines []line
	for i, s := range series {
		l := line{name: s.title, class: memberClasses[i], series: i}
		l.addCurve(s.of.ResponseTime)
		lines = append(lines, l)
		t.Head = append(t.Head, s.title)
		for k, q := range s.of.Percentiles(content.Percentiles()...) {
			t.Rows[k] = append(t.Rows[k], content.PercentileCell(q))
		}
	}
	if !slices.ContainsFunc(lines, func(l line) bool { return len(l.at) > 1 }) {
		return figure{}, false
	}
	return figureOfCurves("Percentiles of response time by operation", lines, t, []float64{math.Log10(2), 1, 2, 3, 4},
		"Each step to the right adds a nine: 90 %, 99 %, 99.9 %. The chart has the operations with thresholds and the most frequent ones."), true
}

// addCurve adds a latency's distribution to the line.
func (l *line) addCurve(of results.Latency) {
	for _, point := range curve(of) {
		l.at, l.value = append(l.at, point.nines), append(l.value, float64(point.ns))
	}
}

// figureOfCurves draws distributions.
func figureOfCurves(title string, lines []line, t table, placed []float64, caption string) figure {
	low, high := bounds(lines, true)
	end := 1.0
	for _, l := range lines {
		for _, at := range l.at {
			end = max(end, at)
		}
	}
	u := timeUnit(high)
	ch := chart{
		title: fmt.Sprintf("%s (%s, log scale)", title, u.name), describe: namesOf(lines) + " by percentile", width: chartWidth, height: 280,
		x: axis{low: 0, high: math.Ceil(end), whole: true}, y: axis{low: low, high: high, log: true},
		xLabel: ninesLabel, yLabel: u.label, lines: lines,
		longNames: slices.ContainsFunc(lines, func(l line) bool { return len([]rune(l.name)) > 14 }),
	}
	return figure{Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(placed), Caption: caption}
}

// startsOf returns the starts of the columns.
func startsOf(columns []column) string {
	var at []float64
	for _, c := range columns {
		at = append(at, c.start.Seconds())
	}
	return places(at)
}
