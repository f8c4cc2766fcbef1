package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// web shows runs in browsers during the run. nil shows nothing.
type web struct {
	page     *live.Page
	listener net.Listener
	served   chan error
	started  time.Time
}

// finalPageWait is the longest wait at the end of the program for browsers that load the final
// page.
const finalPageWait = 3 * time.Second

// serve starts to serve runs at the address of --web. It returns nil without an address.
func (o *outputFlags) serve(stderr io.Writer) (*web, error) {
	if o.webAt == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(o.webAt)
	if err != nil {
		return nil, fmt.Errorf("--web must be HOST:PORT, such as 127.0.0.1:0, not %q", o.webAt)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--web: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		fmt.Fprintf(stderr, "warning: --web %s is not a loopback address: everyone who reaches it can read the results\n", o.webAt)
	}
	fmt.Fprintf(stderr, "live page: http://%s/\n", l.Addr())
	w := &web{page: live.NewPage(writeUnderWay), listener: l, served: make(chan error, 1), started: time.Now()}
	go func() { w.served <- w.page.Serve(l, host) }()
	return w, nil
}

// watch returns a runner whose runs the page shows. Their names are their directories
// below base.
func (w *web) watch(base string, run experiment.Runner) experiment.Runner {
	if w == nil {
		return run
	}
	return func(ctx context.Context, spec runner.Spec, o runner.Options) (*results.Run, error) {
		name, err := filepath.Rel(base, o.Dir)
		if err != nil {
			name = o.Dir
		}
		observer := w.page.Observe(name, o.Dir)
		o.Observers = append(slices.Clip(o.Observers), observer)
		result, err := run(ctx, spec, o)
		outcome := results.Failed
		if result != nil {
			outcome = result.Outcome
		}
		observer.End(string(outcome))
		return result, err
	}
}

// close shows the saved page in dir, if there is one, and stops the server when the browsers
// have it. failure is the error of the command.
func (w *web) close(dir string, failure error) error {
	if w == nil {
		return nil
	}
	text := "completed"
	if failure != nil {
		text = oneLine(shown(message(failure)))
	}
	w.page.End(w.saved(dir), text)
	w.page.Wait(finalPageWait)
	_ = w.listener.Close()
	return <-w.served
}

// saved returns the page that was saved in dir since the server started, or "".
func (w *web) saved(dir string) string {
	if w == nil {
		return ""
	}
	path := filepath.Join(dir, results.PageFile)
	if info, err := os.Stat(path); err != nil || info.ModTime().Before(w.started) {
		return ""
	}
	return path
}

// writeUnderWay writes the page of the data in a run's directory so far.
func writeUnderWay(w io.Writer, dir string, underWay bool) error {
	f, err := report.Find("html")
	if err != nil {
		return err
	}
	run, err := results.Read(dir)
	if err != nil {
		return err
	}
	docs := []report.Document{document(run, dir)}
	if underWay && run.Outcome == results.Partial {
		docs[0] = partialDocument(run, dir)
	} else {
		readProfiles(docs, true)
	}
	return f.Write(w, docs)
}

// errEnough stops the reading of a journal.
var errEnough = errors.New("enough")

// partialDocument is a run that has not ended, with the intervals of its figures: the journal
// may be longer when it is read again.
func partialDocument(run *results.Run, dir string) report.Document {
	run.Reason = "the run is under way; operations in flight count as unfinished"
	run.Validity = results.Validity{Verdict: "not judged yet"}
	run.Target.Reason = "the run is under way"
	var end time.Duration
	for _, ph := range run.Phases {
		end = max(end, ph.Start+ph.Length)
	}
	d := document(run, dir)
	all := d.Intervals
	d.Intervals = func(each func(*results.Interval) error) error {
		err := all(func(i *results.Interval) error {
			if i.Start >= end {
				return errEnough
			}
			return each(i)
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	}
	return d
}
