package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// runOptions are those of one run.
type runOptions struct {
	cluster clusterOptions

	clients, conns int
	rate           float64
	arrival        string
	duration       time.Duration
	total          uint64
	warmup         time.Duration
	timeout        time.Duration
	drain          time.Duration
	queue          int
	seed           uint64
	target         float64

	prefix        string
	keepData      bool
	allowExisting bool

	params            []string
	disturb           []string
	allowDisturbances bool
	verify            bool
	dryRun            bool
	serverMetrics     bool
	profile           profileOptions

	out           string
	output        string
	progress      string
	label         string
	metricsListen string
	gate          bool
	thresholds    []string

	scenario *workloads.Scenario
	format   report.Format
	plan     bench.Plan
	id       string
	// exporter shows the run to Prometheus, where that was asked for.
	exporter *live.Exporter
	// steer keeps the load away from a member, and faults are what befalls members,
	// where an experiment wants that; nil otherwise.
	steer  *transport.Steer
	faults func(s *session) []bench.Disturbance
	// before is called when the cluster is ready, and found is what it found.
	before func(ctx context.Context, s *session) error
	found  *results.Warning
	// given are the flags on the command line, before the scenario's settings.
	given map[string]bool
}

func newRunCommand() *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run [WORKLOAD | SCENARIO | FILE.yaml]",
		Short: "put load on a cluster and report what happened",
		Long: `Puts load on an etcd cluster and reports what happened. Without --endpoints it
starts a cluster of member processes on this machine and removes it afterwards.
The load is a workload (put unless another is named), a scenario that comes with
the program, or a scenario's file; "etcdbench workloads" lists them. Any flag
overrides a scenario.`,
		Example: `  etcdbench run
  etcdbench run put --rate 10000 --duration 1m
  etcdbench run range --span 100 --limit 100 --members 1
  etcdbench run kubernetes --param nodes=500 --dry-run
  etcdbench run --disturb defragmentation@10s,member=leader
  etcdbench run --endpoints 10.0.0.1:2379,10.0.0.2:2379 --target-leader`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "put"
			if len(args) > 0 {
				name = args[0]
			}
			if err := o.validate(cmd, name); err != nil {
				return usage(err)
			}
			if o.dryRun {
				return o.printPlan(cmd.OutOrStdout())
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	help := o.addFlags(cmd.Flags())
	cmd.SetUsageFunc(help.usage)
	return cmd
}

// addFlags registers every flag and returns them in the groups that help shows.
func (o *runOptions) addFlags(fs *pflag.FlagSet) *flagGroups {
	groups := &flagGroups{all: fs}
	o.addLoadFlags(groups)
	groups.add("Profiles", o.profile.addFlags)
	groups.add("Keys and results", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.prefix, "prefix", "", "`prefix` of every key (default: /etcdbench/RUN-ID/)")
		fs.BoolVar(&o.keepData, "keep-data", false, "leave the keys in a remote cluster")
		fs.BoolVar(&o.allowExisting, "allow-existing", false, "use a --prefix that has keys already, and delete them afterwards")
		fs.BoolVar(&o.verify, "verify", true, "after the load, prove that what was acknowledged is there (off with --endpoints unless given)")
		fs.BoolVar(&o.serverMetrics, "server-metrics", true, "read the members' metrics each second")
		fs.BoolVar(&o.allowDisturbances, "allow-disturbances", false, "let disturbances touch more of a remote cluster than the run's own keys")
		fs.StringVar(&o.label, "label", "", "your `word` for what is measured, such as a commit: histories show it")
		fs.StringVar(&o.out, "out", "", "`directory` of the result (default: results/RUN-ID)")
		fs.StringVar(&o.output, "output", "text", "what goes to standard output: "+report.Names())
		fs.BoolVar(&o.gate, "gate", false, "judge the run by its scenario's thresholds: exit 3 when one is not kept, 4 when that cannot be told")
		fs.StringArrayVar(&o.thresholds, "threshold", nil, "judge by this `bound` instead, such as 'put.response_time.p99 < 20ms'; may be repeated")
		fs.StringVar(&o.metricsListen, "metrics-listen", "", "`address` to show the run to Prometheus at while it goes on, such as :9090")
		fs.StringVar(&o.progress, "progress", "auto", "bar, plain, json or none; auto is bar on a terminal, plain elsewhere")
	})
	return groups
}

// addLoadFlags registers what decides the load and where it goes.
func (o *runOptions) addLoadFlags(groups *flagGroups) {
	groups.add("Load", func(fs *pflag.FlagSet) {
		fs.IntVar(&o.clients, "clients", 128, "virtual clients, each with one operation at a time")
		fs.IntVar(&o.conns, "conns", 8, "connections that the clients share")
		fs.Float64Var(&o.rate, "rate", 0, "arrivals per second: an open loop (0: a closed loop)")
		fs.StringVar(&o.arrival, "arrival", bench.ArrivalConstant, "arrivals of an open loop: constant or poisson")
		fs.DurationVar(&o.duration, "duration", 30*time.Second, "length of the measured phase")
		fs.Uint64Var(&o.total, "total", 0, "measure so many operations instead of a --duration")
		fs.DurationVar(&o.warmup, "warmup", 5*time.Second, "length of the warm-up (0: none)")
		fs.DurationVar(&o.timeout, "timeout", 10*time.Second, "longest time that a request may take")
		fs.DurationVar(&o.drain, "drain", 10*time.Second, "longest wait for requests in flight at the end")
		fs.IntVar(&o.queue, "queue", 0, "arrivals that may wait for a free client (0: ten seconds' worth)")
		fs.Uint64Var(&o.seed, "seed", 1, "fixes keys, values and arrivals")
		fs.StringArrayVar(&o.params, "param", nil, "parameter of a scenario, as `name=number`; may be repeated")
		fs.StringArrayVar(&o.disturb, "disturb", nil, "disturbance beside the load, as `KIND@AT[/EVERY][,name=value]`; may be repeated")
		fs.BoolVar(&o.dryRun, "dry-run", false, "print the resolved plan as a scenario, and do nothing")
		fs.Float64Var(&o.target, "target", results.DefaultTarget, "writes per second to measure against; when given, missing it exits with 3")
	})
	groups.addWorkloads()
	groups.add("A cluster to start", o.cluster.addStartFlags)
	groups.add("A cluster that runs already", o.cluster.addRemoteFlags)
}

// validate turns scenario and flags into a plan. Nothing has been started yet,
// and nothing is when it fails.
func (o *runOptions) validate(cmd *cobra.Command, name string) error {
	fs := cmd.Flags()
	o.given = map[string]bool{}
	fs.Visit(func(f *pflag.Flag) { o.given[f.Name] = true })
	if err := o.loadScenario(fs, name); err != nil {
		return err
	}
	var err error
	switch {
	case o.given["duration"] && o.given["total"]:
		return errors.New("--duration and --total exclude each other")
	case o.given["duration"] && o.duration <= 0:
		return fmt.Errorf("--duration must be positive, not %v", o.duration)
	case o.given["total"] && o.total == 0:
		return errors.New("--total must be positive")
	case o.clients < 1:
		return fmt.Errorf("--clients must be at least 1, not %d", o.clients)
	case o.conns < 1 || o.conns > maxConns:
		return fmt.Errorf("--conns must be between 1 and %d, not %d", maxConns, o.conns)
	case !(o.rate >= 0) || math.IsInf(o.rate, 0):
		return fmt.Errorf("--rate must not be negative, but is %v", o.rate)
	case o.warmup < 0:
		return fmt.Errorf("--warmup must not be negative, but is %v", o.warmup)
	case o.keepData && len(o.cluster.endpoints) == 0:
		return errors.New("--keep-data is for remote clusters: one that etcdbench starts is removed with its data")
	}
	if o.format, err = report.Find(o.output); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	if _, err := o.progressStyle(os.Stderr); err != nil {
		return err
	}
	o.id = bench.NewID(time.Now())
	if o.prefix == "" {
		o.prefix = "/etcdbench/" + o.id + "/"
	}
	if err := workloads.CheckPrefix(o.prefix); err != nil {
		return err
	}
	if o.plan, err = o.makePlan(); err != nil {
		return err
	}
	if err := bench.ValidatePlan(o.plan); err != nil {
		return err
	}
	open := slices.ContainsFunc(o.plan.Phases, func(ph bench.PlanPhase) bool { return ph.Load.Open() })
	switch {
	case o.given["arrival"] && !open:
		return errors.New("--arrival is for an open loop: it needs --rate")
	case o.given["queue"] && !open:
		return errors.New("--queue is for an open loop: it needs --rate")
	}
	if err := o.checkThresholds(); err != nil {
		return err
	}
	if err := o.profile.validate(fs, o.cluster.pprof); err != nil {
		return err
	}
	return o.cluster.validate(cmd)
}

// checkThresholds puts those of the command line into the plan.
func (o *runOptions) checkThresholds() error {
	for _, text := range o.thresholds {
		if _, err := results.ParseThreshold(text); err != nil {
			return err
		}
	}
	if len(o.thresholds) > 0 {
		o.gate, o.plan.Thresholds = true, o.thresholds
	}
	if o.gate && o.profile.wanted() {
		return errors.New("--gate does not go with profiles, which cost something: judge a run without them")
	}
	if o.gate && len(o.plan.Thresholds) == 0 {
		return fmt.Errorf("--gate: %s has no thresholds: give one with --threshold", o.scenario.Name)
	}
	return nil
}

const maxConns = 10_000

func (o *runOptions) progressStyle(stderr io.Writer) (bench.ProgressStyle, error) {
	switch s := bench.ProgressStyle(o.progress); s {
	case bench.ProgressBar, bench.ProgressPlain, bench.ProgressJSON, bench.ProgressNone:
		return s, nil
	case "auto":
		if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
			return bench.ProgressBar, nil
		}
		return bench.ProgressPlain, nil
	}
	return "", fmt.Errorf("--progress must be auto, bar, plain, json or none, not %q", o.progress)
}

func (o *runOptions) newProgress(stderr io.Writer) *bench.Progress {
	style, _ := o.progressStyle(stderr) // validated
	width := 0
	if f, ok := stderr.(*os.File); ok {
		width, _, _ = term.GetSize(int(f.Fd()))
	}
	return bench.NewProgress(stderr, style, width)
}

// resultsDir is where runs are saved that are not told where.
const resultsDir = "results"

// run does it all: directory, cluster, load, clean-up, result, report.
func (o *runOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	stop, err := o.listen(stderr)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	path := o.out
	if path == "" {
		path = filepath.Join(resultsDir, o.id)
	}
	dir, err := results.Create(path)
	if err != nil {
		return usage(fmt.Errorf("--out: %w", err))
	}
	run, err := o.measure(ctx, dir, stderr)
	if run == nil {
		closeErr := dir.Close()
		if o.out == "" {
			_ = os.Remove(resultsDir) // fails, as it should, when there is something in it
		}
		return errors.Join(err, closeErr)
	}
	if slow, err := results.Attribute(run, document(run, dir.Path).Intervals); err != nil {
		run.Warn("not-attributed", err.Error())
	} else {
		run.Slow = slow
	}
	saveErr := errors.Join(dir.WriteRun(run), dir.Close())
	if saveErr != nil {
		run.Warn("result-not-saved", saveErr.Error())
	}
	if err := writePage(document(run, path)); err != nil {
		run.Warn("no-page", err.Error())
	} else if o.progress != string(bench.ProgressNone) {
		fmt.Fprintln(stderr, "page:", filepath.Join(path, pageFile))
	}
	printErr := o.format.Write(stdout, []report.Document{document(run, path)})
	if err := errors.Join(err, saveErr, printErr); err != nil {
		return err
	}
	if err := o.verdict(run); err != nil || !o.gate {
		return err
	}
	return o.judge(run, path, stderr)
}

// measure starts the cluster and runs the plan. The result is nil when nothing
// was measured.
func (o *runOptions) measure(ctx context.Context, dir *results.Dir, stderr io.Writer) (run *results.Run, err error) {
	if o.progress != string(bench.ProgressNone) {
		o.cluster.announce(stderr)
	}
	s, err := openSession(ctx, &o.cluster, o.conns, dir.Path, o.id)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := s.close(); closeErr != nil && run != nil {
			run.Warn("clean-up-failed", closeErr.Error())
		}
	}()
	if err := o.claimPrefix(ctx, s); err != nil {
		return nil, err
	}
	if o.before != nil {
		if err := o.before(ctx, s); err != nil {
			return nil, err
		}
	}
	w, disturbances, err := o.bind(s)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go cluster.Guard(ctx, s.Members(), s.admin.Conns(), stop)

	environment := machine.Describe(ctx)
	environment.Disk = s.disk
	if !o.cluster.inProcess { // whose members share the collector
		setting, undo := machine.CalmGC(o.clients)
		defer undo()
		environment.GOGC = setting
	}
	options := bench.Options{
		ID: o.id, Label: o.label, Environment: environment, Cluster: s.info,
		Observers: o.observers(s, dir, stderr), Disturbances: disturbances,
		Sampler: o.sampler(s),
	}
	if o.faults != nil {
		options.Disturbances, options.Moments = o.faults(s), true
	}
	run, err = bench.Run(ctx, o.plan, w, options)
	if run != nil {
		if o.found != nil && !run.Warned(o.found.Code) {
			run.Warnings = append(run.Warnings, *o.found)
		}
		// Saved before the clean-up, which may take a while, and once more after
		// it; only the second error is told.
		_ = dir.WriteRun(run)
		if c, ok := s.Cluster.(*cluster.Processes); ok {
			if died := c.Died(); died != nil {
				run.Warn("member-ended", fmt.Sprintf("%v: see its log in %s", died, filepath.Join(dir.Path, results.MembersDir)))
			}
		}
		o.releasePrefix(ctx, s, run)
	}
	return run, err
}

// observers keep the journal, show progress and take profiles.
func (o *runOptions) observers(s *session, dir *results.Dir, stderr io.Writer) []bench.Observer {
	list := []bench.Observer{bench.Journal{Dir: dir}, o.newProgress(stderr)}
	if o.exporter != nil {
		list = append(list, o.exporter)
	}
	if o.profile.wanted() {
		list = append(list, o.profile.capture(s, o.cluster.pprof, dir.Path))
	}
	return list
}

// listen begins to show the run, and returns what ends it.
func (o *runOptions) listen(stderr io.Writer) (stop func() error, err error) {
	if o.metricsListen == "" {
		return func() error { return nil }, nil
	}
	l, err := net.Listen("tcp", o.metricsListen)
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen: %w", err)
	}
	if o.exporter, err = live.New(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	fmt.Fprintf(stderr, "metrics: http://%s/metrics\n", l.Addr())
	done := make(chan error, 1)
	go func() { done <- o.exporter.Serve(l) }()
	return func() error {
		_ = l.Close()
		return <-done
	}, nil
}

// sampler reads the members' metrics, unless it was told not to.
func (o *runOptions) sampler(s *session) bench.Sampler {
	if !o.serverMetrics {
		return nil
	}
	return cluster.NewSampler(s, o.cluster.metrics...)
}

// claimPrefix refuses a prefix under which a remote cluster has keys already.
func (o *runOptions) claimPrefix(ctx context.Context, s *session) error {
	if len(o.cluster.endpoints) == 0 || o.allowExisting {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	n, err := workloads.CountPrefix(ctx, s.conn(), o.prefix)
	if err != nil {
		return err
	}
	if n > 0 {
		return usage(fmt.Errorf("the cluster has %d keys under %q already: choose another --prefix, or use and delete them with --allow-existing", n, o.prefix))
	}
	return nil
}

// cleanUpTime bounds the removal of our keys from a remote cluster.
const cleanUpTime = time.Minute

func (o *runOptions) releasePrefix(ctx context.Context, s *session, run *results.Run) {
	if len(o.cluster.endpoints) == 0 || o.keepData {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if err := workloads.DeletePrefix(ctx, s.conn(), o.prefix); err != nil {
		run.Warn("keys-left", fmt.Sprintf("%v: keys may be left; remove them with: etcdctl del --prefix %q", err, o.prefix))
	}
}
