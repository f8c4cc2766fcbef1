package live_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/results"
)

var (
	_ bench.Observer      = (*live.RunObserver)(nil)
	_ bench.SetupObserver = (*live.RunObserver)(nil)
	_ bench.StageObserver = (*live.RunObserver)(nil)
)

// shown is what a stream sends.
type shown struct {
	Version int
	Text    string
	Ended   bool
	Runs    []struct {
		Name, State string
		Report      bool
	}
}

// plan is that of a run of ten seconds.
func plan() *results.Run {
	return &results.Run{Plan: results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Duration: 2 * time.Second}, {Name: "measure", Duration: 8 * time.Second}}}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pageServer is a page that is served at a loopback address.
type pageServer struct {
	*live.Page
	t       *testing.T
	url     string
	client  *http.Client
	written atomic.Int64
}

// servePage serves a page whose reports are text and the number of the report.
func servePage(t *testing.T, text string) *pageServer {
	s := &pageServer{t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}}
	s.Page = live.NewPage(func(w io.Writer, dir string, underWay bool) error {
		_, err := fmt.Fprintf(w, "<h1>report %d of %s, under way: %v</h1>%s", s.written.Add(1), dir, underWay, text)
		return err
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.url = "http://" + l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l, "127.0.0.1") }()
	t.Cleanup(func() {
		_ = l.Close()
		check(t, <-done)
	})
	return s
}

func (s *pageServer) get(path string, code int) string {
	s.t.Helper()
	resp, err := s.client.Get(s.url + path)
	check(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(s.t, err)
	if resp.StatusCode != code {
		s.t.Fatalf("%s: status %d, want %d: %.200s", path, resp.StatusCode, code, body)
	}
	return string(body)
}

// events opens a stream and returns what reads the next event.
func (s *pageServer) events() (next func() shown, leave func()) {
	resp, err := s.client.Get(s.url + "/events")
	check(s.t, err)
	lines := bufio.NewScanner(resp.Body)
	return func() (e shown) {
		s.t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				check(s.t, json.Unmarshal([]byte(data), &e))
				return e
			}
		}
		s.t.Fatal("the stream ended: ", lines.Err())
		return e
	}, func() { _ = resp.Body.Close() }
}

// A client sees a run begin, go on and end; a second one that comes in the middle gets the
// whole state; the end brings the saved page and waits for both.
func TestPageFollowsARun(t *testing.T) {
	t.Parallel()
	s := servePage(t, "")
	next, leave := s.events()
	if e := next(); e.Version != 0 || e.Ended || len(e.Runs) != 0 {
		t.Errorf("before the first run: %+v", e)
	}
	s.get("/report", http.StatusNotFound)
	run := s.Observe("first", "dir-1")
	s.get("/runs/1", http.StatusNotFound)
	check(t, run.Start(plan()))
	e := next()
	for e.Version == 0 {
		e = next()
	}
	if len(e.Runs) != 1 || e.Runs[0].Name != "first" || !e.Runs[0].Report || e.Text != "preparing the load" {
		t.Errorf("at the start: %+v", e)
	}
	if got := s.get("/report", http.StatusOK); got != "<h1>report 1 of dir-1, under way: true</h1>" {
		t.Errorf("report %q", got)
	}
	check(t, run.Interval(&results.Interval{Phase: "measure", Start: 2 * time.Second, Length: time.Second}))
	for e.Version != 2 {
		e = next()
	}
	if e.Text != "measure: 3s of 10s" {
		t.Errorf("after an interval: %+v", e)
	}
	if got := s.get("/report", http.StatusOK); !strings.Contains(got, "report 2 of dir-1") {
		t.Errorf("the second report: %q", got)
	}
	again, leaveAgain := s.events()
	if e := again(); e.Version != 2 || e.Text != "measure: 3s of 10s" || len(e.Runs) != 1 {
		t.Errorf("after a reload: %+v", e)
	}
	run.End("completed")
	second := s.Observe("second", "dir-2")
	if got := s.get("/report", http.StatusOK); !strings.Contains(got, "dir-1") {
		t.Errorf("while the second run is being prepared: %q", got)
	}
	check(t, second.Start(plan()))
	second.End("failed")
	if got := s.get("/runs/1", http.StatusOK); !strings.HasSuffix(got, "of dir-1, under way: false</h1>") {
		t.Errorf("the first run afterwards: %q", got)
	}
	s.get("/runs/3", http.StatusNotFound)

	file := filepath.Join(t.TempDir(), results.PageFile)
	check(t, os.WriteFile(file, []byte("the final page"), 0o600))
	s.End(file, "done")
	for e = next(); !e.Ended; e = next() {
	}
	if e.Text != "done" || len(e.Runs) != 2 || e.Runs[0].State != "completed" || e.Runs[1].State != "failed" || e.Version <= 2 {
		t.Errorf("at the end: %+v", e)
	}
	if got := s.get("/report", http.StatusOK); got != "the final page" {
		t.Errorf("the final page: %q", got)
	}
	waited := make(chan struct{})
	go func() { s.Wait(time.Minute); close(waited) }()
	leave()
	select {
	case <-waited:
		t.Error("did not wait for the second client")
	case <-time.After(20 * time.Millisecond):
	}
	leaveAgain()
	<-waited
}

// Without a saved page, the last report stays.
func TestPageEndsWithoutASavedPage(t *testing.T) {
	t.Parallel()
	s := servePage(t, "")
	run := s.Observe("only", "dir")
	check(t, run.Start(plan()))
	s.get("/report", http.StatusOK)
	run.End("failed")
	s.End("", "the disk is full")
	if got := s.get("/report", http.StatusOK); got != "<h1>report 2 of dir, under way: false</h1>" {
		t.Errorf("report %q", got)
	}
	next, leave := s.events()
	defer leave()
	if e := next(); !e.Ended || e.Text != "the disk is full" {
		t.Errorf("%+v", e)
	}
	s.Wait(time.Nanosecond) // a client that stays does not keep the program
}

// A client that asks for a report and never reads it delays neither the run nor another
// client.
func TestStoppedClient(t *testing.T) {
	t.Parallel()
	s := servePage(t, strings.Repeat("x", 32<<20))
	run := s.Observe("only", "dir")
	check(t, run.Start(plan()))
	for _, path := range []string{"/report", "/events"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		check(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		check(t, err)
		_, err = io.ReadFull(conn, make([]byte, 12)) // the answer has begun, and fills the buffers
		check(t, err)
	}
	for n := range 10_000 {
		check(t, run.Interval(&results.Interval{Phase: "measure", Start: time.Duration(n), Length: 1}))
	}
	next, leave := s.events()
	defer leave()
	for e := next(); e.Version != 10_001; e = next() {
	}
	if got := s.get("/report", http.StatusOK); len(got) < 32<<20 {
		t.Errorf("another client gets %d bytes", len(got))
	}
}

// stoppableWriter is a connection that takes nothing while it is stopped.
type stoppableWriter struct {
	httptest.ResponseRecorder
	stopped chan struct{}
	mu      sync.Mutex // of the body
}

func (w *stoppableWriter) Write(data []byte) (int, error) {
	<-w.stopped
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.Write(data)
}

// take returns what was written since it was called last.
func (w *stoppableWriter) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.Body.Reset()
	return w.Body.String()
}
func (w *stoppableWriter) SetWriteDeadline(time.Time) error { return nil }

// A stream skips what changed while its client was stopped, sends at most one event a
// second, and offers a new report when one may be written: here, a report takes a fifth of a
// second, so that one may be written every two seconds.
func TestStreamSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := live.NewPage(func(w io.Writer, _ string, _ bool) error {
			time.Sleep(200 * time.Millisecond)
			_, err := io.WriteString(w, "report")
			return err
		})
		run := p.Observe("only", "dir")
		check(t, run.Start(plan()))
		handler := p.Handler("127.0.0.1")
		ask := func(w http.ResponseWriter, path string) {
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil))
		}
		w := &stoppableWriter{ResponseRecorder: *httptest.NewRecorder(), stopped: make(chan struct{})}
		w.Body = &bytes.Buffer{}
		go ask(w, "/events")
		synctest.Wait()
		interval := func() { check(t, run.Interval(&results.Interval{Phase: "measure", Length: time.Second})) }
		for range 1000 {
			interval()
		}
		// versions are those of the events since it was called last.
		versions := func() (list []int) {
			synctest.Wait()
			for line := range strings.Lines(w.take()) {
				if data, ok := strings.CutPrefix(line, "data: "); ok {
					var e shown
					check(t, json.Unmarshal([]byte(data), &e))
					list = append(list, e.Version)
				}
			}
			return list
		}
		close(w.stopped)
		time.Sleep(time.Second)
		if got := versions(); !slices.Equal(got, []int{1, 1001}) {
			t.Errorf("after a stop: versions %v", got)
		}
		time.Sleep(time.Second)
		ask(httptest.NewRecorder(), "/report")
		for range 38 {
			interval()
			time.Sleep(time.Second / 20)
		}
		// At 0 and 1 s the report is too new; at 1.8 s, another one may be written, which the
		// event after the next second says.
		if got := versions(); !slices.Equal(got, []int{1001, 1001}) {
			t.Errorf("after a report: versions %v", got)
		}
		time.Sleep(time.Second)
		if got := versions(); !slices.Equal(got, []int{1039}) {
			t.Errorf("after the pause: versions %v", got)
		}
		p.End("", "done")
		if got := versions(); !slices.Equal(got, []int{1040}) {
			t.Errorf("at the end: versions %v", got)
		}
	})
}

// The page answers to addresses and to its own name, so that the page of a foreign site
// cannot read it by a name that points here. It loads nothing from elsewhere.
func TestPageHost(t *testing.T) {
	p := live.NewPage(func(io.Writer, string, bool) error { return nil })
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.1": 200, "[::1]:8080": 200, "[::1]": 200, "localhost:8080": 200, "LOCALHOST": 200, "10.0.0.7:80": 200, "bench.example:80": 200,
		"evil.example:8080": 403, "evil.example": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:80": 403, "bench.example.evil.example": 403, "": 403,
	} {
		for _, path := range []string{"/", "/events", "/report", "/live.js"} {
			if path == "/events" && want == 200 {
				continue // which would not end
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			p.Handler("bench.example").ServeHTTP(w, r)
			if got := w.Code; got != want && !(path == "/report" && got == http.StatusNotFound && want == 200) {
				t.Errorf("%s at host %q: %d, want %d", path, host, got, want)
			}
			policy := w.Header().Get("Content-Security-Policy")
			if path == "/" && want == 200 && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe")) {
				t.Errorf("policy %q", policy)
			}
		}
	}
	w := httptest.NewRecorder()
	p.Handler("").ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
