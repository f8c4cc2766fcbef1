package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// tracedClasses are the colours of the recommended settings, of the defaults and of others.
var tracedClasses = [...]string{"s3", "s1", "s2", "s4", "s5"}

// traced is the throughput around a fault with one choice of settings.
type traced struct {
	line
	failover float64
}

// tracesOf returns the traces around a kill of the leader: of the recommended settings, of the
// defaults, and of those that failed over fastest.
func tracesOf(t *results.Tuning) (list []traced) {
	for _, x := range t.Tried {
		for _, f := range x.Faults {
			if f.Fault != results.FaultKillLeader || len(f.Trace) == 0 {
				continue
			}
			l := line{name: words.Clean(x.Name), series: 2}
			switch {
			case x.Name == t.Recommended:
				l.name, l.series = "★ "+l.name, 0
			case x.Default:
				l.name, l.series = "defaults", 1
			}
			for i, n := range f.Trace[:min(len(f.Trace), results.TraceSteps)] {
				l.at = append(l.at, traceStart(i)+results.TraceStep.Seconds()/2)
				l.value = append(l.value, n/results.TraceStep.Seconds())
			}
			list = append(list, traced{l, x.Failover})
		}
	}
	slices.SortStableFunc(list, func(a, b traced) int {
		return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.failover, b.failover))
	})
	others := 0
	for i := range list {
		class := list[i].series
		if class == 2 {
			class, others = class+others, others+1
		}
		if class == len(tracedClasses) {
			return list[:i]
		}
		list[i].class, list[i].series = tracedClasses[class], i
	}
	return list
}

// traceStart is where a step of a trace begins, in seconds from the fault on.
func traceStart(step int) float64 {
	return float64(step)*results.TraceStep.Seconds() - results.TraceBefore.Seconds()
}

// traceFigure draws the throughput around a kill of the leader.
func traceFigure(t *results.Tuning) (figure, bool) {
	list := tracesOf(t)
	if len(list) == 0 {
		return figure{}, false
	}
	tab := table{Head: []string{"from"}}
	var lines []line
	var starts []float64
	for _, tr := range list {
		lines = append(lines, tr.line)
		tab.Head = append(tab.Head, tr.name)
	}
	for step := range results.TraceSteps {
		row, any := []string{traceLabel(traceStart(step))}, false
		for _, l := range lines {
			cell := "–"
			if step < len(l.value) {
				cell, any = words.Rate(l.value[step]), true
			}
			row = append(row, cell)
		}
		if any {
			tab.Rows, starts = append(tab.Rows, row), append(starts, traceStart(step))
		}
	}
	low, high := bounds(lines, false)
	ch := chart{
		title: "Throughput around a kill of the leader (operations/s)", describe: namesOf(lines) + " by the time since the fault",
		width: chartWidth, height: 240, x: axis{low: traceStart(0), high: traceStart(results.TraceSteps)}, y: axis{low: low, high: high},
		xLabel: traceLabel, yLabel: plainNumber, lines: lines,
		marks: []mark{{class: "member", label: "the leader is killed", short: "leader killed"}}, overTime: true,
	}
	return figure{
		Title: ch.title, SVG: ch.svg(), Key: keyOf(lines), Table: tab, At: places(starts),
		Caption: "Acknowledged operations in steps of 100 ms, the median over the faults. Operations with intended times in the same 10 ms " +
			"count when the last of them is acknowledged. After an outage, the operations that waited are acknowledged at once. " +
			"★: recommended. The chart has at most five settings: the defaults and those with the fastest failover.",
	}, true
}

// traceLabel prints a time before or after a fault, in seconds.
func traceLabel(seconds float64) string {
	if math.Abs(seconds) < 1e-9 {
		return "0 s"
	}
	return fmt.Sprintf("%+.3g s", seconds)
}
