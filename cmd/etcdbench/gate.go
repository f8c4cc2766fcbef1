package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// gateOptions are the options of all kinds of gate.
type gateOptions struct {
	experimentFlags

	baseline, candidate string
	same, quick         bool
	rounds              []int
	slotDuration        time.Duration
	metrics             []string
	margins             []string
	thresholds          []string
	history             string
	accepted            string

	writer report.FormatOf[*results.Verdict]
}

func newGateCommand() *cobra.Command {
	o := &gateOptions{}
	cmd := &cobra.Command{
		Use:   "gate [RESULT | WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "detect performance regressions: pass, fail or inconclusive",
		Long: `There are three kinds of gate.
Thresholds: compares a saved RESULT with --threshold, or with the thresholds of its
scenario.
A/B: measures --baseline and --candidate in alternation, in rounds of two runs, until
exact statistics show whether the candidate is worse. A side is etcd=VERSION,
binary=PATH, settings separated by commas (heartbeat-interval=50ms, env:GOGC=20, any
etcd flag), or the endpoints of a cluster.
History: finds changes in the runs of a directory.
Exit codes: 0 pass, 3 fail, 4 inconclusive, 5 the measurement was invalid.`,
		Example: `  etcdbench gate etcdbench-results/RUN --threshold 'put.response_time.p99 < 20ms'
  etcdbench gate --quick --baseline etcd=v3.6.14 --candidate etcd=v3.7.3
  etcdbench gate range --quick --candidate env:GOGC=20 --out gate
  etcdbench gate --aa --quick
  etcdbench gate --resume gate
  etcdbench gate --history etcdbench-results`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			fs, stdout := cmd.Flags(), cmd.OutOrStdout()
			if err := o.validate(fs, args); err != nil {
				return usage(err)
			}
			switch {
			case o.compares():
				return o.compare(cmd, args)
			case len(args) == 1:
				return o.checkThresholds(args[0], stdout)
			}
			return o.checkHistory(stdout)
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *gateOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	return o.register(all, "Gate", versus.Kind, report.Verdicts().Names(), func(fs *pflag.FlagSet) {
		fs.StringArrayVar(&o.thresholds, "threshold", nil,
			"`bound` on a figure of RESULT, such as 'put.response_time.p99 < 20ms'; may be repeated (default: those of its scenario)")
		o.addSides(fs)
		fs.BoolVar(&o.quick, "quick", false, "12 rounds of short runs with one decision, instead of decisions after 12 and 24")
		roundsFlag(fs, &o.rounds, "(default: 12,24)")
		fs.DurationVar(&o.slotDuration, "slot-duration", 0, "measured duration of a run (default: 20s; with --quick 6s)")
		o.addMetrics(fs)
		fs.StringVar(&o.history, "history", "", "find changes in the saved results of this `directory`")
		fs.StringVar(&o.accepted, "accept", "",
			"for --history: accept the level of the `run` with this label or ID and ignore better levels before it")
	}, "duration", "total")
}

// addSides registers the flags of the compared sides.
func (o *gateOptions) addSides(fs *pflag.FlagSet) {
	fs.StringVar(&o.baseline, "baseline", "", "baseline of the comparison (default: the built-in etcd)")
	fs.StringVar(&o.candidate, "candidate", "", "candidate of the comparison")
	fs.BoolVar(&o.same, "aa", false, "compare the baseline with itself, to measure the noise of this machine")
}

// addMetrics registers the flags of the metrics.
func (o *gateOptions) addMetrics(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.metrics, "metric", nil,
		"`names` of the metrics that decide (default: throughput, error_rate, p50, p99 and the costs; of a history all metrics)")
	fs.StringArrayVar(&o.margins, "margin", nil, "smallest change that matters, as `metric=5%`; may be repeated")
}

// roundsFlag is shared by all commands that measure two sides in alternation.
func roundsFlag(fs *pflag.FlagSet, rounds *[]int, otherwise string) {
	fs.IntSliceVar(rounds, "rounds", nil, "numbers of rounds of two runs after which a verdict is possible "+otherwise)
}

// compares reports whether the gate measures two sides.
func (o *gateOptions) compares() bool {
	return o.baseline != "" || o.candidate != "" || o.same || o.resume != ""
}

// validate determines the kind of gate, and checks what all kinds share.
func (o *gateOptions) validate(fs *pflag.FlagSet, args []string) (err error) {
	if o.writer, err = report.Verdicts().Find(o.format); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	ab := o.compares() || fs.Changed("baseline") || fs.Changed("candidate")
	switch {
	case o.history != "" && ab:
		return errors.New("--history cannot be combined with --baseline, --candidate or --aa")
	case o.history != "" && len(args) > 0:
		return errors.New("a RESULT cannot be combined with --history: give one of them")
	case ab && len(o.thresholds) > 0:
		return errors.New("--threshold needs a RESULT")
	case !ab && o.dryRun:
		return errors.New("--dry-run is for gates that measure: give --candidate or --aa")
	case o.history == "" && fs.Changed("accept"):
		return errors.New("--accept needs --history")
	case o.history != "":
		return nil
	case len(args) == 1 && !ab:
		if _, err := os.Stat(args[0]); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no result %q: give the directory of one, or --candidate or --aa to measure two sides", args[0])
		}
		return nil
	case !ab:
		return errors.New("nothing to gate: give a RESULT, --candidate, --aa or --history")
	case o.same && fs.Changed("candidate"):
		return errors.New("--aa compares the baseline with itself: remove --candidate")
	case o.slotDuration < 0 || fs.Changed("slot-duration") && o.slotDuration < time.Second:
		return fmt.Errorf("--slot-duration must be a second or more, not %v", o.slotDuration)
	}
	return nil
}

// rules returns the rules of the flags.
func (o *gateOptions) rules() (judge.Rules, error) {
	rules := judge.DefaultRules()
	switch {
	case len(o.rounds) > 0:
		rules.Looks = o.rounds
	case o.quick:
		rules.Looks = rules.Looks[:1]
	}
	if len(o.metrics) > 0 {
		rules.Primary, rules.Optional = o.metrics, nil // a named metric is required
	}
	margins, err := o.parseMargins()
	if err != nil {
		return rules, err
	}
	maps.Copy(rules.Margins, margins)
	return rules, rules.Validate()
}

// parseMargins are the margins of the flags, as shares by metric.
func (o *gateOptions) parseMargins() (map[string]float64, error) {
	margins := map[string]float64{}
	for _, text := range o.margins {
		name, value, ok := strings.Cut(text, "=")
		percent, isPercent := strings.CutSuffix(value, "%")
		share, err := strconv.ParseFloat(percent, 64)
		if !ok || !isPercent || err != nil {
			return nil, fmt.Errorf("--margin %q is not metric=PERCENT%%, such as p99=10%% or error_rate=0.5%%", text)
		}
		margins[name] = share / 100
	}
	return margins, nil
}

// config returns the configuration of a comparison, with both sides made from the
// specification.
func (o *gateOptions) config(spec runner.Spec) (versus.Config, error) {
	c := versus.Config{Same: o.same, Length: versus.DefaultLength, Warmup: versus.DefaultWarmup}
	if o.quick {
		c.Length, c.Warmup = versus.QuickLength, versus.QuickWarmup
	}
	if o.slotDuration > 0 {
		c.Length = o.slotDuration
	}
	if spec.Load.Warmup != nil {
		c.Warmup = *spec.Load.Warmup
	}
	candidate := o.candidate
	if o.same {
		candidate = o.baseline
	}
	var err error
	if c.Baseline, err = parseSide(versus.Baseline, o.baseline, spec); err != nil {
		return c, err
	}
	if c.Candidate, err = parseSide(versus.Candidate, candidate, spec); err != nil {
		return c, err
	}
	c.Rules, err = o.rules()
	return c, err
}

// ask returns the request of the comparison, from the flags or from the resumed one.
func (o *gateOptions) ask(fs *pflag.FlagSet, args []string) (experiment.Document[versus.Config], *versus.Experiment, error) {
	var asked experiment.Document[versus.Config]
	scenario, err := o.scenario(args)
	if err != nil {
		return asked, nil, err
	}
	given, err := o.specification(fs, scenario)
	if err != nil {
		return asked, nil, err
	}
	config, err := o.config(given)
	if err != nil {
		return asked, nil, err
	}
	if asked, err = question(&o.experimentFlags, fs, versus.Kind, scenario, config, "baseline", "candidate"); err != nil {
		return asked, nil, err
	}
	if o.resume != "" {
		if err := confirmSides(fs, &asked.Options, config); err != nil {
			return asked, nil, err
		}
	}
	e, err := versus.New(asked.Options)
	return asked, e, err
}

// confirmSides checks the sides that are confirmed when a comparison is resumed.
func confirmSides(fs *pflag.FlagSet, saved *versus.Config, given versus.Config) error {
	for _, side := range []struct {
		name  string
		saved *versus.Subject
		given versus.Subject
	}{{versus.Baseline, &saved.Baseline, given.Baseline}, {versus.Candidate, &saved.Candidate, given.Candidate}} {
		flag := "--" + side.name
		if fs.Changed(side.name) && side.given.Label != side.saved.Label {
			return fmt.Errorf("--resume uses the saved settings: %s is %s, not %s", flag, side.saved.Label, side.given.Label)
		}
		if err := experiment.Authorize(&side.saved.Spec, side.given.Spec, flag); err != nil {
			return err
		}
	}
	return nil
}

// compare measures both sides in alternation.
func (o *gateOptions) compare(cmd *cobra.Command, args []string) error {
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
		plan := e.Plan()
		r.announce(plan.Length(), "%s, %s: up to %d rounds of two runs of %v; estimated time: %v",
			sideNames(e.Candidate.Label, e.Baseline.Label), e.Scenario(), plan.Runs[0].Count, e.Length, plan.Length().Round(time.Minute))
		v, err := e.Run(ctx, options, func(p versus.Progress) { r.announce(p.Left, "%s", progressLine(p, r.room())) })
		return func() error { return o.saveVerdict(v, err, cmd.OutOrStdout()) }
	})
}

// maxVerdict bounds a verdict's document, in bytes.
const maxVerdict = 64 << 20

// finished returns the verdict of a resumed comparison that has one already, and nil
// otherwise. The verdict is printed, and the directory is not changed.
func (o *gateOptions) finished() (*results.Verdict, error) {
	if o.resume == "" || o.dryRun {
		return nil, nil
	}
	data, err := results.ReadFile(filepath.Join(o.resume, results.VerdictFile), maxVerdict)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	v, err := results.DecodeVerdict(data)
	if err != nil {
		return nil, fmt.Errorf("--resume: %s: %w", results.VerdictFile, err)
	}
	return v, nil
}

// saveVerdict saves and prints the result of a comparison.
func (o *gateOptions) saveVerdict(v *results.Verdict, err error, stdout io.Writer) error {
	if err != nil {
		return interrupted(err)
	}
	page := func(w io.Writer) error { return report.WriteVerdictPage(w, v) }
	if err := experiment.SaveResult(o.out, results.VerdictFile, v, page); err != nil {
		return err
	}
	return o.finish(v, stdout)
}

// finish prints the verdict and returns the error for the exit code.
func (o *gateOptions) finish(v *results.Verdict, stdout io.Writer) error {
	if err := o.writer.Write(stdout, v); err != nil {
		return err
	}
	return verdictError(v, o.format)
}

// verdictError returns the error for the exit code of a verdict. Its text is empty if the
// report contains the verdict.
func verdictError(v *results.Verdict, format string) error {
	var text string
	if format != "text" {
		text = v.Verdict + ": " + v.Reason
	}
	switch v.Verdict {
	case results.Pass:
		return nil
	case results.Fail:
		return exitError{exitFail, errors.New(text)}
	}
	return exitError{exitInconclusive, errors.New(text)}
}

// sideNames returns the names of the two sides of a comparison.
func sideNames(candidate, baseline string) string {
	if candidate == baseline {
		return baseline + " against itself"
	}
	return candidate + " against " + baseline
}

// progressLine returns the state after a round: the metrics that decide, as far as they fit
// into the given number of columns; 0 means no limit.
func progressLine(p versus.Progress, columns int) string {
	line := fmt.Sprintf("round %d", p.Round)
	switch {
	case p.Void != "":
		line += " dropped: " + p.Void
	case p.Resumed:
		line += " was resumed"
	}
	line += fmt.Sprintf("; %d of %d", p.Counted, p.Planned)
	end := " · " + p.Verdict
	if p.Verdict == "" {
		end = fmt.Sprintf(" · %v to the next decision", p.Left.Round(time.Second))
	}
	if p.Counted == 0 {
		return line + end
	}
	var left int
	for _, m := range p.Metrics {
		if !m.Primary || m.Verdict == results.NotMeasured {
			continue
		}
		change, low, high := content.MetricChange(m)
		part := fmt.Sprintf(" · %s %s", m.Name, change)
		if m.Lower != nil || m.Upper != nil {
			part += " [" + low + ", " + high + "]"
		}
		if columns > 0 && utf8.RuneCountInString(line+part+end)+len(" · +99") > columns {
			left++
			continue
		}
		line += part
	}
	if left > 0 {
		line += fmt.Sprintf(" · +%d", left)
	}
	return line + end
}

// checkThresholds compares a saved result with thresholds.
func (o *gateOptions) checkThresholds(path string, stdout io.Writer) error {
	run, err := results.Read(path)
	if err != nil {
		return usage(err)
	}
	v, err := judge.RunVerdict(run, o.thresholds, document(run, path).Intervals)
	if err != nil {
		return usage(err)
	}
	if err := o.writer.Write(stdout, v); err != nil {
		return err
	}
	if run.Validity.Verdict == results.Invalid {
		return exitError{exitInvalid, errors.New(v.Reason)}
	}
	return verdictError(v, o.format)
}

// checkHistory looks for changes in the saved results of a directory.
func (o *gateOptions) checkHistory(stdout io.Writer) error {
	runs, skipped, err := results.History(o.history)
	if err != nil {
		return usage(err)
	}
	margins, err := o.parseMargins()
	if err != nil {
		return usage(err)
	}
	rules := &judge.HistoryRules{Metrics: o.metrics, Margins: margins, Accepted: o.accepted}
	v, err := judge.HistoryVerdict(o.history, runs, skipped, rules)
	if err != nil {
		return usage(err)
	}
	return o.finish(v, stdout)
}
