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

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/tune"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// tuneOptions are the options of a tuning.
type tuneOptions struct {
	experimentFlags
	effortFlags
	config tune.Config

	writer report.FormatOf[*results.Tuning]
}

func newTuneCommand() *cobra.Command {
	o := &tuneOptions{}
	cmd := &cobra.Command{
		Use:   "tune [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "find the heartbeat interval and election timeout that suit a network",
		Long: `Tries pairs of heartbeat interval and election timeout on clusters that it starts,
with a simulated network (--rtt, --jitter, --zones). Each pair is measured under load,
first undisturbed, then while the leader is killed, paused, partitioned and moved, and
a follower is killed. The recommended pair is stable and has the fastest failover; it
is measured again in alternation with the defaults. With --endpoints, tune injects no
faults and changes nothing: it measures round trips and fsync, and applies etcd's
rules. With --dimension, it tries another setting. Exit codes: 0 recommended,
4 nothing to recommend, or the recommendation was not confirmed.`,
		Example: `  etcdbench tune --quick --rtt 50ms
  etcdbench tune --zones a,b,c --zone-rtt a-b=20ms --zone-rtt a-c=80ms --zone-rtt b-c=70ms
  etcdbench tune --heartbeat 50ms,100ms --election 500ms,1s,2s --rtt 40ms --jitter 5ms
  etcdbench tune --dimension snapshot-count --try 1000,10000,100000
  etcdbench tune --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379
  etcdbench tune --resume etcdbench-results/tune-20261120-101500-a1b2c3`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *tuneOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	var names []string
	for _, d := range tune.Dimensions() {
		names = append(names, d.Name)
	}
	c := &o.config
	return o.register(all, "Tuning", tune.Kind, report.Tunings().Names(), func(fs *pflag.FlagSet) {
		fs.DurationSliceVar(&c.Heartbeats, "heartbeat", nil, "heartbeat `intervals` to try (default: 0.5 to 1.5 round trips, and etcd's)")
		fs.DurationSliceVar(&c.Elections, "election", nil, "election `timeouts` to try (default: 5 to 20 round trips, and etcd's)")
		fs.Lookup("heartbeat").DefValue, fs.Lookup("election").DefValue = "", "" // otherwise, help adds "(default [])"
		fs.StringVar(&c.Dimension, "dimension", "", "tune another setting instead: "+strings.Join(names, ", "))
		fs.StringSliceVar(&c.Values, "try", nil, "`values` of the --dimension to try (default: three, including etcd's)")
		durationFlag(fs, &c.Steady, "steady", 0, "duration of the undisturbed part (default: 30s; with --quick 6s, with --thorough 2m)")
		roundsFlag(fs, &c.Rounds, "(default: 6; with --quick 2, with --thorough 12; 0 for none)")
		o.effortFlags.add(fs,
			"two pairs besides the defaults and one fault of each kind: a first estimate in under three minutes",
			"a finer grid and longer runs, three times each")
	}, "duration", "total", "warmup", "heartbeat-interval", "election-timeout")
}

// ask returns the request of the tuning, from the flags or from the resumed one.
func (o *tuneOptions) ask(fs *pflag.FlagSet, args []string) (asked experiment.Document[tune.Config], e *tune.Experiment, err error) {
	if o.writer, err = report.Tunings().Find(o.format); err != nil {
		return asked, nil, fmt.Errorf("--format: %w", err)
	}
	if o.config.Effort, err = o.effort(); err != nil {
		return asked, nil, err
	}
	return answerable(&o.experimentFlags, fs, args, tune.Kind, o.config, tune.New)
}

func (o *tuneOptions) run(cmd *cobra.Command, args []string) error {
	asked, e, err := o.ask(cmd.Flags(), args)
	if err != nil {
		return usage(err)
	}
	return conduct(cmd, &o.experimentFlags, asked, e, func(ctx context.Context, options experiment.Options, r *reporter) func() error {
		tries, rounds := e.Tries()
		runs := words.Plural(tries, "run", "runs")
		if rounds > 0 {
			runs = fmt.Sprintf("%s and %d rounds of two", runs, rounds)
		}
		length := e.Left(0)
		r.announce(length, "tuning %s with %s at %.0f/s: %s; estimated time: %v",
			e.Subject(), e.First().Scenario.Name, e.Rate(), runs, length.Round(time.Second))
		t, err := e.Run(ctx, options, func(p tune.Progress) {
			if text := trialLine(p, e); text != "" {
				r.announce(e.Left(p.Made), "%s", text)
			}
		})
		return func() error { return o.finish(t, err, cmd.OutOrStdout()) }
	})
}

// trialLine returns the state before or after a run; empty before a short one.
func trialLine(p tune.Progress, e *tune.Experiment) string {
	number := p.Made
	if p.Done == nil && p.Finding == "" { // it begins
		number++
	}
	what := fmt.Sprintf("run %d of %d, %s", number, p.Planned, p.Name)
	if p.Compare {
		what = fmt.Sprintf("round %d, %s", p.Number, p.Name)
	}
	switch {
	case p.Finding != "":
		return what + ": " + p.Finding
	case p.Done == nil:
		if length := e.TrialLength(p.Trial); length >= experiment.Announced {
			return fmt.Sprintf("%s: about %v", what, length.Round(time.Second))
		}
		return ""
	}
	line := what + ": p99 not resolved"
	if p99, ok := p.Done.Figures()["p99"]; ok {
		line = fmt.Sprintf("%s: p99 %v", what, time.Duration(p99).Round(time.Millisecond))
	}
	if r := p.Done.Resilience; r != nil {
		line += fmt.Sprintf(", %.0f elections in %v", r.Elections, r.Steady.Round(time.Second))
		for _, u := range r.Outages {
			length := u.Length.Round(time.Millisecond).String()
			if u.Length == 0 {
				length = fmt.Sprintf("not detectable (< %v)", r.Late.Round(time.Millisecond))
			}
			line += fmt.Sprintf(", %s %s", u.Fault, length)
		}
		if r.Finding != "" {
			line += "; " + r.Finding
		}
	}
	if p.Resumed {
		line += "; was resumed"
	}
	return line + fmt.Sprintf("; about %v left", e.Left(p.Made).Round(time.Second))
}

// finish saves and prints the result, and returns the error for the exit code.
func (o *tuneOptions) finish(t *results.Tuning, tuneErr error, stdout io.Writer) error {
	page, err := report.Tunings().Find("html")
	if err != nil {
		return err
	}
	// Also after an error, with the runs so far.
	err = experiment.SaveResult(o.out, results.TuningFile, t, func(w io.Writer) error { return page.Write(w, t) })
	if tuneErr != nil {
		return interrupted(tuneErr)
	}
	if err != nil {
		return err
	}
	if err := o.writer.Write(stdout, t); err != nil {
		return err
	}
	if t.Recommended == "" {
		return exitError{exitInconclusive, errors.New("nothing to recommend: " + strings.Join(t.Reasons, "; "))}
	}
	if t.Confirmation == results.Unconfirmed {
		return exitError{exitInconclusive, errors.New("the recommendation was not confirmed: use more --rounds, or a machine without other load")}
	}
	return nil
}
