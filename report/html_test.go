package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// longRun is a run of so many seconds with several operations and members.
func longRun(t testing.TB, seconds, operations, members int) Document {
	latencies := make([]results.Latency, 16)
	for i := range latencies {
		h := results.NewHistogram()
		for n := range int64(1000) {
			if err := h.RecordValue((n*n + int64(i)*1000 + 200) * 1000); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if latencies[i], err = results.NewLatency(h); err != nil {
			t.Fatal(err)
		}
	}
	run := &results.Run{
		Schema: results.Schema, ID: "20261120-101500-a1b2c3", Outcome: results.Completed, Started: time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC),
		Plan:   results.Plan{Workload: "long", Clients: 10, Conns: 2, Phases: []results.PlanPhase{{Name: "measure", Duration: time.Duration(seconds) * time.Second, Load: results.Load{Rate: 1000}}}},
		Phases: []results.Phase{{Name: "measure", Length: time.Duration(seconds) * time.Second}},
		Target: results.Target{Writes: 10_000, Achieved: 6000, Verdict: results.TargetMissed}, Validity: results.Validity{Verdict: results.Valid},
	}
	for k := range operations {
		run.Operations = append(run.Operations, results.Operation{Phase: "measure", Op: fmt.Sprint("op", k), Offered: 1000, Completed: 1000, Throughput: 1000, ResponseTime: latencies[k], ServiceTime: latencies[0]})
	}
	return Document{Run: run, Intervals: func(each func(*results.Interval) error) error {
		for n := range seconds {
			i := &results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second}
			for k := range operations {
				l := latencies[(n+k)%len(latencies)]
				i.Operations = append(i.Operations, results.Operation{Phase: "measure", Op: fmt.Sprint("op", k), Offered: 1000, Completed: 1000, ResponseTime: l, ServiceTime: l})
			}
			for m := range members {
				values := map[string]float64{}
				for j, metric := range results.Metrics() {
					values[metric.Name] = float64(n*(j+m+1)) + math.Sin(float64(n))
				}
				// The leader changes once.
				values["has_leader"], values["is_leader"], values["leader_changes"] = 1, 0, 1
				if n >= seconds/2 {
					values["leader_changes"] = 2
				}
				if m == 0 && n < seconds/2 || m == members-1 && n >= seconds/2 {
					values["is_leader"] = 1
				}
				i.Members = append(i.Members, results.Reading{Member: fmt.Sprint("m", m+1), At: i.Start, Values: values})
			}
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

// BenchmarkHourAsHTML renders an hour's run of 6 operations and 5 members, and
// prints the size of the page, and how much memory the process has taken at most.
func BenchmarkHourAsHTML(b *testing.B) {
	doc := longRun(b, 3600, 6, 5)
	b.ReportAllocs()
	for b.Loop() {
		var page bytes.Buffer
		if err := writeHTML(&page, []Document{doc}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(page.Len())/(1<<20), "MiB/page")
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MiB/from-the-system")
}

var drawing = regexp.MustCompile(`(?s)<svg class="chart".*?</svg></svg>`)

// Drawings are well formed, whatever a document's strings hold, and the page of a
// long run stays small.
func TestDrawingsAreWellFormed(t *testing.T) {
	evil := document(t, mixture(t))
	evil.Events[0].Kind, evil.Events[0].Detail = `"><script>alert(1)</script>`, "&amp;<b>"
	for name, doc := range map[string]Document{"short": document(t, sample(t)), "mixture": document(t, mixture(t)), "evil": evil, "hour": longRun(t, 3600, 6, 5)} {
		page := write(t, "html", doc)
		drawings := drawing.FindAllString(page, -1)
		if len(drawings) < 3 {
			t.Errorf("%s: only %d drawings", name, len(drawings))
		}
		for _, d := range drawings {
			dec := xml.NewDecoder(strings.NewReader(d))
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v in %.200s", name, err, d)
				}
			}
			if strings.Contains(d, "NaN") || strings.Contains(d, "Inf") {
				t.Errorf("%s: a place that is no number in %.200s", name, d)
			}
		}
		if strings.Count(page, "<script") != 1 || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
			t.Errorf("%s: the page has a script besides its own, or an address", name)
		}
		if len(page) > 3<<19 {
			t.Errorf("%s: the page has %d bytes, more than 1.5 MiB", name, len(page))
		}
	}
}

// What cannot be drawn is left out: runs without seconds, or in which nothing was
// completed, have a page without charts, and not one with empty ones.
func TestPagesWithoutCharts(t *testing.T) {
	dead := document(t, sample(t))
	dead.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 5, Unfinished: 5}}
	dead.Intervals = func(each func(*results.Interval) error) error {
		for n := range 3 {
			if err := each(&results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second}); err != nil {
				return err
			}
		}
		return nil
	}
	gone := document(t, sample(t))
	gone.Intervals = func(func(*results.Interval) error) error { return &fs.PathError{Op: "open", Err: fs.ErrNotExist} }
	gone.Operations = nil
	for name, doc := range map[string]Document{"nothing completed": dead, "no seconds": {Run: dead.Run}, "no journal": gone} {
		page := write(t, "html", doc)
		if strings.Contains(page, "<svg") || !strings.Contains(page, "<h2>Where</h2>") {
			t.Errorf("%s: %d drawings in a page of %d bytes", name, strings.Count(page, "<svg"), len(page))
		}
	}
}

// Every value between an axis' ends has a place between its ends, in order; ticks
// are few and within.
func TestAxisProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := axis{low: rapid.Float64Range(0.001, 1e9).Draw(t, "low"), log: rapid.Bool().Draw(t, "log"), from: 300, to: 10}
		a.high = a.low * rapid.Float64Range(1.01, 1e6).Draw(t, "times")
		x := a.low + (a.high-a.low)*rapid.Float64Range(0, 1).Draw(t, "x")
		y := x + (a.high-x)*rapid.Float64Range(0, 1).Draw(t, "y")
		if px, py := a.place(x), a.place(y); px < py || px > 300 || py < 10 {
			t.Errorf("%v at %v, %v at %v", x, px, y, py)
		}
		most := rapid.IntRange(2, 10).Draw(t, "most")
		ticks := a.ticks(most)
		if len(ticks) > most+3 && !a.log {
			t.Errorf("%d ticks, want about %d", len(ticks), most)
		}
		if len(ticks) < 2 && a.high > a.low*1.05 {
			t.Errorf("%d ticks from %v to %v: an axis that tells nothing", len(ticks), a.low, a.high)
		}
		for _, v := range ticks {
			if v < a.low*0.99 || v > a.high*1.01 {
				t.Errorf("tick %v outside of %v to %v", v, a.low, a.high)
			}
		}
	})
}
