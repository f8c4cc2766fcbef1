package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// gateOptions are those of all kinds of gate.
type gateOptions struct {
	run runOptions // for its flags

	scenario            string
	baseline, candidate string
	same                bool
	quick               bool
	rounds              []int
	slotDuration        time.Duration
	metrics             []string
	margins             []string
	thresholds          []string
	history             string
	out, resume         string
	output              string
	progress            string

	sides  [2]side
	rules  results.GateRules
	format report.FormatOf[*results.Verdict]
}

func newGateCommand() *cobra.Command {
	o := &gateOptions{}
	cmd := &cobra.Command{
		Use:   "gate [RESULT]",
		Short: "say pass, fail or inconclusive, and mean it",
		Long: `Three kinds of gate. Thresholds: a saved RESULT is compared with those given, or
with those of its scenario. A/B: --baseline and --candidate are measured in turns,
in rounds of two runs, until exact statistics can tell whether the candidate is
worse; a side is etcd=VERSION, binary=PATH, settings (heartbeat-interval=50ms,
backend-batch-limit=1, env:GOGC=20, any flag of etcd's), several with commas, or
the endpoints of a cluster. History: where the runs of a directory changed.
Exit codes: 0 pass, 3 fail, 4 inconclusive, 5 the measurement was invalid.`,
		Example: `  etcdbench gate results/RUN --threshold 'put.response_time.p99 < 20ms'
  etcdbench gate --quick --baseline etcd=v3.6.14 --candidate etcd=v3.7.3
  etcdbench gate --quick --candidate env:GOGC=20 --out gate
  etcdbench gate --aa --quick
  etcdbench gate --resume gate
  etcdbench gate --history results`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			fs := cmd.Flags()
			if o.resume != "" {
				if _, err := loadExperiment(o.resume, fs, notAskedFlags[:]); err != nil {
					return usage(err)
				}
				o.out = o.resume
			}
			if err := o.validate(fs, args); err != nil {
				return usage(err)
			}
			switch {
			case len(args) == 1:
				return o.checkThresholds(args[0], cmd.OutOrStdout())
			case o.history != "":
				return o.checkHistory(cmd.OutOrStdout())
			}
			return o.compare(cmd.Context(), fs, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *gateOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	groups := &flagGroups{all: all}
	groups.add("Gate", func(fs *pflag.FlagSet) {
		fs.StringArrayVar(&o.thresholds, "threshold", nil, "`bound` on a figure of RESULT, such as 'put.response_time.p99 < 20ms'; may be repeated (default: those of its scenario)")
		fs.StringVar(&o.baseline, "baseline", "", "what the candidate is compared with (default: the built-in etcd)")
		fs.StringVar(&o.candidate, "candidate", "", "what is judged")
		fs.BoolVar(&o.same, "aa", false, "the same on both sides: how noisy is this machine?")
		fs.StringVar(&o.scenario, "scenario", "put", "`load` of an A/B gate: a workload, a scenario or its file")
		fs.BoolVar(&o.quick, "quick", false, "12 rounds of short runs and one look, instead of looks after 12 and 24")
		fs.IntSliceVar(&o.rounds, "rounds", nil, "rounds after which there may be a verdict (default: 12,24)")
		fs.DurationVar(&o.slotDuration, "slot-duration", 0, "length of the measured part of a run (default: 20s; with --quick 6s)")
		fs.StringSliceVar(&o.metrics, "metric", nil, "`names` of what the verdict rests on (default: throughput, p50, p99 and the costs)")
		fs.StringArrayVar(&o.margins, "margin", nil, "smallest change that matters, as `metric=5%`; may be repeated")
		fs.StringVar(&o.history, "history", "", "look for changes in the saved results of this `directory`")
		fs.StringVar(&o.out, "out", "", "`directory` of the rounds and the verdict (default: results/gate-ID)")
		fs.StringVar(&o.resume, "resume", "", "go on with the gate in this `directory`")
		fs.StringVar(&o.output, "output", "text", "what goes to standard output: "+report.Verdicts().Names())
		fs.StringVar(&o.progress, "progress", "plain", "plain or none")
	})
	o.run.addLoadFlags(groups)
	return groups
}

// validate checks everything before anything is started.
func (o *gateOptions) validate(fs *pflag.FlagSet, args []string) (err error) {
	if o.format, err = report.Verdicts().Find(o.output); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	ab := fs.Changed("baseline") || fs.Changed("candidate") || o.same
	switch {
	case o.progress != "plain" && o.progress != "none":
		return fmt.Errorf("--progress of a gate must be plain or none, not %q", o.progress)
	case len(args) == 1 && (ab || o.history != ""):
		return errors.New("a gate is about a RESULT, about --baseline and --candidate, or about a --history: one of them")
	case len(args) == 1:
		return nil
	case len(o.thresholds) > 0:
		return errors.New("--threshold is for a RESULT: name one")
	case o.history != "" && ab:
		return errors.New("--history does not go with --baseline, --candidate or --aa")
	case o.history != "":
		return nil
	case !ab:
		return errors.New("gate what? Name a RESULT, or a --candidate, or --aa, or a --history")
	case o.same && fs.Changed("candidate"):
		return errors.New("--aa has the same on both sides: give the --baseline alone")
	case o.slotDuration < 0 || fs.Changed("slot-duration") && o.slotDuration < time.Second:
		return fmt.Errorf("--slot-duration must be a second or more, not %v", o.slotDuration)
	case fs.Changed("duration") || fs.Changed("total"):
		return errors.New("the length of a run is --slot-duration here")
	}
	if err := o.makeRules(); err != nil {
		return err
	}
	if o.same {
		o.candidate = o.baseline
	}
	for i, text := range []string{o.baseline, o.candidate} {
		if o.sides[i], err = parseSide([]string{versus.Baseline, versus.Candidate}[i], text); err != nil {
			return err
		}
		// As a slot will be, but for its seed.
		if _, err := o.sides[i].options(fs, o.scenario, map[string]string{"duration": o.slot().String(), "prefix": gatePrefix}); err != nil {
			return err
		}
	}
	return nil
}

// The lengths of a slot's measured part and of its warm-up, unless they are given.
const (
	slotLength, slotWarmup           = 20 * time.Second, 5 * time.Second
	quickSlotLength, quickSlotWarmup = 6 * time.Second, 2 * time.Second
)

func (o *gateOptions) slot() time.Duration {
	switch {
	case o.slotDuration > 0:
		return o.slotDuration
	case o.quick:
		return quickSlotLength
	}
	return slotLength
}

func (o *gateOptions) warmup(fs *pflag.FlagSet) time.Duration {
	switch {
	case fs.Changed("warmup"):
		return o.run.warmup
	case o.quick:
		return quickSlotWarmup
	}
	return slotWarmup
}

func (o *gateOptions) makeRules() error {
	o.rules = results.DefaultGateRules()
	switch {
	case len(o.rounds) > 0:
		o.rules.Looks = o.rounds
	case o.quick:
		o.rules.Looks = o.rules.Looks[:1]
	}
	if len(o.metrics) > 0 {
		o.rules.Primary = o.metrics
	}
	for _, text := range o.margins {
		name, value, ok := strings.Cut(text, "=")
		percent, isPercent := strings.CutSuffix(value, "%")
		share, err := strconv.ParseFloat(percent, 64)
		if !ok || !isPercent || err != nil {
			return fmt.Errorf("--margin %q is not metric=PERCENT%%, such as p99=10%%", text)
		}
		o.rules.Margins[name] = share / 100
	}
	return o.rules.Validate()
}

// compare measures both sides in turns.
func (o *gateOptions) compare(ctx context.Context, fs *pflag.FlagSet, stdout, stderr io.Writer) error {
	for _, s := range o.sides {
		if err := s.build(ctx); err != nil {
			return err
		}
	}
	if o.out == "" {
		o.out = filepath.Join(resultsDir, "gate-"+bench.NewID(time.Now()))
	}
	if o.resume == "" {
		if err := saveExperiment(o.out, "", fs, notAskedFlags[:]); err != nil {
			return usage(fmt.Errorf("--out: %w", err))
		}
	}
	v := &results.Verdict{
		Schema: results.VerdictSchema, Gate: "ab", Started: time.Now().Round(0), Workload: o.scenario, Planned: o.rules.Looks[len(o.rules.Looks)-1],
		Baseline: o.sides[0].describe(), Candidate: o.sides[1].describe(), Rules: &o.rules, Machine: machine.Describe(ctx).Machine(),
	}
	if o.same {
		v.Gate = "aa"
	} else if o.sides[0].text == o.sides[1].text {
		v.Warnings = append(v.Warnings, results.Warning{Code: "same-sides", Message: "baseline and candidate are the same: --aa is meant for that"})
	}
	tell := progressPrinter(stderr, o.progress)
	tell("%s against %s, %s: up to %d rounds of two runs of %v, about %v", v.Candidate, v.Baseline, o.scenario, v.Planned, o.slot(),
		(2 * time.Duration(v.Planned) * (o.slot() + o.warmup(fs) + slotOverhead)).Round(time.Minute))
	out, err := versus.Run(ctx, versus.Options{
		Dir: o.out, Rules: o.rules, Seed: o.run.seed,
		Run: func(ctx context.Context, s versus.Slot) (*results.Run, error) {
			side := o.sides[slices.Index([]string{versus.Baseline, versus.Candidate}, s.Side)]
			return side.measureSlot(ctx, fs, o.scenario, s, o.slot(), o.warmup(fs))
		},
		Progress: func(p versus.Progress) { tell("%s", progressLine(p)) },
	})
	if err != nil {
		if errors.Is(err, bench.ErrInterrupted) {
			return exitError{exitInterrupted, fmt.Errorf("interrupted after %d rounds: go on with --resume %s", len(out.Rounds), o.out)}
		}
		return err
	}
	v.Ended, v.Verdict, v.Reason = time.Now().Round(0), out.Verdict, out.Reason
	v.Metrics, v.Rounds, v.Dropped = out.Metrics, len(out.Rounds), out.Dropped
	return o.finish(v, stdout)
}

// slotOverhead is what a slot takes besides its load: start, drain, stop.
const slotOverhead = 3500 * time.Millisecond

// finish saves the verdict, prints it and makes the exit code.
func (o *gateOptions) finish(v *results.Verdict, stdout io.Writer) error {
	data, err := results.Encode(v)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := os.WriteFile(filepath.Join(o.out, verdictFile), data, 0o644); err != nil {
			return fmt.Errorf("save verdict: %w", err)
		}
	}
	if err := o.format.Write(stdout, v); err != nil {
		return err
	}
	return verdictError(v)
}

// verdictFile is the verdict's document in a gate's directory.
const verdictFile = "verdict.json"

func verdictError(v *results.Verdict) error {
	switch v.Verdict {
	case results.Pass:
		return nil
	case results.Fail:
		return exitError{exitFail, errors.New("fail: " + v.Reason)}
	}
	return exitError{exitInconclusive, errors.New("inconclusive: " + v.Reason)}
}

func progressPrinter(stderr io.Writer, style string) func(format string, args ...any) {
	return func(format string, args ...any) {
		if style != "none" {
			fmt.Fprintf(stderr, format+"\n", args...)
		}
	}
}

// progressLine is how things stand after a round: what decides.
func progressLine(p versus.Progress) string {
	line := fmt.Sprintf("round %d", p.Round)
	switch {
	case p.Void != "":
		line += " does not count: " + p.Void
	case p.Resumed:
		line += " was there already"
	}
	line += fmt.Sprintf("; %d of %d", p.Counted, p.Planned)
	for _, m := range p.Metrics {
		if m.Primary && p.Counted > 0 && m.Verdict != results.NotMeasured {
			line += fmt.Sprintf(" · %s %+.1f%%", m.Name, 100*m.Estimate)
			if m.Lower != nil || m.Upper != nil {
				line += " [" + boundText(m.Lower, "−∞") + ", " + boundText(m.Upper, "+∞") + "]"
			}
		}
	}
	if p.Verdict != "" {
		return line + " · " + p.Verdict
	}
	return line + fmt.Sprintf(" · %v to the next look", p.Left.Round(time.Second))
}

// boundText is a bound in percent, if there are rounds enough for one.
func boundText(share *float64, open string) string {
	if share == nil {
		return open
	}
	return fmt.Sprintf("%+.1f", 100**share)
}

// checkThresholds compares a saved result with thresholds.
func (o *gateOptions) checkThresholds(path string, stdout io.Writer) error {
	run, err := results.Read(path)
	if err != nil {
		return usage(err)
	}
	v, err := thresholdVerdict(run, o.thresholds, document(run, path).Intervals)
	if err != nil {
		return usage(err)
	}
	o.out = ""
	if err := o.format.Write(stdout, v); err != nil {
		return err
	}
	if run.Validity.Verdict == results.Invalid {
		return exitError{exitInvalid, errors.New(v.Reason)}
	}
	return verdictError(v)
}

// thresholdVerdict judges a run by thresholds: those given, or its plan's.
func thresholdVerdict(run *results.Run, texts []string, intervals func(each func(*results.Interval) error) error) (*results.Verdict, error) {
	if len(texts) == 0 {
		texts = run.Plan.Thresholds
	}
	if len(texts) == 0 {
		return nil, errors.New("there is nothing to judge by: the result's scenario has no thresholds; give one with --threshold")
	}
	var thresholds []results.Threshold
	for _, text := range texts {
		t, err := results.ParseThreshold(text)
		if err != nil {
			return nil, err
		}
		thresholds = append(thresholds, t)
	}
	checks, err := results.CheckThresholds(run, thresholds, intervals)
	if err != nil {
		return nil, err
	}
	v := &results.Verdict{Schema: results.VerdictSchema, Gate: "thresholds", Started: run.Started, Ended: run.Ended, Candidate: run.ID, Workload: run.Plan.Workload, Machine: run.Environment.Machine(), Checks: checks}
	v.Verdict, v.Reason = results.CheckVerdict(run, checks)
	return v, nil
}
