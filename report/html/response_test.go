package html

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// The lines of percentiles do not cross, and the last but one is drawn at most points,
// however few operations a second has.
func TestPercentilesDoNotCross(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("draws a hundred charts")
	}
	rapid.Check(t, func(rt *rapid.T) {
		run := reporttest.Sample(t)
		run.Plan.Phases = []results.PlanPhase{{Name: "measure"}}
		perSecond := rapid.IntRange(3, 1500).Draw(rt, "operations")
		s := operationSeries{name: "put"}
		for n := range 20 {
			times := map[time.Duration]int64{}
			for range 5 {
				times[time.Duration(rapid.IntRange(1, 500).Draw(rt, "ms"))*time.Millisecond] += int64(1 + perSecond/5)
			}
			s.seconds = append(s.seconds, column{
				start: time.Duration(n) * time.Second, length: time.Second, phase: "measure",
				ops: []results.Operation{{Phase: "measure", Op: "put", Completed: uint64(perSecond), ResponseTime: reporttest.Latency(t, times)}},
			})
		}
		percentiles, each := s.resolving(run)
		columns := joinEach(s.seconds, each)
		if err := addSums(columns); err != nil {
			rt.Fatal(err)
		}
		lines, _ := percentileLines(columns, percentiles)
		for i := 1; i < len(lines); i++ {
			if !slices.Equal(lines[i].at, lines[0].at) {
				rt.Errorf("%s has other points than %s", lines[i].name, lines[0].name)
			}
			for k, v := range lines[i].value {
				if v < lines[i-1].value[k] {
					rt.Errorf("%s is %v where %s is %v", lines[i].name, v, lines[i-1].name, lines[i-1].value[k])
				}
			}
		}
		if perSecond >= 50 && math.IsNaN(lines[1].value[0]) {
			rt.Errorf("%s is not drawn with %d operations a second and %d seconds a point", lines[1].name, perSecond, each)
		}
	})
}

// A second of an outage, in which hardly anything ends, is a gap. It does not hide a percentile that all
// other seconds resolve.
func TestAnOutageHidesNoPercentile(t *testing.T) {
	run := reporttest.Sample(t)
	run.Plan.Phases = []results.PlanPhase{{Name: "measure"}}
	s := operationSeries{name: "put"}
	for n := range 10 {
		c := column{start: time.Duration(n) * time.Second, length: time.Second, phase: "measure"}
		times := map[time.Duration]int64{time.Millisecond: 300, 9 * time.Millisecond: 100}
		if n == 5 {
			times = map[time.Duration]int64{time.Millisecond: 3}
		}
		c.ops = []results.Operation{{Phase: "measure", Op: "put", Completed: 400, ResponseTime: reporttest.Latency(t, times)}}
		s.seconds = append(s.seconds, c)
	}
	percentiles, each := s.resolving(run)
	if !slices.Contains(percentiles, 90) || each != 1 {
		t.Errorf("drawn are the percentiles %v of %d seconds each", percentiles, each)
	}
	columns := joinEach(s.seconds, each)
	if err := addSums(columns); err != nil {
		t.Fatal(err)
	}
	lines, _ := percentileLines(columns, percentiles)
	for i, v := range lines[1].value {
		if math.IsNaN(v) != (i == 5) {
			t.Errorf("%s at second %d is %v", lines[1].name, i, v)
		}
	}
}

var lineClass = regexp.MustCompile(`<path class="line (\w+)`)

// A comparison has one colour for each side, however many runs these have, and draws the
// interval of each metric.
func TestComparisonHasAColourForEachSide(t *testing.T) {
	low, high := -0.1, 0.2
	c := content.Compared{Rows: []results.Comparison{
		{Operation: "put", Metric: "throughput", Unit: "/s", Higher: true, Base: 100, Candidate: 105, Change: 0.05, Lower: &low, Upper: &high, Word: results.Unresolved},
		{Operation: "put", Metric: "p99", Unit: "ns", Base: 1e6, Candidate: 2e6, Change: 1, Word: results.Worse},
	}}
	for range 3 {
		c.Base = append(c.Base, reporttest.Document(t, reporttest.Sample(t)))
		c.Candidate = append(c.Candidate, reporttest.Document(t, reporttest.Sample(t)))
	}
	var b bytes.Buffer
	if err := WriteComparison(&b, c); err != nil {
		t.Fatal(err)
	}
	overlay, _, _ := strings.Cut(b.String(), `<article id="c2">`)
	classes := map[string]int{}
	for _, m := range lineClass.FindAllStringSubmatch(overlay, -1) {
		classes[m[1]]++
	}
	if len(classes) != 2 || classes["s1"] == 0 || classes["s1"] != classes["s2"] {
		t.Errorf("lines by colour: %v", classes)
	}
	for _, want := range []string{"base: 3 runs", "candidate: 3 runs", `<path class="interval"`, "no interval"} {
		if !strings.Contains(overlay, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
}
