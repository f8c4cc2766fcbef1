package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// heldRun saves and shows a run that is under way until it is released.
func heldRun(release <-chan struct{}) experiment.Runner {
	return func(_ context.Context, _ runner.Spec, o runner.Options) (*results.Run, error) {
		run := &results.Run{
			Schema: results.Schema, ID: filepath.Base(o.Dir), Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
			Plan:       results.Plan{Workload: "put", Phases: []results.PlanPhase{{Name: "measure", Duration: time.Second}}},
			Phases:     []results.Phase{{Name: "measure", Length: time.Second}},
			Operations: []results.Operation{{Phase: "measure", Op: "put", Write: true}},
		}
		dir, err := results.Create(o.Dir)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		if err := dir.WriteStart(run); err != nil {
			return nil, err
		}
		for _, ob := range o.Observers {
			if err := ob.Start(run); err != nil {
				return nil, err
			}
		}
		<-release
		return run, dir.WriteRun(run)
	}
}

// In a browser, the live page of an experiment shows its runs while they are under way, one
// after the other, and at the end the page of the experiment.
func TestLivePagesOfExperimentsInABrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Visit(t, "about:blank")
	for _, e := range []struct {
		run, file, heading string
		document           any
		page               func(w io.Writer) error
	}{
		{
			"probe", results.CapacityFile, "Capacity", reporttest.CapacitySearch(t),
			func(w io.Writer) error {
				return writeExperimentPage(report.Capacities(), w, reporttest.CapacitySearch(t))
			},
		},
		{
			"try", results.TuningFile, "Tuning: recommended", reporttest.PairTuning(t),
			func(w io.Writer) error { return writeExperimentPage(report.Tunings(), w, reporttest.PairTuning(t)) },
		},
		{
			"put-round", results.VerdictFile, "Release check", reporttest.GateVerdicts()["qualify"],
			func(w io.Writer) error { return report.WriteVerdictPage(w, reporttest.GateVerdicts()["qualify"]) },
		},
	} {
		var stderr lockedBuffer
		o := outputFlags{webAt: "127.0.0.1:0"}
		w, err := o.serve(&stderr)
		if err != nil {
			t.Fatal(err)
		}
		base, release, ended := t.TempDir(), make(chan struct{}), make(chan error, 1)
		measure := w.watch(base, heldRun(release))
		go func() {
			var err error
			for n := 1; n <= 2 && err == nil; n++ {
				_, err = measure(t.Context(), runner.Spec{}, runner.Options{Dir: filepath.Join(base, fmt.Sprintf("%s-%03d", e.run, n))})
			}
			ended <- err
		}()
		b.Navigate(livePage.FindStringSubmatch(stderr.String())[1])
		for n := 1; n <= 2; n++ {
			name := fmt.Sprintf("%s-%03d", e.run, n)
			eventually(t, name+" under way", func() bool {
				return strings.Contains(liveHeader(b), name) && strings.Contains(liveReport(b), "the run is under way") &&
					strings.Contains(liveReport(b), name)
			})
			release <- struct{}{}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := experiment.SaveResult(base, e.file, e.document, e.page); err != nil {
			t.Fatal(err)
		}
		// The server goes on until the browser has the final page, however long that takes.
		w.page.End(w.saved(base), "completed")
		eventually(t, "the page of the experiment", func() bool {
			return browsertest.Eval[string](b, `document.body.dataset.ended ?? ''`) == "true" && strings.Contains(liveReport(b), e.heading)
		})
		if n := finalCount(b, "svg.chart, table"); n == 0 {
			t.Errorf("%s: the final page has neither chart nor table", e.heading)
		}
		if n := finalCount(b, `a[href]:not([href^="#"])`); n > 0 {
			t.Errorf("%s: %d links of the final page lead to files that the server does not serve", e.heading, n)
		}
		_ = w.listener.Close()
		if err := <-w.served; err != nil {
			t.Error(err)
		}
	}
	for _, c := range b.Complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// finalCount counts the elements of the shown report that a selector finds.
func finalCount(b *browsertest.Page, selector string) int {
	return browsertest.Eval[int](b, fmt.Sprintf(`document.querySelector('iframe.front').contentDocument.querySelectorAll(%q).length`, selector))
}

func writeExperimentPage[J report.Judgement](formats report.FormatsOf[J], w io.Writer, document J) error {
	f, err := formats.Find("html")
	if err != nil {
		return err
	}
	return f.Write(w, document)
}

// liveHeader is the text above the report, and liveReport that of the report, "" while there is
// none.
func liveHeader(b *browsertest.Page) string {
	return browsertest.Eval[string](b, `document.querySelector('header')?.textContent ?? ''`)
}

func liveReport(b *browsertest.Page) string {
	return browsertest.Eval[string](b, `document.querySelector('iframe.front')?.contentDocument?.body?.textContent ?? ''`)
}
