package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// capacityOptions are those of a capacity search.
type capacityOptions struct {
	run runOptions // for its flags

	slo         []string
	start       float64
	precision   float64
	probe, soak time.Duration
	sweep       bool
	quick       bool
	thorough    bool
	repeat      int
	over        string
	demand      float64
	safe        float64
	growth      float64
	out, resume string
	output      string
	progress    string

	scenario   string
	thresholds []results.Threshold
	format     report.FormatOf[*results.Capacity]
	// most is the largest value of the parameter that is searched over, calm says that
	// the scenario disturbs nothing by itself.
	most float64
	calm bool
}

func newCapacityCommand() *cobra.Command {
	o := &capacityOptions{}
	cmd := &cobra.Command{
		Use:   "capacity [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "find the highest load that a cluster carries under an SLO",
		Long: `Searches for the highest rate at which a cluster keeps to the SLO: upwards from a low
rate until it does not, by bisection, with a longer run at the maximum, and a look
beyond. The answer is an interval: its lower end was carried, its upper end was
not. Every probe has a fresh cluster (or, with --endpoints, the one that is there)
and an open loop. Exit codes: 0 found, 3 no load meets the SLO or the --target is
missed, 4 undecided, 5 the generator was the limit.`,
		Example: `  etcdbench capacity --slo 'put.response_time.p99 < 50ms'
  etcdbench capacity --quick --members 1 --sweep
  etcdbench capacity --demand 4000/s --growth 5%
  etcdbench capacity kubernetes --over nodes --param nodes=300
  etcdbench capacity txn-mixed --slo 'txn-mixed/read.response_time.p99 < 20ms'
  etcdbench capacity --resume results/capacity-20261120-101500-a1b2c3`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			fs := cmd.Flags()
			if err := o.validate(fs, args); err != nil {
				return usage(err)
			}
			return o.search(cmd.Context(), fs, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *capacityOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	groups := &flagGroups{all: all}
	groups.add("Search", func(fs *pflag.FlagSet) {
		fs.StringArrayVar(&o.slo, "slo", nil, "`bound` that the load must keep, such as 'put.response_time.p99 < 50ms'; may be repeated (default: that for a put, or the scenario's thresholds)")
		fs.Float64Var(&o.start, "start", 0, "first rate, which any cluster should carry (default: 200; with --over a tenth of the parameter's value)")
		fs.StringVar(&o.over, "over", "", "search over this `parameter` of the scenario instead of the rate, such as nodes")
		fs.Float64Var(&o.precision, "precision", 0, "how near the ends of the bisection must come, as a share (default: 0.05; with --quick 0.1)")
		fs.DurationVar(&o.probe, "probe-duration", 0, "length of a probe's measured part (default: 30s; with --quick 5s, with --thorough 1m)")
		fs.DurationVar(&o.soak, "soak", 0, "length of the run that confirms the maximum (default: 2m; with --quick 10s, with --thorough 10m)")
		fs.BoolVar(&o.sweep, "sweep", true, "measure the curve of latency against load afterwards, from 10 to 110 % of the maximum (with --quick only when given)")
		fs.IntVar(&o.repeat, "repeat", 1, "searches, of whose answers a 95 % confidence interval is made")
		fs.Var(newRate(&o.demand), "demand", "plan for this rate, such as 4000/s: headroom, also with a member down (with --over: its value in --param)")
		o.safe = 0.7
		fs.Var(newShare(&o.safe), "safe", "share of the maximum that is safe to plan with")
		fs.Var(newShare(&o.growth), "growth", "growth of the demand each month, such as 5%")
		fs.BoolVar(&o.quick, "quick", false, "short probes and a coarse search: a first idea, in three minutes or so")
		fs.BoolVar(&o.thorough, "thorough", false, "longer probes, a finer search, three times, and the sweep")
		fs.StringVar(&o.out, "out", "", "`directory` of the probes and the result (default: results/capacity-ID)")
		fs.StringVar(&o.resume, "resume", "", "go on with the search in this `directory`")
		fs.StringVar(&o.output, "output", "text", "what goes to standard output: "+report.Capacities().Names())
		fs.StringVar(&o.progress, "progress", "plain", "plain or none")
	})
	o.run.addLoadFlags(groups)
	return groups
}

// effort is how long a search takes its time for each part, unless that is given.
type effort struct {
	probe, soak  time.Duration
	precision    float64
	factor, step float64
	extensions   int
	warmup       time.Duration
	repeat       int
	compactions  int // during a soak
	alpha        float64
}

func (o *capacityOptions) effort(fs *pflag.FlagSet) effort {
	e := effort{probe: 30 * time.Second, soak: 2 * time.Minute, precision: 0.05, factor: 2, step: 0.03, extensions: 3, warmup: 3 * time.Second, repeat: o.repeat, compactions: 2}
	switch {
	case o.quick:
		e.probe, e.soak, e.precision, e.factor, e.step, e.extensions, e.warmup = 5*time.Second, 10*time.Second, 0.1, 4, 0.1, 1, 2*time.Second
		e.compactions, e.alpha = 0, 0.1
	case o.thorough:
		e.probe, e.soak, e.precision = time.Minute, 10*time.Minute, 0.03
		if !fs.Changed("repeat") {
			e.repeat = 3
		}
	}
	if o.probe > 0 {
		e.probe = o.probe
	}
	if fs.Changed("soak") {
		e.soak = o.soak
	}
	if o.precision > 0 {
		e.precision = o.precision
	}
	return e
}

const capacityPrefix = "/etcdbench/capacity/"

func (o *capacityOptions) validate(fs *pflag.FlagSet, args []string) (err error) {
	if o.scenario, err = scenarioOf(args, o.resume, fs); err != nil {
		return err
	}
	if o.resume != "" {
		o.out = o.resume
	}
	if o.format, err = report.Capacities().Find(o.output); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	switch {
	case fs.Changed("rate") || fs.Changed("duration") || fs.Changed("total"):
		return errors.New("a search chooses the rates: leave out --rate, --duration and --total")
	case fs.Changed("start") && !(o.start > 0):
		return fmt.Errorf("--start must be positive, not %v", o.start)
	case fs.Changed("precision") && !(o.precision >= 0.005 && o.precision <= 0.5):
		return fmt.Errorf("--precision must be between 0.005 and 0.5, not %v", o.precision)
	case o.quick && o.thorough:
		return errors.New("--quick and --thorough exclude each other")
	case o.repeat < 1 || o.repeat > 100:
		return fmt.Errorf("--repeat must be between 1 and 100, not %d", o.repeat)
	case fs.Changed("demand") && !(o.demand > 0):
		return fmt.Errorf("--demand must be positive, not %v", o.demand)
	case !(o.safe > 0 && o.safe <= 1):
		return fmt.Errorf("--safe must be a share above 0 and up to 1, not %v", o.safe)
	case !(o.growth >= 0 && o.growth < 10):
		return fmt.Errorf("--growth must be a share of 0 or more, such as 5%%, not %v", o.growth)
	case o.demand == 0 && o.over == "" && (fs.Changed("safe") || fs.Changed("growth")):
		return errors.New("--safe and --growth are for a plan: give a --demand")
	case o.probe < 0 || fs.Changed("probe-duration") && o.probe < time.Second:
		return fmt.Errorf("--probe-duration must be a second or more, not %v", o.probe)
	case o.soak < 0:
		return fmt.Errorf("--soak must not be negative, but is %v", o.soak)
	case o.progress != "plain" && o.progress != "none":
		return fmt.Errorf("--progress of a search must be plain or none, not %q", o.progress)
	}
	params, err := parseParams(o.run.params)
	if err != nil {
		return err
	}
	sc, err := workloads.FindScenario(o.scenario, params)
	if err != nil {
		return err
	}
	if err := o.chooseSLO(sc); err != nil {
		return err
	}
	return o.chooseStart(fs, sc, params)
}

// chooseSLO takes the bounds that were given, or those of the scenario.
func (o *capacityOptions) chooseSLO(sc *workloads.Scenario) error {
	switch {
	case len(o.slo) > 0:
	case len(sc.Thresholds) > 0:
		o.slo = sc.Thresholds
	case o.scenario == "put":
		o.slo = []string{"put.response_time.p99 < 50ms"}
	default:
		return fmt.Errorf("%s needs an --slo, such as 'OPERATION.response_time.p99 < 50ms'", o.scenario)
	}
	o.thresholds = nil
	for _, text := range o.slo {
		t, err := results.ParseThreshold(text)
		if err != nil {
			return fmt.Errorf("--slo: %w", err)
		}
		o.thresholds = append(o.thresholds, t)
	}
	wanted := *sc
	wanted.Thresholds = o.slo
	return wanted.CheckThresholds()
}

// chooseStart finds out where to begin, and that a probe could be made there.
func (o *capacityOptions) chooseStart(fs *pflag.FlagSet, sc *workloads.Scenario, params map[string]float64) error {
	o.calm = len(sc.Disturbances) == 0
	if o.over == "" {
		if o.start == 0 {
			o.start = 200
		}
	} else {
		p, ok := sc.Parameters[o.over]
		if !ok && len(sc.Parameters) == 0 {
			return fmt.Errorf("--over %s: %s has no parameters: search over the rate, or take a scenario that has some", o.over, o.scenario)
		}
		if !ok {
			names := slices.Sorted(maps.Keys(sc.Parameters))
			return fmt.Errorf("--over %s: %s has no such parameter%s: there are %s", o.over, o.scenario, results.Nearest(o.over, names), strings.Join(names, ", "))
		}
		if v, given := params[o.over]; given && o.demand == 0 {
			o.demand = v
		}
		if o.start == 0 {
			o.start = math.Max(1, math.Round(sc.Given[o.over]/10))
		}
		if p.Min != nil {
			o.start = math.Max(o.start, *p.Min)
		}
		if p.Max != nil {
			o.most = *p.Max
		}
	}
	_, err := o.options(fs, capacity.Probe{Rate: o.start, Length: time.Second})
	return err
}
