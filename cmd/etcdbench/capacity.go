package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// capacityOptions are the options of a capacity search.
type capacityOptions struct {
	experimentFlags
	effortFlags
	config capacity.Config

	writer report.FormatOf[*results.Capacity]
}

func newCapacityCommand() *cobra.Command {
	o := &capacityOptions{}
	cmd := &cobra.Command{
		Use:   "capacity [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "find the highest load that a cluster sustains under an SLO",
		Long: `Searches for the highest rate at which a cluster meets the SLO. The search raises
the rate until it fails, bisects, confirms the maximum with a longer run, and probes
above it. The result is an interval: the cluster sustained its lower end and failed
at its upper end. Every probe is an open loop on a fresh cluster, or on the given
cluster with --endpoints. Exit codes: 0 found, 3 no load meets the SLO or the
--target was missed, 4 inconclusive, 5 the generator was the limit.`,
		Example: `  etcdbench capacity --slo 'put.response_time.p99 < 50ms'
  etcdbench capacity --quick --members 1 --sweep
  etcdbench capacity --demand 4000/s --growth 5%
  etcdbench capacity kubernetes --over nodes --param nodes=300
  etcdbench capacity txn-mixed --slo 'read.response_time.p99 < 20ms'
  etcdbench capacity --resume etcdbench-results/capacity-20261120-101500-a1b2c3`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *capacityOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	c := &o.config
	return o.register(all, "Search", capacity.Kind, report.Capacities().Names(), func(fs *pflag.FlagSet) {
		fs.StringArrayVar(&c.SLO, "slo", nil,
			"`bound` that the load must meet, such as 'p99 < 50ms'; may be repeated "+
				"(default: 'put.response_time.p99 < 50ms' for put, otherwise the thresholds of the scenario)")
		floatFlag(fs, &c.Start, "start", 0,
			"first rate; lower rates follow when it fails (default: 200; with --over a tenth of the parameter's value)")
		fs.StringVar(&c.Over, "over", "", "search over this `parameter` of the scenario instead of the rate, such as nodes")
		floatFlag(fs, &c.Precision, "precision", 0, "relative width at which the bisection ends (default: 0.05; with --quick 0.1)")
		durationFlag(fs, &c.Probe, "probe-duration", 0, "measured duration of a probe (default: 30s; with --quick 5s, with --thorough 1m)")
		durationFlag(fs, &c.Soak, "soak", 0, "duration of the run that confirms the maximum (default: 2m; with --quick 10s, with --thorough 10m)")
		boolFlag(fs, &c.Sweep, "sweep", true,
			"after the search, measure response times by load, from 10 to 110 % of the maximum (with --quick false)")
		intFlag(fs, &c.Repeat, "repeat", 1, "number of searches; two or more give a 95 % confidence interval (with --thorough 3)")
		rateFlag(fs, &c.Demand, "demand",
			"rate to plan for, such as 4000/s: reports the headroom, also with a member down (default with --over: the value in --param)")
		shareFlag(fs, &c.Safe, "safe", capacity.DefaultSafe, "share of the maximum that is safe to plan with")
		shareFlag(fs, &c.Growth, "growth", 0, "growth of the demand each month, such as 5%")
		o.effortFlags.add(fs,
			"short probes and a coarse search: a first estimate in about four minutes",
			"three searches with longer probes, and the sweep")
	}, "rate", "duration", "total")
}

// ask returns the request of the search, from the flags or from the resumed search.
func (o *capacityOptions) ask(
	fs *pflag.FlagSet, args []string,
) (asked experiment.Document[capacity.Config], e *capacity.Experiment, err error) {
	if o.writer, err = report.Capacities().Find(o.format); err != nil {
		return asked, nil, fmt.Errorf("--format: %w", err)
	}
	if o.config.Effort, err = o.effort(); err != nil {
		return asked, nil, err
	}
	return answerable(&o.experimentFlags, fs, args, capacity.Kind, o.config, capacity.New)
}

func (o *capacityOptions) run(cmd *cobra.Command, args []string) error {
	asked, e, err := o.ask(cmd.Flags(), args)
	if err != nil {
		return usage(err)
	}
	return conduct(cmd, &o.experimentFlags, asked, e, func(ctx context.Context, options experiment.Options, r *reporter) func() error {
		length := e.Plan().Length()
		r.announce(length, "capacity of %s under %s: probes of %v; estimated time: %v",
			e.First().Scenario.Name, strings.Join(e.SLO, ", "), e.Length(), length.Round(time.Minute))
		c, err := e.Run(ctx, options, func(p capacity.Progress) {
			if text := probeLine(p, e.Unit(), r.room()); text != "" {
				r.announce(max(0, p.Left-p.Length), "%s", text)
			}
		})
		return func() error { return o.finish(c, err, asked.Spec.Load.Target != nil, cmd.OutOrStdout()) }
	})
}

// probeLine returns the state before or after a probe; empty before a short one. It shortens
// the reason of a verdict to the given number of columns; 0 means no limit.
func probeLine(p capacity.Progress, unit string, columns int) string {
	line := fmt.Sprintf("probe %d, %s: %.0f%s", p.Number, p.Stage, p.Rate, unit)
	if p.Searches > 1 {
		line = fmt.Sprintf("search %d of %d, ", p.Search, p.Searches) + line
	}
	if p.Done == nil {
		if p.Length < experiment.Announced {
			return ""
		}
		return line + fmt.Sprintf(" for %v", p.Length)
	}
	line += " " + p.Done.Verdict
	end := fmt.Sprintf("; at least %v left", max(0, p.Left-p.Length).Round(time.Second))
	if p.Resumed {
		end = ", was resumed" + end
	}
	reason := []rune(p.Done.Reason)
	if room := columns - len([]rune(line+end)) - len(" ()"); columns > 0 && len(reason) > room {
		reason = append(reason[:max(0, room-1)], '…')
	}
	if len(reason) > 1 {
		line += " (" + string(reason) + ")"
	}
	return line + end
}

// finish saves and prints the result, and returns the error for the exit code.
func (o *capacityOptions) finish(c *results.Capacity, searchErr error, wantTarget bool, stdout io.Writer) error {
	page, err := report.Capacities().Find("html")
	if err != nil {
		return err
	}
	// Also after an error, with the probes so far.
	err = experiment.SaveResult(o.out, results.CapacityFile, c, func(w io.Writer) error { return page.Write(w, c) })
	if searchErr != nil && !errors.Is(searchErr, capacity.ErrNothingSustained) && !errors.Is(searchErr, capacity.ErrUnclear) {
		return interrupted(searchErr)
	}
	if err != nil {
		return err
	}
	if err := o.writer.Write(stdout, c); err != nil {
		return err
	}
	return capacityExit(c, searchErr, wantTarget)
}

// capacityExit returns the error for the exit code of a search that has ended.
func capacityExit(c *results.Capacity, searchErr error, wantTarget bool) error {
	switch {
	case errors.Is(searchErr, capacity.ErrUnclear):
		return exitError{exitInconclusive, fmt.Errorf("%w; use a higher --start or a longer --probe-duration", searchErr)}
	case searchErr != nil:
		return exitError{exitFail, searchErr}
	case c.Stopped != "" && (c.Low == 0 || c.High == 0 && c.Most == 0):
		return exitError{exitInvalid, errors.New(c.Stopped)}
	case wantTarget && c.Target.Verdict == results.TargetMissed:
		return exitError{exitFail, fmt.Errorf("target missed: failed at %.0f/s, below the target of %.0f writes/s", c.High, c.Target.Writes)}
	case wantTarget && c.Target.Verdict == results.TargetUndecided:
		return exitError{exitInconclusive, fmt.Errorf("target undecided: %s", c.Target.Reason)}
	}
	return nil
}
