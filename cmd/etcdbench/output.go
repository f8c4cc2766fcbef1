package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
)

// resultsDir is the default directory for results. It is not "results", which is a package in
// the checkout of this project.
const resultsDir = "etcdbench-results"

// outputFlags select what a command that measures prints and saves.
type outputFlags struct {
	out      string
	format   string
	progress string
	listenAt string
	webAt    string
	dryRun   bool
	agents   agentFlags
}

// progressAuto selects the style by the type of standard error.
const progressAuto = "auto"

// add registers the flags. directory names the default one, formats are those of the
// command's report.
func (o *outputFlags) add(fs *pflag.FlagSet, directory, formats string) {
	o.addReport(fs, directory, formats)
	o.agents.add(fs)
}

// addReport registers the flags of a command that has no agents.
func (o *outputFlags) addReport(fs *pflag.FlagSet, directory, formats string) {
	fs.StringVar(&o.out, "out", "", "`directory` of the result (default: "+filepath.Join(resultsDir, directory)+")")
	fs.StringVar(&o.format, "format", "text", "report format on standard output: "+formats)
	fs.StringVar(&o.progress, "progress", progressAuto,
		"progress on standard error: auto, bar, plain, json or none; auto is bar on a terminal, plain elsewhere")
	fs.StringVar(&o.listenAt, "metrics-listen", "", "`address` that serves Prometheus metrics during the run, such as :9090")
	fs.StringVar(&o.webAt, "web", "",
		"`address` that serves the report to browsers during the run: 127.0.0.1:0 takes a free port")
	fs.BoolVar(&o.dryRun, "dry-run", false,
		"print the resolved plan, the runs and their estimated time, and start nothing (--format json: specifications)")
}

// directory returns the directory of the result: the given one, or a new one for the name.
func (o *outputFlags) directory(name string) string {
	if o.out != "" {
		return o.out
	}
	return filepath.Join(resultsDir, name)
}

// style returns the style of the progress on stderr.
func (o *outputFlags) style(stderr io.Writer) (bench.ProgressStyle, error) {
	switch s := bench.ProgressStyle(o.progress); s {
	case bench.ProgressBar, bench.ProgressPlain, bench.ProgressJSON, bench.ProgressNone:
		return s, nil
	case progressAuto:
		if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
			return bench.ProgressBar, nil
		}
		return bench.ProgressPlain, nil
	}
	return "", fmt.Errorf("--progress must be auto, bar, plain, json or none, not %q", o.progress)
}

// width returns the width of the terminal, 0 without one.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		columns, _, _ := term.GetSize(int(f.Fd()))
		return columns
	}
	return 0
}

// screen describes standard output for reports: a terminal has a width, and colours unless
// NO_COLOR is set.
func screen(stdout io.Writer) io.Writer {
	f, ok := stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return stdout
	}
	color := os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return report.Screen{Writer: stdout, Columns: width(stdout), Color: color}
}

// planDocument is the output of --dry-run --format json.
type planDocument struct {
	Schema string      `json:"schema"`
	Spec   runner.Spec `json:"spec"`
	// Options are the options of the experiment.
	Options any                  `json:"options,omitempty"`
	Plan    bench.Plan           `json:"resolved"`
	Runs    []experiment.Planned `json:"runs"`
	// Estimated is the estimated duration of all runs.
	Estimated time.Duration `json:"estimated_ns"`
	// Longest is the longest duration of a single run if the cluster stops answering, without the
	// population; 0 for experiments.
	Longest time.Duration `json:"longest_ns,omitempty"`
}

// longest is [planDocument.Longest].
func longest(r *runner.Resolved, plan experiment.Plan) time.Duration {
	if len(plan.Runs) != 1 || plan.Runs[0].Count != 1 {
		return 0
	}
	return r.Limit()
}

// listen starts to serve metrics to Prometheus, if requested. It returns the observer and a
// function that stops it.
func (o *outputFlags) listen(stderr io.Writer) (observers []bench.Observer, stop func() error, err error) {
	if o.listenAt == "" {
		return nil, func() error { return nil }, nil
	}
	l, err := net.Listen("tcp", o.listenAt)
	if err != nil {
		return nil, nil, fmt.Errorf("--metrics-listen: %w", err)
	}
	exporter, err := live.New()
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	fmt.Fprintf(stderr, "metrics: http://%s/metrics\n", l.Addr())
	done := make(chan error, 1)
	go func() { done <- exporter.Serve(l) }()
	return []bench.Observer{exporter}, func() error {
		_ = l.Close()
		return <-done
	}, nil
}

// printPlan prints the planned runs, with the options of the experiment if there is one.
func (o *outputFlags) printPlan(w io.Writer, r *runner.Resolved, options any, plan experiment.Plan) error {
	if o.format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(planDocument{
			Schema: "etcdbench.plan/v1", Spec: r.Spec, Options: options, Plan: r.Plan, Runs: plan.Runs, Estimated: plan.Length(),
			Longest: longest(r, plan),
		})
	}
	text, err := r.Text()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "# runs:\n"); err != nil {
		return err
	}
	for _, run := range plan.Runs {
		if _, err := fmt.Fprintf(w, "#   %s: %d of about %v\n", run.Name, run.Count, run.Length.Round(100*time.Millisecond)); err != nil {
			return err
		}
	}
	if most := longest(r, plan); most > 0 {
		if _, err := fmt.Fprintf(w, "# longest time: %v\n", most.Round(time.Second)); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "# estimated time: %v\n%s", plan.Length().Round(time.Second), text)
	return err
}
