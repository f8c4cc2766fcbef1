package html

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// BenchmarkHourAsHTML renders an hour's run of 6 operations and 5 members, and
// prints the size of the page, and how much memory the process has taken at most.
func BenchmarkHourAsHTML(b *testing.B) {
	doc := reporttest.LongRun(b, 3600, 6, 5)
	b.ReportAllocs()
	for b.Loop() {
		var page bytes.Buffer
		if err := Write(&page, []content.Document{doc}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(page.Len())/(1<<20), "MiB/page")
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MiB/from-the-system")
}

var drawing = regexp.MustCompile(`(?s)(<svg class="chart".*?</svg>)(?:</div>|<output>)`)

var heading = regexp.MustCompile(`<h([1-6])[ >]`)

// Headings skip no level, so that a screen reader's list of them is complete: on the page of
// each kind of document.
func TestHeadingsSkipNoLevel(t *testing.T) {
	pages := map[string]string{"run": render(t, reporttest.Document(t, reporttest.Mixture(t)))}
	files, err := filepath.Glob("testdata/*.html")
	if err != nil || len(files) < 5 {
		t.Fatal("pages: ", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[file] = string(data)
	}
	for name, page := range pages {
		last := 0
		for _, h := range heading.FindAllStringSubmatch(page, -1) {
			level := int(h[1][0] - '0')
			if level > last+1 {
				t.Errorf("%s: h%d after h%d", name, level, last)
			}
			last = level
		}
	}
}

// Drawings are well formed, whatever a document's strings hold, and the page of a
// long run stays small.
func TestDrawingsAreWellFormed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("draws long runs")
	}
	evil := reporttest.Document(t, reporttest.Mixture(t))
	evil.Events[0].Kind, evil.Events[0].Detail = `"><script>alert(1)</script>`, "&amp;<b>"
	for name, doc := range map[string]content.Document{"short": reporttest.Document(t, reporttest.Sample(t)), "mixture": reporttest.Document(t, reporttest.Mixture(t)), "evil": evil, "long": reporttest.LongRun(t, 1200, 3, 5)} {
		page := render(t, doc)
		drawings := drawing.FindAllStringSubmatch(page, -1)
		if len(drawings) < 3 {
			t.Errorf("%s: only %d drawings", name, len(drawings))
		}
		for _, d := range drawings {
			d := d[1]
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
	dead := reporttest.Document(t, reporttest.Sample(t))
	dead.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: 5, Unfinished: 5}}
	dead.Intervals = func(each func(*results.Interval) error) error {
		for n := range 3 {
			if err := each(&results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second}); err != nil {
				return err
			}
		}
		return nil
	}
	gone := reporttest.Document(t, reporttest.Sample(t))
	gone.Intervals = func(func(*results.Interval) error) error { return &fs.PathError{Op: "open", Err: fs.ErrNotExist} }
	gone.Operations = nil
	for name, doc := range map[string]content.Document{"nothing completed": dead, "no seconds": {Run: dead.Run}, "no journal": gone} {
		page := render(t, doc)
		if strings.Contains(page, `<svg class="chart"`) || !strings.Contains(page, "<h3>Environment</h3>") {
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

// render writes the page of documents.
func render(t *testing.T, docs ...content.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, docs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page of two runs, without its style and script.
func TestGoldenPage(t *testing.T) {
	reporttest.Golden(t, "formats.html", []byte(reporttest.WithoutScripts(render(t, reporttest.Document(t, reporttest.Costed(t)), reporttest.Document(t, reporttest.Mixture(t))))))
}

// The page says once how a run ended, what the signs in the table of operations mean, and
// has no column that is empty.
func TestPageExplainsItself(t *testing.T) {
	run := reporttest.Sample(t)
	run.Outcome, run.Reason = results.Interrupted, "interrupted"
	run.Plan.Thresholds = []string{"put.response_time.p99 < 20ms"}
	for i := range run.Operations {
		run.Operations[i].ResponseTime = reporttest.Latency(t, map[time.Duration]int64{time.Millisecond: 30})
	}
	page := render(t, reporttest.Document(t, run))
	if !strings.Contains(page, "<strong>INTERRUPTED</strong>") {
		t.Error("the page does not say that the run was interrupted")
	}
	if !strings.Contains(page, "?: fewer than ten samples lie beyond it.") {
		t.Error("the page does not explain the question mark")
	}
	if !strings.Contains(page, "<h2>Thresholds</h2>") || strings.Contains(page, "windows") {
		t.Error("the table of thresholds has a column without cells")
	}
}
