// Package browsertest opens pages in a real browser, for tests: from a file without
// network, or from a server on this machine, and with a record of the browser's complaints.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ShotsVariable names the environment variable with a directory for screenshots.
// Without it, screenshots are removed with the test.
const ShotsVariable = "ETCDBENCH_SCREENSHOTS"

// A Page is an open page.
type Page struct {
	t     *testing.T
	ctx   context.Context
	shots string

	mu         sync.Mutex
	complaints []string
	frames     []runtime.ExecutionContextID
}

// Open opens a page for the duration of the test. Without a browser it skips the
// test, or fails it if the environment variable CI is set.
func Open(t *testing.T, html string) *Page {
	t.Helper()
	p := start(t)
	call(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true})
	p.Show(html)
	return p
}

// Show opens another page in the same browser, from a file.
func (p *Page) Show(html string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(html), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.Navigate("file://" + file)
}

// Visit opens the page of a server at a loopback address for the duration of the test. See
// [Open].
func Visit(t *testing.T, url string) *Page {
	t.Helper()
	p := start(t)
	p.Navigate(url)
	return p
}

// Navigate opens another page in the same browser.
func (p *Page) Navigate(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// start starts a browser that shows nothing yet.
func start(t *testing.T) *Page {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is required under CI: ", err)
		}
		t.Skip("needs chromium: ", err)
	}
	dir := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1060, 1400), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		// Frames stay in the page's process, where the test can reach them.
		chromedp.Flag("disable-features", "IsolateSandboxedIframes"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &Page{t: t, ctx: ctx, shots: dir}
	if kept := os.Getenv(ShotsVariable); kept != "" {
		p.shots = kept
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil { // starts the browser
		t.Fatal(err)
	}
	p.ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	call(p, runtime.Enable, cdp.Empty{})
	call(p, log.Enable, cdp.Empty{})
	call(p, network.Enable, network.EnableParams{})
	return p
}

func call[P, R any](p *Page, cmd cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, cmd, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *Page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			p.complaints = append(p.complaints, string(arg.Value)+arg.Description)
		}
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		p.complaints = append(p.complaints, e.Entry.Text)
	case *runtime.EventExecutionContextCreated:
		p.frames = append(p.frames, e.Context.ID)
	}
}

// Complaints returns the lines of the console, the exceptions and the requests
// that were blocked.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// Eval evaluates an expression in the page and returns its value.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// Frames returns in how many of the page's frames, the page itself included, an
// expression is true.
func (p *Page) Frames(expression string) (n int) {
	p.t.Helper()
	p.mu.Lock()
	frames := append([]runtime.ExecutionContextID(nil), p.frames...)
	p.mu.Unlock()
	yes := true
	for _, id := range frames {
		r, err := chromedp.Call(p.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ContextID: id, ReturnByValue: &yes})
		if err == nil && r.ExceptionDetails == nil && string(r.Result.Value) == "true" {
			n++
		}
	}
	return n
}

// Move moves the pointer to a place in the window, in pixels.
func (p *Page) Move(x, y float64) {
	p.t.Helper()
	p.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
}

// Drag presses the pointer's button at one place and releases it at another.
func (p *Page) Drag(x0, y0, x1, y1 float64) {
	p.t.Helper()
	p.do(
		chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x0, y0, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, (x0+x1)/2, (y0+y1)/2, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x1, y1, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, x1, y1, chromedp.ButtonLeft, chromedp.ClickCount(1)),
	)
}

// Click clicks on the first element that a selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// Press focuses the first element that a selector finds and presses keys.
func (p *Page) Press(selector string, keys ...string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS(selector)))
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// Type presses keys, for the element that has the focus.
func (p *Page) Type(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do(chromedp.Reload())
}

// Throttle bounds what the browser receives, in bytes per second. 0 removes the bound.
func (p *Page) Throttle(bytes float64) {
	p.t.Helper()
	conditions := []*network.Conditions{}
	if bytes > 0 {
		conditions = append(conditions, &network.Conditions{DownloadThroughput: bytes, UploadThroughput: -1})
	}
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions})
}

// Scheme sets the reader's preferred colour scheme, "light" or "dark".
func (p *Page) Scheme(name string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// Print shows the page in the style of print.
func (p *Page) Print() {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
}

// Width emulates the screen of a telephone with that many pixels across.
func (p *Page) Width(pixels int64) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: pixels, Height: 2 * pixels, DeviceScaleFactor: 2, Mobile: true,
	})
}

// Screenshot takes a picture of the whole page.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(png) < 20_000 {
		p.t.Errorf("%s: a picture of %d bytes", name, len(png))
	}
	if err := os.WriteFile(filepath.Join(p.shots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
