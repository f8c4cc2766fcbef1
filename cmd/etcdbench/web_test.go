package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// lockedBuffer is what a command writes while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute: ", what)
		}
	}
}

var livePage = regexp.MustCompile(`live page: (http://127\.0\.0\.1:[0-9]+/)`)

// liveRun is a run that is shown at url until it is interrupted.
type liveRun struct {
	url, dir  string
	interrupt func()
	stderr    *lockedBuffer
	code      chan int
}

// startLiveRun starts a run of two minutes.
func startLiveRun(t *testing.T) liveRun {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := liveRun{dir: filepath.Join(t.TempDir(), "run"), stderr: &lockedBuffer{}, code: make(chan int, 1), interrupt: func() { cancel(bench.ErrInterrupted) }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.code <- execute(ctx, []string{"run", "--in-process", "--members", "1", "--rate", "200", "--warmup", "1s", "--duration", "2m",
			"--web", ":0", "--progress", "none", "--out", r.dir}, nil, io.Discard, r.stderr)
	}()
	t.Cleanup(func() { r.interrupt(); <-ended })
	eventually(t, "an address", func() bool {
		if m := livePage.FindStringSubmatch(r.stderr.String()); m != nil {
			r.url = m[1]
		}
		return r.url != ""
	})
	return r
}

// In a browser, the page of a run appears, goes on, survives a reload, skips versions over
// a slow connection, stands still while it is paused, and becomes the saved page.
func TestLivePageInABrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Visit(t, "about:blank")
	run := startLiveRun(t)
	b.Navigate(run.url)
	version := func() int { return browsertest.Eval[int](b, `Number(document.body.dataset.version ?? 0)`) }
	charts := func() int {
		return browsertest.Eval[int](b, `document.querySelector('iframe.front').contentDocument.querySelectorAll('svg.chart').length`)
	}
	eventually(t, "charts", func() bool { return version() > 0 && charts() > 0 })
	text := func() string {
		return browsertest.Eval[string](b, `document.querySelector('iframe.front').contentDocument.body.textContent`)
	}
	if !strings.Contains(text(), "the run is under way") {
		t.Error("the page does not say that the run is under way")
	}
	b.Screenshot("live")

	b.Reload()
	eventually(t, "charts after a reload", func() bool { return version() > 0 && charts() > 0 })
	place := func() string {
		return browsertest.Eval[string](b, `(() => { const page = document.querySelector('iframe.front').contentWindow; return page.document.querySelector('details').open + ' ' + page.scrollY; })()`)
	}
	browsertest.Eval[int](b, `(() => { const page = document.querySelector('iframe.front').contentWindow; page.document.querySelector('details').open = true; page.scrollTo(0, 100); return 0; })()`)
	before, placed := version(), place()
	eventually(t, "another version", func() bool { return version() > before })
	if now := place(); now != placed || placed == "true 0" {
		t.Errorf("the next version is shown at %s, want %s", now, placed)
	}

	size := browsertest.Eval[float64](b, `document.querySelector('iframe.front').contentDocument.documentElement.outerHTML.length`)
	b.Throttle(size / 3)
	eventually(t, "a version over a slow connection that skips others", func() bool {
		before := version()
		eventually(t, "another version", func() bool { return version() > before })
		return version() >= before+2
	})
	b.Throttle(0)
	slow := version()
	eventually(t, "a version over a fast connection", func() bool { return version() > slow })

	b.Click("#pause")
	run.interrupt()
	if code := <-run.code; code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
	if !strings.Contains(text(), "the run is under way") {
		t.Error("the page changes while it is paused")
	}
	b.Click("#pause")
	eventually(t, "the final page", func() bool { return browsertest.Eval[string](b, `document.body.dataset.ended ?? ''`) == "true" })
	if got := text(); strings.Contains(got, "under way") || !strings.Contains(got, "interrupted") || charts() == 0 {
		t.Error("the final page is not the saved one")
	}
	if status := browsertest.Eval[string](b, `document.querySelector('header').textContent`); !strings.Contains(status, "This page is the final one.") {
		t.Errorf("the status is %q", status)
	}
	for _, c := range b.Complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// All runs of an experiment are shown, each with the name of its directory.
func TestLivePageOfAnExperiment(t *testing.T) {
	t.Parallel()
	var stderr lockedBuffer
	o := outputFlags{webAt: "127.0.0.1:0"}
	w, err := o.serve(&stderr)
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	measure := w.watch(base, func(_ context.Context, _ runner.Spec, o runner.Options) (*results.Run, error) {
		if strings.HasSuffix(o.Dir, "2") {
			return nil, errors.New("no cluster")
		}
		run := &results.Run{
			Schema: results.Schema, ID: "sample", Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
			Plan:       results.Plan{Workload: "put", Phases: []results.PlanPhase{{Name: "measure", Duration: time.Second}}},
			Phases:     []results.Phase{{Name: "measure", Length: time.Second}},
			Operations: []results.Operation{{Phase: "measure", Op: "put", Write: true}},
		}
		for _, ob := range o.Observers {
			if err := ob.Start(run); err != nil {
				return nil, err
			}
		}
		dir, err := results.Create(o.Dir)
		if err != nil {
			return nil, err
		}
		return run, errors.Join(dir.WriteStart(run), dir.WriteRun(run), dir.Close())
	})
	for n := 1; n <= 2; n++ {
		_, err := measure(t.Context(), runner.Spec{}, runner.Options{Dir: filepath.Join(base, fmt.Sprint("probe-00", n))})
		if (err != nil) != (n == 2) {
			t.Errorf("run %d: %v", n, err)
		}
	}
	get := func(path string) string {
		resp, err := http.Get(strings.TrimSpace(strings.TrimPrefix(stderr.String(), "live page: ")) + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		buf := make([]byte, 4<<20)
		n, err := io.ReadAtLeast(resp.Body, buf, 1)
		if err != nil {
			t.Fatal(err)
		}
		if path == "events" {
			return string(buf[:n])
		}
		rest, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n]) + string(rest)
	}
	if got := get("events"); !strings.Contains(got, `{"name":"probe-001","state":"completed","report":true},{"name":"probe-002","state":"failed","report":false}`) {
		t.Errorf("events: %s", got)
	}
	if got := get("runs/1"); !strings.Contains(got, "<h1") || !strings.Contains(got, "put") {
		t.Errorf("the first run: %.300s", got)
	}
	if err := os.WriteFile(filepath.Join(base, results.PageFile), []byte("<h1>final</h1>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.close(base, nil); err != nil {
		t.Error(err)
	}
}

// The address of a live page is this machine's alone, unless another one is given.
func TestWebAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":0": "live page: http://127.0.0.1:", "127.0.0.1:0": "live page: http://127.0.0.1:", "localhost:0": "live page: http://127.0.0.1:",
		"0.0.0.0:0": "warning: --web 0.0.0.0:0 is not a loopback address", "8080": "error: --web must be HOST:PORT", "127.0.0.1:http-nothing": "error: --web: ",
	} {
		var stderr lockedBuffer
		o := outputFlags{webAt: address}
		w, err := o.serve(&stderr)
		text := stderr.String()
		if err != nil {
			text = "error: " + err.Error()
		}
		if !strings.HasPrefix(text, want) {
			t.Errorf("--web %s: %q", address, text)
		}
		if loopback := !strings.HasPrefix(address, "0"); loopback && strings.Contains(text, "warning") {
			t.Errorf("--web %s: %q", address, text)
		}
		if err := w.close(t.TempDir(), nil); err != nil {
			t.Errorf("--web %s: %v", address, err)
		}
	}
	if w, err := (&outputFlags{}).serve(io.Discard); w != nil || err != nil {
		t.Errorf("without --web: %v, %v", w, err)
	}
}
