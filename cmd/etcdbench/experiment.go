package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
)

// experimentFlags are the flags that the commands of all experiments share.
type experimentFlags struct {
	specFlags
	outputFlags
	resume string
}

// register registers all flags; own are those of the experiment, under their title. Refused
// flags are hidden from help.
func (e *experimentFlags) register(
	all *pflag.FlagSet, title, kind, formats string, own func(*pflag.FlagSet), refused ...string,
) *flagGroups {
	groups := &flagGroups{all: all}
	groups.add(title, func(fs *pflag.FlagSet) {
		own(fs)
		e.outputFlags.add(fs, kind+"-ID", formats)
		fs.StringVar(&e.resume, "resume", "", "continue the experiment in this `directory`")
	})
	e.specFlags.add(groups)
	groups.hide(refused...)
	return groups
}

// resumedFlags are allowed with --resume: they do not change the experiment, or confirm values
// that are not saved.
var resumedFlags = [...]string{
	"resume", "format", "progress", "metrics-listen", "web", "dry-run", "etcd-binary", "member-env",
	"coordinator-listen", "coordination-endpoints", "join-file", "join-timeout",
}

// question returns the request of the experiment, from the flags or from the document of the
// resumed one. confirmed are further flags that are allowed with --resume.
func question[C any](
	e *experimentFlags, fs *pflag.FlagSet, kind, scenario string, config C, confirmed ...string,
) (experiment.Document[C], error) {
	given, err := e.specification(fs, scenario)
	if err == nil && e.resume == "" {
		err = e.agents.check(fs, given)
	}
	asked := experiment.Document[C]{Kind: kind, Spec: given, Options: config}
	if err != nil || e.resume == "" {
		return asked, err
	}
	fs.Visit(func(f *pflag.Flag) {
		if err == nil && !slices.Contains(resumedFlags[:], f.Name) && !slices.Contains(confirmed, f.Name) {
			err = fmt.Errorf("--resume uses the saved settings: remove --%s", f.Name)
		}
	})
	if err != nil {
		return asked, err
	}
	if asked, err = experiment.Load[C](e.resume, kind); err != nil {
		return asked, fmt.Errorf("--resume: %w", err)
	}
	e.out = e.resume
	return asked, experiment.Authorize(&asked.Spec, given, "")
}

// answerable returns the request of the experiment, from the flags or from the resumed one,
// and the checked experiment.
func answerable[C, E any](
	e *experimentFlags, fs *pflag.FlagSet, args []string, kind string, config C, check func(runner.Spec, C) (E, error),
) (asked experiment.Document[C], checked E, err error) {
	scenario, err := e.scenario(args)
	if err != nil {
		return asked, checked, err
	}
	if asked, err = question(e, fs, kind, scenario, config); err != nil {
		return asked, checked, err
	}
	checked, err = check(asked.Spec, asked.Options)
	return asked, checked, err
}

// scenario returns the experiment's argument, which is not allowed with --resume.
func (e *experimentFlags) scenario(args []string) (string, error) {
	if _, err := e.style(os.Stderr); err != nil {
		return "", err
	}
	if e.resume != "" && len(args) > 0 {
		return "", errors.New("--resume uses the saved settings: remove the scenario")
	}
	return argument(args, runner.DefaultScenario), nil
}

// plannedExperiment is a checked experiment that has not begun.
type plannedExperiment interface {
	First() *runner.Resolved
	Plan() experiment.Plan
}

// conduct does what all experiments share: it prints the plan and stops, or saves the request
// and runs the experiment. measure returns the function that runs after the progress has
// ended.
func conduct[C any](
	cmd *cobra.Command, e *experimentFlags, asked experiment.Document[C], planned plannedExperiment,
	measure func(ctx context.Context, o experiment.Options, r *reporter) (finish func() error),
) (err error) {
	stderr := cmd.ErrOrStderr()
	if e.dryRun {
		return e.printPlan(cmd.OutOrStdout(), planned.First(), asked.Options, planned.Plan())
	}
	style, err := e.style(stderr)
	if err != nil {
		return usage(err)
	}
	password, err := readPassword(asked.Spec, cmd.InOrStdin(), stderr)
	if err != nil {
		return usage(err)
	}
	observers, stop, err := e.listen(stderr)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	web, err := e.serve(stderr)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, web.close(e.out, err)) }()
	if err := keep(e, asked); err != nil {
		return usage(err)
	}
	unlock, err := experiment.Lock(e.out)
	if err != nil {
		return usage(err)
	}
	defer unlock()
	gathered, err := e.agents.gather(cmd.Context(), asked.Spec, password, stderr)
	if err != nil {
		return err
	}
	defer gathered.stop()
	r := newReporter(stderr, style)
	finish := measure(cmd.Context(), experiment.Options{Dir: e.out, Password: password, Observers: observers, Fleet: gathered.fleet,
		Run: web.watch(e.out, runner.Run)}, r)
	r.close()
	err = finish()
	if page := web.saved(e.out); page != "" {
		fmt.Fprintln(stderr, "page:", page)
	}
	return err
}

// keep makes the experiment's directory with the document of its request.
func keep[C any](e *experimentFlags, asked experiment.Document[C]) error {
	e.out = e.directory(asked.Kind + "-" + bench.NewID(time.Now()))
	if e.resume != "" {
		return nil
	}
	if err := experiment.Save(e.out, asked); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// interrupted adds the exit code to an error that an interrupt caused.
func interrupted(err error) error {
	if errors.Is(err, bench.ErrInterrupted) {
		return exitError{exitInterrupted, err}
	}
	return err
}

// effortFlags select the effort of an experiment.
type effortFlags struct{ quick, thorough bool }

func (e *effortFlags) add(fs *pflag.FlagSet, quick, thorough string) {
	fs.BoolVar(&e.quick, "quick", false, quick)
	fs.BoolVar(&e.thorough, "thorough", false, thorough)
}

// effort returns the effort that the flags select.
func (e *effortFlags) effort() (experiment.Effort, error) {
	switch {
	case e.quick && e.thorough:
		return "", errors.New("--quick and --thorough cannot be combined")
	case e.quick:
		return experiment.Quick, nil
	case e.thorough:
		return experiment.Thorough, nil
	}
	return experiment.Standard, nil
}
