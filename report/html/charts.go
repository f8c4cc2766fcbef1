package html

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// timeAxis spans the columns, in seconds.
func timeAxis(columns []column) axis {
	last := columns[len(columns)-1]
	return axis{low: columns[0].start.Seconds(), high: (last.start + last.length).Seconds()}
}

// maxHappened is how often a chart tells what became of the members.
const maxHappened = 60

// timeMarks are the warm-ups, the slow stretches, the disturbances and what became
// of the members.
func timeMarks(r *results.Run, columns []column) []mark {
	warm := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		warm[ph.Name] = ph.Warmup
	}
	var marks []mark
	for _, ph := range r.Phases {
		if warm[ph.Name] {
			marks = append(marks, mark{ph.Start.Seconds(), (ph.Start + ph.Length).Seconds(), "warmup", words.Clean(ph.Name)})
		}
	}
	for _, s := range r.Slow {
		marks = append(marks, mark{s.Start.Seconds(), (s.Start + s.Length).Seconds(), "slow", "slow: " + content.Slowness(s)})
	}
	for _, e := range r.Events {
		marks = append(marks, mark{e.Start.Seconds(), (e.Start + e.Length).Seconds(), "event", words.Clean(e.Kind) + " " + words.Clean(e.Detail)})
	}
	happened := 0
	for _, c := range columns {
		if len(c.happened) > 0 && happened < maxHappened {
			happened++
			marks = append(marks, mark{c.start.Seconds(), c.start.Seconds(), "member", strings.Join(c.happened[:min(3, len(c.happened))], ", ")})
		}
	}
	return marks
}

func latencyFigure(r *results.Run, columns []column) figure {
	lines := []line{{name: "p50", class: "s1"}, {name: "p99", class: "s2"}, {name: "p99.9", class: "s4"}}
	t := table{Head: []string{"from", "phase", "completed", "p50", "p99", "p99.9"}}
	for _, c := range columns {
		row := []string{secondsLabel(c.start.Seconds()), words.Clean(c.phase), words.Count(c.sum.Completed)}
		for i, q := range c.sum.Percentiles(50, 99, 99.9) {
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
	low, high := bounds(lines, true)
	ch := chart{
		title: "Response time over time", describe: "p50, p99 and p99.9 of each second", width: chartWidth, height: 300,
		x: timeAxis(columns), y: axis{low: low, high: high, log: true}, xLabel: secondsLabel,
		yLabel: words.AxisDuration, lines: lines, bands: true, marks: timeMarks(r, columns), overTime: true,
	}
	return figure{
		Title: "Response time over time", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: startsOf(columns),
		Caption: "Each second's p50, p99 and p99.9 of all operations that were asked for, where at least ten samples lie " +
			"beyond it. Operations that did not finish count with lower bounds (≥). Grey: warm-up; amber: slow stretches; " +
			"pink: disturbances; dashed: changes " +
			"of leader, members that stopped, answered again or were started anew.",
	}
}

func keyOf(lines []line) []keyEntry {
	var key []keyEntry
	for _, l := range lines {
		key = append(key, keyEntry{l.class, l.name})
	}
	return key
}

func throughputFigure(r *results.Run, columns []column) figure {
	lines := []line{{name: "completed per second", class: "s1"}, {name: "failed, dropped or unfinished per second", class: "s2"}}
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
		title: "Throughput over time", describe: "operations completed and failed in each second", width: chartWidth, height: 200,
		x: timeAxis(columns), y: axis{low: low, high: high}, xLabel: secondsLabel,
		yLabel: func(v float64) string { return humanize.SI(v, "") }, lines: lines, marks: timeMarks(r, columns),
		overTime: true,
	}
	return figure{
		Title: "Throughput over time", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: startsOf(columns),
		Caption: "Operations that were asked for, by the second in which they ended. Those that end after their phase are no throughput.",
	}
}

// percentileFigure draws response and service time together: where they part,
// requests waited.
func percentileFigure(r *results.Run) (figure, bool) {
	sum, err := r.Measured("")
	if err != nil {
		return figure{}, false
	}
	lines := []line{{name: "response time", class: "s2"}, {name: "service time", class: "s1"}}
	t := table{Head: []string{"percentile", "response time", "service time"}}
	for i, l := range []results.Latency{sum.ResponseTime, sum.ServiceTime} {
		for _, point := range curve(l) {
			lines[i].at, lines[i].value = append(lines[i].at, point.nines), append(lines[i].value, float64(point.ns))
		}
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
	low, high := bounds(lines, true)
	at := lines[0].at
	ch := chart{
		title: "Percentiles", describe: "response and service time by percentile", width: chartWidth, height: 280,
		x: axis{low: 0, high: math.Ceil(at[len(at)-1]), whole: true}, y: axis{low: low, high: high, log: true},
		xLabel: ninesLabel, yLabel: words.AxisDuration, lines: lines,
	}
	return figure{
		Title: "Percentiles", SVG: ch.svg(), Key: keyOf(lines), Table: t, At: places(placed),
		Caption: "Each step to the right is one nine more. Where response time is above service time, requests " +
			"waited before they were sent; a benchmark that starts its clock at sending shows the lower curve. Operations " +
			"that did not finish are in the response time with lower bounds (≥).",
	}, true
}

// memberCharts are the members' figures that are drawn, and how to label them.
var memberCharts = [...]struct {
	metric, title string
	label         func(v float64) string
	scale         float64
}{
	{"cpu", "CPU, cores", words.AxisNumber, 1},
	{"fsync_time", "time in fsync, per second", words.AxisDuration, 1e9},
	{"commit_time", "time in backend commits, per second", words.AxisDuration, 1e9},
	{"proposals_pending", "proposals pending", words.AxisNumber, 1},
	{"rss", "resident memory", bytesLabel, 1},
	{"db_size", "database size", bytesLabel, 1},
	{"peer_sent", "sent to peers, per second", bytesLabel, 1},
	{"client_sent", "sent to clients, per second", bytesLabel, 1},
	{"disk_written", "written to disk, per second", bytesLabel, 1},
	{"allocs", "objects allocated, per second", words.AxisNumber, 1},
	{"gc_pause", "garbage collection pauses, per second", words.AxisDuration, 1e9},
	{"watchers", "watchers", words.AxisNumber, 1},
}

func bytesLabel(v float64) string { return humanize.Bytes(uint64(max(v, 0))) }

var memberClasses = [...]string{"s1", "s2", "s3", "s4", "s5"}

// members draws what each member did, on the time axis of the other charts.
func (a *article) members(r *results.Run, columns []column, members []string) {
	if len(members) == 0 {
		return
	}
	members = members[:min(len(members), len(memberClasses))]
	for i, m := range members {
		a.MemberKey = append(a.MemberKey, keyEntry{memberClasses[i], words.Clean(m)})
	}
	a.MembersAt = startsOf(columns)
	for _, mc := range memberCharts {
		var lines []line
		moved := false
		t := table{Head: []string{"from"}, Rows: make([][]string, len(columns))}
		for i, m := range members {
			l := line{name: words.Clean(m), class: memberClasses[i]}
			t.Head = append(t.Head, words.Clean(m))
			for k, c := range columns {
				if i == 0 {
					t.Rows[k] = []string{secondsLabel(c.start.Seconds())}
				}
				v, ok := c.server[m][mc.metric]
				cell := ""
				if v *= mc.scale; ok {
					cell = mc.label(v)
				} else {
					v = math.NaN()
				}
				moved = moved || ok && v != 0
				l.at, l.value = append(l.at, c.start.Seconds()), append(l.value, v)
				t.Rows[k] = append(t.Rows[k], cell)
			}
			lines = append(lines, l)
		}
		if !moved {
			continue
		}
		low, high := bounds(lines, false)
		ch := chart{
			title: mc.title, describe: "of each member over time", width: smallWidth, height: 150, overTime: true,
			x: timeAxis(columns), y: axis{low: low, high: high}, xLabel: secondsLabel, yLabel: mc.label, lines: lines, marks: timeMarks(r, nil),
		}
		a.Members = append(a.Members, figure{Title: mc.title, SVG: ch.svg(), Table: t})
	}
}

// startsOf are where the columns begin.
func startsOf(columns []column) string {
	var at []float64
	for _, c := range columns {
		at = append(at, c.start.Seconds())
	}
	return places(at)
}
