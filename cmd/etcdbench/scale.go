package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/scale"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// scaleOptions are the options of a scale experiment.
type scaleOptions struct {
	experimentFlags
	effortFlags
	config scale.Config

	writer report.FormatOf[*results.Scale]
}

func newScaleCommand() *cobra.Command {
	o := &scaleOptions{}
	cmd := &cobra.Command{
		Use:   "scale [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "measure latency, memory, disk and recovery as the data grows",
		Long: `Fills a cluster that it starts with more and more objects. Each size is a rung of a
ladder, on which it measures:
- the steady state: response times at a fixed rate, memory of the members and size of
  the database
- maintenance under load: compaction, defragmentation, snapshots and list storms
- recovery times: restarts, the catch-up of a member that was down, the replacement of
  a member, and a restore from a snapshot file
Without an argument, the load reads and writes the objects themselves. Disk, memory
and quota are checked before each rung. Exit codes: 0 done, or stopped early with a
result, 1 failed, 2 the sizes do not fit, 3 a proof found violations (--verify), 5 the
generator was the limit.`,
		Example: `  etcdbench scale --quick
  etcdbench scale --sizes 100MB,1GB,4GB --quota 8GiB
  etcdbench scale --etcd-version v3.6.14 --object-size 20kB
  etcdbench scale --resume etcdbench-results/scale-20261126-021500-a1b2c3`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *scaleOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	c := &o.config
	return o.register(all, "Ladder", scale.Kind, report.Scales().Names(), func(fs *pflag.FlagSet) {
		fs.Var(sizesValue{&c.Sizes}, "sizes",
			"logical `sizes` of the rungs, keys and values, in ascending order (default: 100MB,1GB,4GB; with --quick 12MB,36MB,96MB)")
		sizeFlag(fs, &c.ObjectSize, "object-size", 0, "size of an object, key and value (default: 4 KiB)")
		intFlag(fs, &c.ListClients, "list-clients", 0, "clients of a list storm, which list all objects at once (default: 8; with --quick 4)")
		durationFlag(fs, &c.Steady, "steady", 0, "length of the steady state on each rung (default: 1m; with --quick 6s, with --thorough 5m)")
		durationFlag(fs, &c.Lead, "lead", 0, "undisturbed load before each event (default: 10s; with --quick 1s, with --thorough 30s)")
		o.effortFlags.add(fs, "three small rungs and short runs: a first estimate in less than five minutes", "longer runs on each rung")
	}, "endpoints", "duration", "total", "in-process", "disturb")
}

// sizesValue is a flag that takes several sizes.
type sizesValue struct{ list *[]int64 }

func (v sizesValue) Set(text string) error {
	*v.list = nil
	for one := range strings.SplitSeq(text, ",") {
		n, err := parseSize(one)
		if err != nil {
			return err
		}
		*v.list = append(*v.list, n)
	}
	return nil
}

func (v sizesValue) String() string {
	if v.list == nil {
		return ""
	}
	var texts []string
	for _, n := range *v.list {
		texts = append(texts, humanize.Bytes(uint64(n)))
	}
	return strings.Join(texts, ",")
}

func (sizesValue) Type() string { return "sizes" }

// ask returns the request of the experiment, from the flags or from the resumed one.
func (o *scaleOptions) ask(
	fs *pflag.FlagSet, args []string,
) (asked experiment.Document[scale.Config], e *scale.Experiment, err error) {
	if o.writer, err = report.Scales().Find(o.format); err != nil {
		return asked, nil, fmt.Errorf("--format: %w", err)
	}
	if o.config.Effort, err = o.effort(); err != nil {
		return asked, nil, err
	}
	if _, err = o.scenario(args); err != nil {
		return asked, nil, err
	}
	if asked, err = question(&o.experimentFlags, fs, scale.Kind, argument(args, ""), o.config); err != nil {
		return asked, nil, err
	}
	if e, err = scale.New(asked.Spec, asked.Options); err != nil || o.dryRun {
		return asked, e, err
	}
	dir := o.directory(scale.Kind)
	if o.resume != "" {
		dir = o.resume
	}
	return asked, e, e.CheckDisk(dir)
}

func (o *scaleOptions) run(cmd *cobra.Command, args []string) error {
	asked, e, err := o.ask(cmd.Flags(), args)
	if err != nil {
		return usage(err)
	}
	return conduct(cmd, &o.experimentFlags, asked, e, func(ctx context.Context, options experiment.Options, r *reporter) func() error {
		length := e.Plan().Length()
		r.announce(length, "scale of %s; estimated time: %v", e.First().Scenario.Name, length.Round(time.Minute))
		s, err := e.Run(ctx, options, func(p scale.Progress) { r.announce(0, "%s", rungLine(p)) })
		return func() error { return o.finish(s, err, cmd.OutOrStdout()) }
	})
}

// rungLine returns the state of the experiment.
func rungLine(p scale.Progress) string {
	line := fmt.Sprintf("rung %d of %d, %s: ", p.Rung, p.Rungs, humanize.Bytes(uint64(p.Size)))
	switch {
	case p.Done == nil && p.Share > 0:
		return fmt.Sprintf("%s%s, %.0f %%, about %v left", line, p.Activity, 100*p.Share, p.Left.Round(time.Second))
	case p.Done == nil && p.Left > 0:
		return fmt.Sprintf("%s%s, about %v", line, p.Activity, max(time.Second, p.Left.Round(time.Second)))
	case p.Done == nil:
		return line + p.Activity
	case p.Resumed:
		return line + "resumed"
	case len(p.Done.Findings) > 0:
		return line + "ended early: " + p.Done.Findings[len(p.Done.Findings)-1]
	}
	return line + "done"
}

// finish saves and prints the result, and returns the error for the exit code.
func (o *scaleOptions) finish(s *results.Scale, scaleErr error, stdout io.Writer) error {
	page, err := report.Scales().Find("html")
	if err != nil {
		return err
	}
	// Also after an error, with the rungs so far.
	err = experiment.SaveResult(o.out, results.ScaleFile, s, func(w io.Writer) error { return page.Write(w, s) })
	if scaleErr != nil {
		return interrupted(scaleErr)
	}
	if err != nil {
		return err
	}
	if err := o.writer.Write(stdout, s); err != nil {
		return err
	}
	return scaleVerdict(s)
}

// scaleVerdict returns the error for the exit code of a ladder that has ended: violations that proofs
// have found, or a steady state in which the generator was the limit.
func scaleVerdict(s *results.Scale) error {
	for _, r := range s.Rungs {
		if r.Violations > 0 {
			return exitError{exitFail, fmt.Errorf("proof violated: the cluster does not hold every acknowledged write (%s, rung %d)",
				words.Plural(r.Violations, "violation", "violations"), r.Number)}
		}
	}
	for _, r := range s.Rungs {
		if r.Validity == results.Invalid {
			return exitError{exitInvalid, fmt.Errorf(
				"the measurement of rung %d is invalid: the generator, not etcd, was the limit in the steady state", r.Number)}
		}
	}
	return nil
}
