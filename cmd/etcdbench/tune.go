package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/tune"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// tuneOptions are those of a tuning.
type tuneOptions struct {
	run runOptions // for its flags

	dimension             string
	heartbeats, elections []time.Duration
	values                []string
	steady                time.Duration
	rounds                int
	quick, thorough       bool
	out, resume           string
	output, progress      string

	trial      trial
	candidates []tune.Candidate
	repeats    int
	format     report.FormatOf[*results.Tuning]
}

func newTuneCommand() *cobra.Command {
	o := &tuneOptions{}
	cmd := &cobra.Command{
		Use:   "tune [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "find the heartbeat interval and election timeout that suit a network",
		Long: `Tries pairs of heartbeat interval and election timeout on clusters that it starts,
with the network that is stated (--rtt, --jitter, --zones): each under load, first
undisturbed, then with the leader killed, paused, cut off and moved, and a follower
killed. It recommends the pair that keeps steady and fails over fastest, and measures
it again in turns with the defaults. With --endpoints it makes no fault and changes
nothing: it measures round trips and fsync, and recommends by etcd's rules. With
--dimension it tries another setting. Exit codes: 0 recommended, 4 nothing to
recommend.`,
		Example: `  etcdbench tune --quick --rtt 50ms
  etcdbench tune --zones a,b,c --zone-rtt a-b=20ms --zone-rtt a-c=80ms --zone-rtt b-c=70ms
  etcdbench tune --heartbeat 50ms,100ms --election 500ms,1s,2s --rtt 40ms --jitter 5ms
  etcdbench tune --dimension snapshot-count --try 1000,10000,100000
  etcdbench tune --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379
  etcdbench tune --resume results/tune-20261120-101500-a1b2c3`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			fs := cmd.Flags()
			if err := o.validate(fs, args); err != nil {
				return usage(err)
			}
			return o.tune(cmd.Context(), fs, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *tuneOptions) addFlags(all *pflag.FlagSet) *flagGroups {
	groups := &flagGroups{all: all}
	var names []string
	for _, d := range tune.Dimensions() {
		names = append(names, d.Name)
	}
	groups.add("Tuning", func(fs *pflag.FlagSet) {
		fs.DurationSliceVar(&o.heartbeats, "heartbeat", nil, "heartbeat `intervals` to try (default: 0.5 to 1.5 round trips, and etcd's)")
		fs.DurationSliceVar(&o.elections, "election", nil, "election `timeouts` to try (default: 5 to 20 round trips, and etcd's)")
		fs.StringVar(&o.dimension, "dimension", "", "tune another setting instead: "+strings.Join(names, ", "))
		fs.StringSliceVar(&o.values, "try", nil, "`values` of the --dimension to try (default: three, etcd's among them)")
		fs.DurationVar(&o.steady, "steady", 0, "length of the undisturbed stretch (default: 30s; with --quick 6s, with --thorough 2m)")
		fs.IntVar(&o.rounds, "rounds", 0, "rounds of the comparison with the defaults, 0 for none (default: 6; with --quick 2, with --thorough 12)")
		fs.BoolVar(&o.quick, "quick", false, "two pairs besides the defaults and one fault of each kind: a first idea, in under three minutes")
		fs.BoolVar(&o.thorough, "thorough", false, "a finer grid, longer, three times")
		fs.StringVar(&o.out, "out", "", "`directory` of the runs and the result (default: results/tune-ID)")
		fs.StringVar(&o.resume, "resume", "", "go on with the tuning in this `directory`")
		fs.StringVar(&o.output, "output", "text", "what goes to standard output: "+report.Tunings().Names())
		fs.StringVar(&o.progress, "progress", "plain", "plain or none")
	})
	o.run.addLoadFlags(groups)
	return groups
}

func (o *tuneOptions) validate(fs *pflag.FlagSet, args []string) (err error) {
	if o.trial.scenario, err = scenarioOf(args, o.resume, fs); err != nil {
		return err
	}
	if o.resume != "" {
		o.out = o.resume
	}
	if o.format, err = report.Tunings().Find(o.output); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	switch {
	case fs.Changed("duration") || fs.Changed("total") || fs.Changed("warmup"):
		return errors.New("a tuning has its own phases: leave out --duration, --total and --warmup, and see --steady")
	case fs.Changed("heartbeat-interval") || fs.Changed("election-timeout"):
		return errors.New("a tuning chooses the pairs: name them with --heartbeat and --election")
	case o.quick && o.thorough:
		return errors.New("--quick and --thorough exclude each other")
	case o.steady < 0 || fs.Changed("steady") && o.steady < 2*time.Second:
		return fmt.Errorf("--steady must be two seconds or more, not %v", o.steady)
	case fs.Changed("rounds") && (o.rounds < 0 || o.rounds == 1 || o.rounds > 100):
		return fmt.Errorf("--rounds must be 0 or between 2 and 100, not %d", o.rounds)
	case o.dimension != "" && len(o.heartbeats)+len(o.elections) > 0:
		return errors.New("--dimension does not go with --heartbeat and --election")
	case o.dimension == "" && len(o.values) > 0:
		return errors.New("--try is for a --dimension")
	case o.remote() && (o.dimension != "" || len(o.heartbeats)+len(o.elections) > 0):
		return errors.New("a cluster that runs already keeps its settings: leave out --dimension, --heartbeat and --election")
	case !o.remote() && o.dimension == "" && o.run.cluster.settings.Members == 1:
		return errors.New("--members 1 has no elections: take 3 or 5")
	case o.run.cluster.inProcess:
		return errors.New("--in-process shares one process with the generator: a tuning needs members of their own")
	case o.progress != "plain" && o.progress != "none":
		return fmt.Errorf("--progress of a tuning must be plain or none, not %q", o.progress)
	}
	if err := o.run.cluster.network.Validate(); err != nil {
		return err
	}
	o.plan(fs)
	if n := o.trial.rate * o.trial.steady.Seconds(); n < leastOperations {
		return fmt.Errorf("--steady %v at %v/s has %.0f operations: a p99 needs %d or more", o.trial.steady, o.trial.rate, n, leastOperations)
	}
	if o.candidates, err = o.choose(); err != nil {
		return err
	}
	for _, c := range o.candidates {
		if _, err := o.trial.options(fs, c, 1, false); err != nil {
			return err
		}
	}
	return nil
}

// leastOperations have ten beyond their p99.
const leastOperations = 1000

func (o *tuneOptions) remote() bool { return len(o.run.cluster.endpoints) > 0 }

// plan decides how long and how often.
func (o *tuneOptions) plan(fs *pflag.FlagSet) {
	t := &o.trial
	t.rate, t.idle, t.steady, o.repeats = 200, 5*time.Second, 30*time.Second, 1
	rounds := 6
	once := []string{results.FaultKillLeader, results.FaultPauseLeader, results.FaultCutLeader, results.FaultKillFollower, results.FaultMoveLeader}
	faults, compare := slices.Repeat(once, 3), slices.Repeat(once[:3], 2)
	switch {
	case o.quick:
		t.idle, t.steady, rounds = 2*time.Second, 6*time.Second, 2
		faults, compare = once, once[:1]
	case o.thorough:
		t.steady, o.repeats, rounds = 2*time.Minute, 3, 12
	}
	if o.dimension != "" {
		t.rate = 1000
	}
	if o.dimension == "" && !o.remote() {
		t.faults, t.compare = faults, compare
	}
	if fs.Changed("rate") {
		t.rate = o.run.rate
	}
	if o.steady > 0 {
		t.steady = o.steady
	}
	if !fs.Changed("rounds") {
		o.rounds = rounds
	}
}

// choose makes the candidates.
func (o *tuneOptions) choose() ([]tune.Candidate, error) {
	effort := tune.Standard
	switch {
	case o.quick:
		effort = tune.Quick
	case o.thorough:
		effort = tune.Thorough
	}
	switch {
	case o.remote():
		return []tune.Candidate{{Name: "as it is"}}, nil
	case o.dimension != "":
		for _, d := range tune.Dimensions() {
			if d.Name == o.dimension {
				return d.Candidates(o.values), nil
			}
		}
		return nil, fmt.Errorf("--dimension must be one of those in --help, not %q", o.dimension)
	case len(o.heartbeats)+len(o.elections) == 0:
		return tune.Pairs(o.rtt(), effort), nil
	}
	if len(o.heartbeats) == 0 {
		o.heartbeats = []time.Duration{tune.DefaultHeartbeat}
	}
	if len(o.elections) == 0 {
		o.elections = []time.Duration{tune.DefaultElection}
	}
	list := tune.Grid(o.heartbeats, o.elections)
	if len(list) == 0 {
		_, err := tune.NewPair(o.heartbeats[0], o.elections[0])
		return nil, fmt.Errorf("etcd accepts none of the pairs: %w", err)
	}
	if !slices.ContainsFunc(list, func(c tune.Candidate) bool { return c.Default }) {
		list = append(tune.Grid([]time.Duration{tune.DefaultHeartbeat}, []time.Duration{tune.DefaultElection}), list...)
	}
	return list, nil
}

// rtt is the longest round trip between two members.
func (o *tuneOptions) rtt() time.Duration {
	return o.run.cluster.network.Longest(o.run.cluster.settings.Members)
}

// tuningFile is the result's document in a tuning's directory.
const tuningFile = "tuning.json"

func (o *tuneOptions) tune(ctx context.Context, fs *pflag.FlagSet, stdout, stderr io.Writer) error {
	if o.out == "" {
		o.out = filepath.Join(resultsDir, "tune-"+bench.NewID(time.Now()))
	}
	if o.resume == "" {
		if err := saveExperiment(o.out, o.trial.scenario, fs, notAskedFlags[:]); err != nil {
			return usage(fmt.Errorf("--out: %w", err))
		}
	}
	if o.remote() {
		o.rounds = 0
	}
	tell := progressPrinter(stderr, o.progress)
	tell("tuning %s with %s at %.0f/s: about %v for %s", o.subject(), o.trial.scenario, o.trial.rate, o.length(0).Round(time.Second), o.planned())
	options := tune.Options{
		Dir: o.out, Dimension: o.dimension, Candidates: o.candidates, Repeats: o.repeats, Rounds: o.rounds, RTT: o.rtt(), Failover: len(o.trial.faults) > 0, Seed: o.run.seed,
		Run:      func(ctx context.Context, t tune.Trial) (*results.Run, error) { return o.trial.run(ctx, fs, t) },
		Progress: func(p tune.Progress) { o.tell(tell, p) },
	}
	if o.dimension == "" {
		options.Dimension = results.DimensionPair
	}
	started := time.Now().Round(0)
	t, err := tune.Run(ctx, options)
	t.ID, t.Started, t.Ended, t.Rate = filepath.Base(o.out), started, time.Now().Round(0), o.trial.rate
	if o.remote() && err == nil {
		err = o.model(t)
	}
	return o.finish(t, err, stdout)
}

// planned says how many runs there will be.
func (o *tuneOptions) planned() string {
	runs := english.Plural(o.repeats*len(o.candidates), "run", "")
	if o.rounds == 0 {
		return runs
	}
	return fmt.Sprintf("%s and %d rounds of two", runs, o.rounds)
}

func (o *tuneOptions) subject() string {
	switch {
	case o.remote():
		return "by etcd's rules"
	case o.dimension != "":
		return o.dimension
	}
	return fmt.Sprintf("heartbeat interval and election timeout for round trips of %v", o.rtt())
}

// length is how long the runs from number from on take.
func (o *tuneOptions) length(from int) (sum time.Duration) {
	most := time.Duration(0)
	for i := range o.repeats * len(o.candidates) {
		c := o.candidates[i%len(o.candidates)]
		if i >= from {
			sum += o.trial.length(c, false)
		}
		if c.Default {
			most = o.trial.length(c, true)
		}
	}
	return sum + time.Duration(2*o.rounds-max(0, from-o.repeats*len(o.candidates)))*most
}

func (o *tuneOptions) tell(tell func(string, ...any), p tune.Progress) {
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
		tell("%s: %s", what, p.Finding)
	case p.Done == nil:
		if length := o.trial.length(p.Candidate, p.Compare); length >= announced {
			tell("%s: about %v", what, length.Round(time.Second))
		}
	default:
		r := p.Done.Resilience
		line := fmt.Sprintf("p99 %v", time.Duration(p.Done.Figures()["p99"]).Round(time.Millisecond))
		if r != nil {
			line += fmt.Sprintf(", %.0f elections in %v", r.Elections, r.Steady.Round(time.Second))
			for _, u := range r.Outages {
				line += fmt.Sprintf(", %s %v", u.Fault, u.Length.Round(time.Millisecond))
			}
			if r.Finding != "" {
				line += "; " + r.Finding
			}
		}
		if p.Resumed {
			line += "; was there already"
		}
		tell("%s: %s; about %v to go", what, line, o.length(p.Made).Round(time.Second))
	}
}

// model recommends by etcd's rules, from what the members said.
func (o *tuneOptions) model(t *results.Tuning) error {
	run, whole := results.ReadWhole(filepath.Join(o.out, "try-001"))
	if !whole {
		return errors.New("the observation was not completed")
	}
	rtt, fsync, err := results.NetworkAndDisk(run, document(run, filepath.Join(o.out, "try-001")).Intervals)
	if err != nil {
		return err
	}
	t.RTT, t.RTTMeasured, t.Fsync = rtt, true, fsync
	c, reasons := tune.Model(rtt, fsync)
	if r := run.Resilience; r != nil && len(r.RoundTrips) > 0 {
		trips := slices.Sorted(maps.Values(r.RoundTrips))
		reasons = append(reasons, fmt.Sprintf("our own requests take %v to the nearest member and %v to the farthest", trips[0].Round(time.Microsecond), trips[len(trips)-1].Round(time.Microsecond)))
	}
	t.Recommended, t.Settings, t.Reasons = c.Name, c.Settings, reasons
	return nil
}

// finish saves and prints what was found, and makes the exit code.
func (o *tuneOptions) finish(t *results.Tuning, tuneErr error, stdout io.Writer) error {
	page, err := report.Tunings().Find("html")
	if err != nil {
		return err
	}
	if tuneErr != nil { // of a part, there is nothing to recommend
		t.Recommended, t.Settings, t.Reasons = "", nil, []string{notFinished(tuneErr)}
	}
	// Also what an error left: the runs until then were made.
	err = saveExperimentResult(o.out, tuningFile, t, func(w io.Writer) error { return page.Write(w, t) })
	if tuneErr != nil {
		done := 0
		for _, tried := range t.Tried {
			done += len(tried.Runs)
		}
		return unfinished(tuneErr, done, "run", o.out)
	}
	if err != nil {
		return err
	}
	if err := o.format.Write(stdout, t); err != nil {
		return err
	}
	if t.Recommended == "" {
		return exitError{exitInconclusive, errors.New("nothing to recommend: " + strings.Join(t.Reasons, "; "))}
	}
	return nil
}
