package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// capacityOptions are those of a capacity search.
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
		Short: "find the highest load that a cluster carries under an SLO",
		Long: `Searches for the highest rate at which a cluster keeps to the SLO: upwards from the
first rate until it does not, or downwards until it does, by bisection, with a longer
run at the maximum, and a look beyond. The answer is an interval: its lower end was
carried, its upper end was not. Every probe has a fresh cluster (or, with --endpoints, the one that is there)
and an open loop. Exit codes: 0 found, 3 no load meets the SLO or the --target is
missed, 4 undecided, 5 the generator was the limit.`,
		Example: `  etcdbench capacity --slo 'put.response_time.p99 < 50ms'
  etcdbench capacity --quick --members 1 --sweep
  etcdbench capacity --demand 4000/s --growth 5%
  etcdbench capacity kubernetes --over nodes --param nodes=300
  etcdbench capacity txn-mixed --slo 'txn-mixed/read.response_time.p99 < 20ms'
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
			"`bound` that the load must keep, such as 'put.response_time.p99 < 50ms'; may be repeated "+
				"(default: that for a put, or the scenario's thresholds)")
		floatFlag(fs, &c.Start, "start", 0,
			"first rate; where it is too much, lower ones follow (default: 200; with --over a tenth of the parameter's value)")
		fs.StringVar(&c.Over, "over", "", "search over this `parameter` of the scenario instead of the rate, such as nodes")
		floatFlag(fs, &c.Precision, "precision", 0, "how near the ends of the bisection must come, as a share (default: 0.05; with --quick 0.1)")
		durationFlag(fs, &c.Probe, "probe-duration", 0, "length of a probe's measured part (default: 30s; with --quick 5s, with --thorough 1m)")
		durationFlag(fs, &c.Soak, "soak", 0, "length of the run that confirms the maximum (default: 2m; with --quick 10s, with --thorough 10m)")
		boolFlag(fs, &c.Sweep, "sweep", true,
			"measure the curve of latency against load afterwards, from 10 to 110 % of the maximum (with --quick only when given)")
		intFlag(fs, &c.Repeat, "repeat", 1, "searches, of whose answers a 95 % confidence interval is made (with --thorough 3)")
		rateFlag(fs, &c.Demand, "demand",
			"plan for this rate, such as 4000/s: headroom, also with a member down (with --over: its value in --param)")
		shareFlag(fs, &c.Safe, "safe", capacity.DefaultSafe, "share of the maximum that is safe to plan with")
		shareFlag(fs, &c.Growth, "growth", 0, "growth of the demand each month, such as 5%")
		o.effortFlags.add(fs,
			"short probes and a coarse search: a first idea, in three minutes or so",
			"longer probes, a finer search, three times, and the sweep")
	})
}

// ask is what the search is asked, by the flags or by the one that is resumed.
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
		r.say(length, "capacity of %s under %v: about %v, in probes of %v",
			e.First().Scenario.Name, e.SLO, length.Round(time.Minute), e.Length())
		c, err := e.Run(ctx, options, func(p capacity.Progress) {
			if text := probeLine(p, e.Unit()); text != "" {
				r.say(max(0, p.Left-p.Length), "%s", text)
			}
		})
		return func() error { return o.finish(c, err, asked.Spec.Load.Target != nil, cmd.OutOrStdout()) }
	})
}

// probeLine is how things stand before or after a probe; nothing before a short one.
func probeLine(p capacity.Progress, unit string) string {
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
	if p.Done.Reason != "" {
		line += " (" + p.Done.Reason + ")"
	}
	if p.Resumed {
		line += ", was there already"
	}
	return line + fmt.Sprintf("; %v or more to go", max(0, p.Left-p.Length).Round(time.Second))
}

// finish saves and prints what was found, and makes the exit code.
func (o *capacityOptions) finish(c *results.Capacity, searchErr error, wantTarget bool, stdout io.Writer) error {
	page, err := report.Capacities().Find("html")
	if err != nil {
		return err
	}
	// Also what an error left: the probes until then were made.
	err = experiment.SaveResult(o.out, results.CapacityFile, c, func(w io.Writer) error { return page.Write(w, c) })
	hopeless, unclear := errors.Is(searchErr, capacity.ErrHopeless), errors.Is(searchErr, capacity.ErrUnclear)
	if searchErr != nil && !hopeless && !unclear {
		return interrupted(searchErr)
	}
	if err != nil {
		return err
	}
	if err := o.writer.Write(stdout, c); err != nil {
		return err
	}
	switch {
	case unclear:
		return exitError{exitInconclusive, fmt.Errorf("%w; take a higher --start or a longer --probe-duration", searchErr)}
	case hopeless:
		return exitError{exitFail, searchErr}
	case c.Stopped != "" && c.High == 0 && c.Most == 0:
		return exitError{exitInvalid, errors.New(c.Stopped)}
	case wantTarget && c.Target.Verdict == results.TargetMissed:
		return exitError{exitFail, fmt.Errorf("target missed: %.0f/s at most of %.0f writes/s", c.High, c.Target.Writes)}
	case wantTarget && c.Target.Verdict == results.TargetUndecided:
		return exitError{exitInconclusive, fmt.Errorf("target undecided: %s", c.Target.Reason)}
	}
	return nil
}
