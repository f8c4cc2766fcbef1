package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// runOptions are the options of one run.
type runOptions struct {
	specFlags
	outputFlags
	gate bool

	resolved *runner.Resolved
	writer   report.Format
}

func newRunCommand() *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "generate load against a cluster and report the results",
		Long: `Generates load against an etcd cluster and reports the results. Without --endpoints,
it starts a cluster of member processes on this machine and removes it afterwards.
The load is a workload (default: put), a built-in scenario, or a scenario file;
"etcdbench workloads" lists them. Flags override the scenario.`,
		Example: `  etcdbench run
  etcdbench run put --rate 10000 --duration 1m
  etcdbench run range --span 100 --limit 100 --members 1
  etcdbench run kubernetes --param nodes=500 --dry-run
  etcdbench run published --quick
  etcdbench run --disturb defragmentation@10s,member=leader
  etcdbench run --endpoints 10.0.0.1:2379,10.0.0.2:2379 --target-leader`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.validate(cmd.Flags(), args); err != nil {
				return usage(err)
			}
			if o.dryRun {
				run := experiment.Planned{Name: "run", Count: 1, Spec: o.resolved.Spec, Length: o.resolved.Estimate()}
				return o.printPlan(cmd.OutOrStdout(), o.resolved, nil, experiment.Plan{Runs: []experiment.Planned{run}})
			}
			password, err := readPassword(o.resolved.Spec, cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return usage(err)
			}
			return o.run(cmd.Context(), password, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	cmd.AddCommand(newPublishedCommand())
	return cmd
}

// addFlags registers every flag and returns them in the groups that help shows.
func (o *runOptions) addFlags(fs *pflag.FlagSet) *flagGroups {
	groups := &flagGroups{all: fs}
	o.specFlags.add(groups)
	groups.add("Result", func(fs *pflag.FlagSet) {
		o.outputFlags.add(fs, "RUN-ID", report.Names())
		fs.BoolVar(&o.gate, "gate", false, "judge the run by the thresholds of its scenario: exit 3 when one is not met, 4 when inconclusive")
		fs.StringArrayVar(&o.spec.Thresholds, "threshold", nil,
			"judge the run by this `bound`, such as 'p99 < 20ms' or 'put.error_rate < 1%'; may be repeated")
	})
	return groups
}

// argument returns the only argument of the command, or its default.
func argument(args []string, otherwise string) string {
	if len(args) > 0 {
		return args[0]
	}
	return otherwise
}

// validate turns scenario and flags into a resolved specification. It starts nothing.
func (o *runOptions) validate(fs *pflag.FlagSet, args []string) error {
	spec, err := o.specification(fs, argument(args, runner.DefaultScenario))
	if err != nil {
		return err
	}
	if err := o.agents.check(fs, spec); err != nil {
		return err
	}
	return o.resolve(spec)
}

// resolve resolves the specification and checks the output and the thresholds.
func (o *runOptions) resolve(spec runner.Spec) (err error) {
	if o.resolved, err = spec.Resolve(""); err != nil {
		return err
	}
	if o.writer, err = report.Find(o.format); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	if _, err := o.style(os.Stderr); err != nil {
		return err
	}
	o.gate = o.gate || len(spec.Thresholds) > 0
	switch {
	case o.gate && spec.Profile.Wanted():
		return errors.New("--gate and --threshold cannot be combined with profiles, whose cost changes the results: judge a run without profiles")
	case o.gate && len(o.resolved.Plan.Thresholds) == 0:
		return fmt.Errorf("--gate: %s has no thresholds: give one with --threshold", o.resolved.Scenario.Name)
	}
	return nil
}

// readPassword returns the password of the specification's user, "" without a user: from the
// environment, or from a prompt on a terminal.
func readPassword(spec runner.Spec, stdin io.Reader, stderr io.Writer) (string, error) {
	user := spec.Cluster.Remote.User
	if user == "" {
		return "", nil
	}
	if password := os.Getenv(runner.PasswordVariable); password != "" {
		return password, nil
	}
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", fmt.Errorf("--user needs a password: set %s", runner.PasswordVariable)
	}
	fmt.Fprintf(stderr, "password for %s: ", user)
	data, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(stderr)
	if err != nil || len(data) == 0 {
		return "", fmt.Errorf("no password given: enter it at the prompt or set %s", runner.PasswordVariable)
	}
	return string(data), nil
}

// run executes the run, saves its page and prints its report.
func (o *runOptions) run(ctx context.Context, password string, stdout, stderr io.Writer) (err error) {
	style, err := o.style(stderr)
	if err != nil {
		return usage(err)
	}
	observers, stop, err := o.listen(stderr)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	path := o.directory(o.resolved.ID)
	web, err := o.serve(stderr)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, web.close(path, err)) }()
	observers = append(observers, bench.NewProgress(stderr, style, width(stderr)))
	gathered, err := o.agents.gather(ctx, o.resolved.Spec, password, stderr)
	if err != nil {
		return err
	}
	defer gathered.stop()
	run, err := web.watch(filepath.Dir(path), runner.Run)(ctx, o.resolved.Spec, runner.Options{
		ID: o.resolved.ID, Dir: path, Password: password, Observers: observers, Fleet: gathered.fleet,
		Notice: func(text string) {
			if style != bench.ProgressNone && style != bench.ProgressJSON {
				fmt.Fprintln(stderr, text)
			}
		},
	})
	if run == nil {
		if o.out == "" {
			_ = os.Remove(resultsDir) // fails if the directory is not empty, as intended
		}
		return err
	}
	if pageErr := writePage(document(run, path)); pageErr != nil {
		run.Warn("no-page", pageErr.Error())
	} else if style != bench.ProgressNone {
		fmt.Fprintln(stderr, "page:", filepath.Join(path, results.PageFile))
	}
	printErr := o.writer.Write(stdout, []report.Document{document(run, path)})
	if err := errors.Join(err, printErr); err != nil {
		return err
	}
	if err := runVerdict(run, o.spec.Load.Target != nil); err != nil || !o.gate {
		return err
	}
	return judgeRun(run, path, stderr)
}

// runVerdict turns a result into an exit code. wantTarget means that missing the target is a
// failure.
func runVerdict(run *results.Run, wantTarget bool) error {
	completed, example := completedOf(run)
	switch {
	case run.Outcome == results.Interrupted:
		return exitError{exitInterrupted, errors.New("interrupted: the result contains the measurements so far")}
	case run.Proof != nil && run.Proof.Verdict == results.Violated:
		return exitError{exitFail, fmt.Errorf(
			"proof violated: the cluster does not hold every acknowledged write (%s, see proof above)",
			words.Plural(run.Proof.Found, "violation", "violations"))}
	case completed == 0:
		return fmt.Errorf("no operation succeeded in the measured phases%s", example)
	case run.Validity.Verdict == results.Invalid:
		return exitError{exitInvalid, errors.New("the measurement is invalid: the generator, not etcd, was the limit (see validity above)")}
	case wantTarget && run.Target.Verdict == results.TargetMissed:
		return exitError{exitFail, fmt.Errorf("target missed: %.0f of %.0f writes/s", run.Target.Achieved, run.Target.Writes)}
	case wantTarget && run.Target.Verdict == results.TargetUndecided:
		return exitError{exitInconclusive, fmt.Errorf("target undecided: %s", run.Target.Reason)}
	}
	return nil
}

// completedOf returns the number of completed operations in the measured phases: of the
// requested ones or, if there are none, of all. The error is an example of the failures, if
// any.
func completedOf(run *results.Run) (completed uint64, example string) {
	var asked, arrived, offered uint64
	for _, o := range run.Operations {
		if !run.Measures(o.Phase) {
			continue
		}
		if len(o.Errors) > 0 {
			example = ": " + o.Errors[0].Example
		}
		if o.Arrived {
			arrived += o.Completed
			continue
		}
		asked, offered = asked+o.Completed, offered+o.Offered
	}
	if offered == 0 {
		return arrived, example
	}
	return asked, example
}

// judgeRun compares the run with its thresholds and saves the verdict in its directory.
func judgeRun(run *results.Run, path string, stderr io.Writer) error {
	v, err := judge.RunVerdict(run, nil, document(run, path).Intervals)
	if err != nil {
		return usage(err)
	}
	data, err := results.Encode(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(path, results.VerdictFile), data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("save verdict: %w", err)
	}
	text, err := report.Verdicts().Find("text")
	if err != nil {
		return err
	}
	return errors.Join(text.Write(stderr, v), verdictError(v, text.Name))
}
