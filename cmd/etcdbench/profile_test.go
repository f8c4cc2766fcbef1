package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// Clicks on a box of a flame graph that is neither the whole nor too narrow for a
// name, and tells whether it is then as wide as the whole.
const zoomIn = `(() => {
	const boxes = [...document.querySelectorAll('.n > button')];
	if (!boxes.length) return false;
	const whole = Math.max(...boxes.map((b) => b.offsetWidth));
	const box = boxes.find((b) => b.offsetWidth > whole / 20 && b.offsetWidth < whole * 0.8 && b.innerText);
	box.click();
	return box.offsetWidth >= whole - 2;
})()`

// Profiles of a run are drawn on its page as flame graphs that zoom, those of two
// runs as their difference; all from a file and without network.
func TestFlameGraphsInABrowser(t *testing.T) {
	dir := t.TempDir()
	runs := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, out := range runs {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), []string{"run", "--in-process", "--members", "1", "--warmup", "0s", "--duration", "3s", "--clients", "16", "--profile", "cpu", "--out", out}, nil, &stdout, &stderr); code != 0 && code != exitInvalid {
			t.Fatalf("exit %d: %s", code, stderr.String())
		}
		if !strings.Contains(stdout.String(), "CPU of the generator in measure") {
			t.Errorf("no functions in the report: %s", stdout.String())
		}
	}
	one, err := os.ReadFile(filepath.Join(runs[0], results.PageFile))
	if err != nil {
		t.Fatal(err)
	}
	var both bytes.Buffer
	if code := execute(t.Context(), append([]string{"report", "--format", "html"}, runs...), nil, &both, &both); code != 0 {
		t.Fatalf("exit %d: %s", code, both.String())
	}
	for name, tc := range map[string]struct {
		page   string
		frames int
		text   string
	}{
		"flame":            {string(one), 1, "CPU time of the generator"},
		"flame-difference": {both.String(), 3, "B against A: CPU time of the generator"},
	} {
		t.Run(name, func(t *testing.T) {
			b := browsertest.Open(t, tc.page)
			browsertest.Eval[int](b, `document.querySelectorAll('details').forEach((d) => { d.open = true; }), 0`)
			if text := browsertest.Eval[string](b, `document.body.innerText`); !strings.Contains(text, tc.text) {
				t.Errorf("the page does not show %q", tc.text)
			}
			if n := b.Frames(`document.querySelectorAll('.n > button').length > 10`); n != tc.frames {
				t.Errorf("%d flame graphs are drawn, want %d", n, tc.frames)
			}
			b.Screenshot(name)
			if n := b.Frames(zoomIn); n != tc.frames {
				t.Errorf("%d flame graphs zoom, want %d", n, tc.frames)
			}
			if n := b.Frames(arrowKeys); n != tc.frames {
				t.Errorf("%d flame graphs are one stop of the tabulator key and follow the arrow keys, want %d", n, tc.frames)
			}
			for _, c := range b.Complaints() {
				t.Errorf("the browser complains: %s", c)
			}
		})
	}
}

// arrowKeys moves from a flame graph's first box to the one below it and back. Each time, one box
// is a stop of the tabulator key.
const arrowKeys = `['ArrowDown', 'ArrowUp'].every((key, i) => {
	const stops = () => [...document.querySelectorAll('.n > button')].filter((b) => b.tabIndex === 0);
	const from = stops();
	if (i === 0) from[0].focus();
	from[0].dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
	return from.length === 1 && stops().length === 1 && stops()[0] !== from[0] && document.activeElement === stops()[0];
})`

// While a run goes on, Prometheus can scrape it; when it is over, nobody listens.
func TestMetricsListen(t *testing.T) {
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- execute(t.Context(), []string{"run", "--in-process", "--members", "1", "--warmup", "0s", "--duration", "3s", "--clients", "4", "--metrics-listen", "127.0.0.1:0", "--out", filepath.Join(t.TempDir(), "run")}, nil, io.Discard, write)
		_ = write.Close()
	}()
	lines := bufio.NewScanner(read)
	address := ""
	for address == "" && lines.Scan() {
		address, _ = strings.CutPrefix(lines.Text(), "metrics: ")
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	most := 0.0
	for over := time.After(30 * time.Second); most < 100; {
		select {
		case <-over:
			t.Fatalf("%v operations were shown", most)
		case <-time.After(50 * time.Millisecond):
		}
		resp, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "etcdbench_response_time_seconds_count{") {
				var n float64
				_, _ = fmt.Sscan(line[strings.LastIndex(line, " "):], &n)
				most = max(most, n)
			}
		}
	}
	if c := <-code; c != 0 && c != exitInvalid {
		t.Errorf("exit %d", c)
	}
	if _, err := http.Get(address); err == nil {
		t.Error("somebody still listens")
	}
}
