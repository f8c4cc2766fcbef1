package report

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
// prints the size of the page.
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
}

var drawing = regexp.MustCompile(`(?s)<svg .*?</svg>`)

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
		if strings.Contains(page, "<script") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
			t.Errorf("%s: the page has a script or an address", name)
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
		for _, v := range ticks {
			if v < a.low*0.99 || v > a.high*1.01 {
				t.Errorf("tick %v outside of %v to %v", v, a.low, a.high)
			}
		}
	})
}

// A real browser opens the page from a file, without network and without
// complaints, and shows what the document says.
func TestPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is required under CI: ", err)
		}
		t.Skip("needs chromium: ", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	doc := longRun(t, 60, 2, 3)
	if err := os.WriteFile(file, []byte(write(t, "html", doc)), 0o644); err != nil {
		t.Fatal(err)
	}
	browse := func(args ...string) (stdout, stderr string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		args = append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--enable-logging=stderr", "--user-data-dir=" + filepath.Join(t.TempDir(), "profile"), "--host-resolver-rules=MAP * ~NOTFOUND",
		}, append(args, "file://"+file)...)
		cmd := exec.CommandContext(ctx, browser, args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, errs.String())
		}
		return out.String(), errs.String()
	}
	dom, console := browse("--dump-dom")
	for _, want := range []string{"etcdbench long", "6,000 writes/s", "missed of 10,000 writes/s", "<td>op1</td>", "Response time over time", "What the members did", ">m3<"} {
		if !strings.Contains(dom, want) && !strings.Contains(strings.ReplaceAll(dom, `<th scope="row">`, "<td>"), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if n := strings.Count(dom, "<svg"); n < 10 {
		t.Errorf("only %d drawings in the browser", n)
	}
	if strings.Contains(console, "CONSOLE") {
		t.Errorf("the browser complains: %s", console)
	}
	for name, args := range map[string][]string{"light": {"--window-size=1060,2400"}, "dark": {"--window-size=1060,2400", "--blink-settings=preferredColorScheme=0"}, "narrow": {"--window-size=500,3000"}} {
		shot := filepath.Join(dir, name+".png")
		browse(append(args, "--hide-scrollbars", "--screenshot="+shot)...)
		if info, err := os.Stat(shot); err != nil || info.Size() < 20_000 {
			t.Errorf("%s: no picture: %v", name, err)
		}
	}
}
