package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/qualify"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// qualifyOptions are the options of a release check.
type qualifyOptions struct {
	gateOptions
	effort effortFlags
}

// The summaries of a release check, in addition to its verdict and its page.
const (
	summaryFile = "summary.md"
	junitFile   = "junit.xml"
	perfdashDir = "perfdash"
)

func newQualifyCommand() *cobra.Command {
	o := &qualifyOptions{}
	cmd := &cobra.Command{
		Use:   "qualify [SCENARIO…]",
		Short: "check a release: a candidate against a baseline under all scenarios",
		Long: `Compares a candidate with a baseline under every built-in scenario, or under the
named ones, as "etcdbench gate" does, and gives one verdict. If the sides are equal,
the whole job fails with a probability of at most 1 %. The directory of the result
contains verdict.json, report.html, summary.md, junit.xml, the files for perfdash, and
a gate's result for each scenario.
Exit codes: 0 pass, 3 fail, 4 inconclusive.`,
		Example: `  etcdbench qualify --baseline etcd=v3.6.14 --candidate etcd=v3.7.3
  etcdbench qualify kubernetes saturate --quick --candidate binary=./etcd
  etcdbench qualify --candidate etcd=v3.7.3 --dry-run
  etcdbench qualify --resume etcdbench-results/qualify-20261120-101500-a1b2c3`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.qualify(cmd, args) },
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *qualifyOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	return o.register(all, "Release check", qualify.Kind, report.Verdicts().Names(), func(fs *pflag.FlagSet) {
		o.addSides(fs)
		roundsFlag(fs, &o.rounds, "(default: 16; with --thorough 16,32)")
		fs.DurationVar(&o.slotDuration, "slot-duration", 0,
			"length of the measured part of a run (default: 10s; with --quick 4s, with --thorough 20s)")
		o.addMetrics(fs)
		o.effort.add(fs, "short runs", "long runs and two decision points for each scenario")
	})
}

// config returns the configuration of a release check.
func (o *qualifyOptions) config(fs *pflag.FlagSet, scenarios []string) (qualify.Config, error) {
	c := qualify.Config{Scenarios: scenarios}
	effort, err := o.effort.effort()
	if err != nil {
		return c, err
	}
	given, err := o.specification(fs, "")
	if err != nil {
		return c, err
	}
	if c.Comparison, err = o.gateOptions.config(given); err != nil {
		return c, err
	}
	lengths := qualify.LengthsOf(effort)
	if o.slotDuration == 0 {
		c.Comparison.Length = lengths.Length
	}
	if given.Load.Warmup == nil {
		c.Comparison.Warmup = lengths.Warmup
	}
	if len(o.rounds) == 0 {
		c.Comparison.Rules.Looks = lengths.Looks
	}
	return c, nil
}

// ask returns the request of the check, from the flags or from the resumed one.
func (o *qualifyOptions) ask(fs *pflag.FlagSet, args []string) (experiment.Document[qualify.Config], *qualify.Experiment, error) {
	var asked experiment.Document[qualify.Config]
	if _, err := o.scenario(args); err != nil {
		return asked, nil, err
	}
	if len(args) == 0 {
		args = scenario.BuiltIn()
	}
	config, err := o.config(fs, args)
	if err != nil {
		return asked, nil, err
	}
	if asked, err = question(&o.experimentFlags, fs, qualify.Kind, "", config, "baseline", "candidate"); err != nil {
		return asked, nil, err
	}
	if o.resume != "" {
		if err := confirmSides(fs, &asked.Options.Comparison, config.Comparison); err != nil {
			return asked, nil, err
		}
	}
	e, err := qualify.New(asked.Options)
	return asked, e, err
}

// check returns an error for flags that cannot be combined.
func (o *qualifyOptions) check(fs *pflag.FlagSet) (err error) {
	if o.writer, err = report.Verdicts().Find(o.format); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	switch {
	case !o.compares():
		return errors.New("nothing to check: give a --candidate, or --aa")
	case o.same && fs.Changed("candidate"):
		return errors.New("--aa compares the baseline with itself: remove --candidate")
	case fs.Changed("slot-duration") && o.slotDuration < time.Second:
		return fmt.Errorf("--slot-duration must be a second or more, not %v", o.slotDuration)
	}
	return nil
}

// qualify runs the check.
func (o *qualifyOptions) qualify(cmd *cobra.Command, args []string) error {
	if err := o.check(cmd.Flags()); err != nil {
		return usage(err)
	}
	asked, e, err := o.ask(cmd.Flags(), args)
	if err != nil {
		return usage(err)
	}
	if finished, err := o.finished(); err != nil {
		return usage(err)
	} else if finished != nil {
		return o.finish(finished, cmd.OutOrStdout())
	}
	return conduct(cmd, &o.experimentFlags, asked, e, func(ctx context.Context, options experiment.Options, r *reporter) func() error {
		length := e.Plan().Length()
		r.announce(length, "%s: %s, up to %d rounds of two runs of %v each; estimated time: %v",
			sideNames(e.Comparison.Candidate.Label, e.Comparison.Baseline.Label), judge.Scenarios(len(e.Scenarios)), e.Plan().Runs[0].Count,
			e.Comparison.Length, length.Round(time.Minute))
		v, err := e.Run(ctx, qualify.Options{
			Options: options, Save: o.saveScenario,
			Progress: func(name string, p versus.Progress) { r.announce(0, "%s: %s", name, progressLine(p, r.room())) },
			Done: func(v *results.Verdict, left time.Duration) {
				r.announce(left, "%s: %s (%s); at most %v left", v.Workload, v.Verdict, v.Reason, left.Round(time.Minute))
			},
		})
		return func() error {
			if err == nil {
				err = o.saveSummaries(v)
			}
			return o.saveVerdict(v, err, cmd.OutOrStdout())
		}
	})
}

// saveScenario saves the verdict on a scenario, its page, and perfdash's files of a run of the
// candidate.
func (o *qualifyOptions) saveScenario(dir string, v *results.Verdict) error {
	for number := v.Rounds + len(v.Dropped); number > 0; number-- {
		path := filepath.Join(versus.RoundDir(dir, number), versus.Candidate)
		if run, whole := results.ReadWhole(path); whole {
			if err := writePerfdash(filepath.Join(o.out, perfdashDir), document(run, path)); err != nil {
				return err
			}
			break
		}
	}
	page, err := report.Verdicts().Find("html")
	if err != nil {
		return err
	}
	return experiment.SaveResult(dir, results.VerdictFile, v, func(w io.Writer) error { return page.Write(w, v) })
}

// writePerfdash writes a run's files for perfdash.
func writePerfdash(dir string, d report.Document) error {
	format, err := report.Find("perfdash")
	if err != nil {
		return err
	}
	files, err := format.Files([]report.Document{d})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	for _, f := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("write files for perfdash: %w", err)
	}
	return nil
}

// saveSummaries writes the verdict in the formats for a CI job.
func (o *qualifyOptions) saveSummaries(v *results.Verdict) error {
	for name, file := range map[string]string{"markdown": summaryFile, "junit": junitFile} {
		format, err := report.Verdicts().Find(name)
		if err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(o.out, file))
		if err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
		if err := errors.Join(format.Write(f, v), f.Close()); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	}
	return nil
}
