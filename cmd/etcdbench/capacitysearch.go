package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// options are those of a probe's run.
func (o *capacityOptions) options(fs *pflag.FlagSet, p capacity.Probe) (*runOptions, error) {
	e := o.effort(fs)
	flags := map[string]string{
		"duration": p.Length.String(), "warmup": e.warmup.String(), "verify": "false", "progress": "none", "prefix": capacityPrefix,
	}
	if o.over != "" {
		flags["param"] = fmt.Sprintf("%s=%v", o.over, p.Rate)
	} else {
		flags["rate"] = fmt.Sprint(p.Rate)
	}
	remote := len(o.run.cluster.endpoints) > 0
	if p.Stage == results.StageSoak && !remote && o.calm && e.compactions > 0 {
		// What etcd has to do besides befalls a long run sooner or later.
		every := p.Length / time.Duration(e.compactions+1)
		flags["disturb"] = fmt.Sprintf("compaction@%v/%v", every, every)
	}
	r, err := side{name: "slo"}.options(fs, o.scenario, flags)
	if err != nil {
		return nil, err
	}
	switch {
	case p.MemberDown:
		r.steer = &transport.Steer{}
		r.before = func(ctx context.Context, s *session) error { return killFollower(ctx, s, r.steer) }
	case remote:
		r.before = r.lookForOthers
	}
	return r, nil
}

// killFollower takes a member away, and the load with it.
func killFollower(ctx context.Context, s *session, steer *transport.Steer) error {
	c, ok := s.Cluster.(*cluster.Processes)
	if !ok {
		return errors.New("only a member with a process of its own can be killed")
	}
	leader, err := cluster.Leader(ctx, s.admin.Conns(), -1)
	if err != nil {
		return err
	}
	victim := (leader + 1) % len(c.Members())
	steer.Avoid(victim)
	return c.Kill(victim)
}

// othersFor is how long a cluster is looked at before a probe; what others do in it
// is told when it is more than a request a second.
const othersFor = time.Second

func (o *runOptions) lookForOthers(ctx context.Context, s *session) error {
	writes, reads := cluster.Others(ctx, s, othersFor, o.cluster.metrics...)
	if writes+reads > 1 {
		found := results.OthersUse(fmt.Sprintf("%.0f writes/s and %.0f reads/s", writes, reads))
		o.found = &found
	}
	return nil
}

// sweepShares are those of the maximum at which the curve is measured.
var sweepShares = [...]float64{0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.1}

// capacityFile is the result's document in a search's directory.
const capacityFile = "capacity.json"

func (o *capacityOptions) search(ctx context.Context, fs *pflag.FlagSet, stdout, stderr io.Writer) error {
	if o.out == "" {
		o.out = filepath.Join(resultsDir, "capacity-"+bench.NewID(time.Now()))
	}
	if o.resume == "" {
		if err := saveExperiment(o.out, o.scenario, fs, notAskedFlags[:]); err != nil {
			return usage(fmt.Errorf("--out: %w", err))
		}
	}
	tell := progressPrinter(stderr, o.progress)
	e := o.effort(fs)
	tell("capacity of %s under %v: about %v, in probes of %v", o.scenario, o.slo, o.length(fs, e).Round(time.Minute), e.probe)
	started := time.Now().Round(0)
	var list []*results.Capacity
	var err error
	for repeat := range e.repeat {
		dir := o.out
		if e.repeat > 1 {
			dir = filepath.Join(o.out, fmt.Sprintf("search-%02d", repeat+1))
			tell("search %d of %d", repeat+1, e.repeat)
		}
		var c *results.Capacity
		c, err = capacity.Run(ctx, o.searchOptions(fs, e, dir, uint64(repeat), tell))
		for i := range c.Probes {
			c.Probes[i].Dir, _ = filepath.Rel(o.out, filepath.Join(dir, c.Probes[i].Dir))
		}
		list = append(list, c)
		if err != nil {
			break
		}
	}
	c := list[len(list)-1]
	if err == nil && len(list) > 1 {
		c = results.JoinCapacities(list)
	}
	c.ID, c.Started, c.Ended, c.Over = filepath.Base(o.out), started, time.Now().Round(0), o.over
	if o.demand > 0 && c.Low > 0 {
		c.NewPlan(o.demand, o.safe, o.growth)
	}
	return o.finish(c, err, fs.Changed("target"), stdout)
}

// sweeps says that the curve is measured: unless it is to be quick.
func (o *capacityOptions) sweeps(fs *pflag.FlagSet) bool {
	return o.sweep && (!o.quick || fs.Changed("sweep"))
}

// length is how long it takes if no probe is unclear.
func (o *capacityOptions) length(fs *pflag.FlagSet, e effort) time.Duration {
	probes := 15
	if o.quick {
		probes = 11
	}
	if o.sweeps(fs) {
		probes += len(sweepShares)
	}
	if o.demand > 0 {
		probes += 2
	}
	return time.Duration(e.repeat) * (time.Duration(probes)*(e.probe+e.warmup+slotOverhead) + e.soak)
}

func (o *capacityOptions) searchOptions(fs *pflag.FlagSet, e effort, dir string, repeat uint64, tell func(string, ...any)) capacity.Options {
	cl := &o.run.cluster
	search := capacity.Options{
		Dir: dir, SLO: o.thresholds, Start: o.start, Precision: e.precision, Length: e.probe, Soak: e.soak, Extensions: e.extensions, Seed: o.run.seed + repeat,
		Alpha: e.alpha, Factor: e.factor, Step: e.step, Whole: o.over != "", Most: o.most, Unit: o.unit(),
		MemberDown: o.demand > 0 && repeat == 0 && len(cl.endpoints) == 0 && cl.settings.Members > 1 && !cl.inProcess,
		Run: func(ctx context.Context, p capacity.Probe) (results.ComparedRun, error) {
			r, err := o.options(fs, p)
			if err != nil {
				return results.ComparedRun{}, err
			}
			run, err := r.measureInto(ctx, p.Dir)
			if err != nil {
				return results.ComparedRun{}, err
			}
			return results.ComparedRun{Run: run, Intervals: document(run, p.Dir).Intervals}, nil
		},
		Progress: func(p capacity.Progress) { o.tell(tell, p) },
	}
	if o.sweeps(fs) && repeat == 0 {
		search.Sweep = sweepShares[:]
	}
	return search
}

// unit follows a rate, or a parameter's value.
func (o *capacityOptions) unit() string {
	if o.over != "" {
		return " " + o.over
	}
	return "/s"
}

func (o *capacityOptions) tell(tell func(string, ...any), p capacity.Progress) {
	line := fmt.Sprintf("probe %d, %s: %.0f%s", p.Number, p.Stage, p.Rate, o.unit())
	if p.Done == nil {
		if p.Length >= announced {
			tell("%s for %v", line, p.Length)
		}
		return
	}
	line += " " + p.Done.Verdict
	if p.Done.Reason != "" {
		line += " (" + p.Done.Reason + ")"
	}
	if p.Resumed {
		line += ", was there already"
	}
	tell("%s; %v or more to go", line, max(0, p.Left-p.Length).Round(time.Second))
}

// finish saves and prints what was found, and makes the exit code.
func (o *capacityOptions) finish(c *results.Capacity, searchErr error, wantTarget bool, stdout io.Writer) error {
	broken := searchErr != nil && !errors.Is(searchErr, capacity.ErrHopeless) && !errors.Is(searchErr, capacity.ErrUnclear)
	if broken && c.High == 0 {
		c.Stopped = notFinished(searchErr)
	}
	writes := 0.0
	if o.scenario == "put" {
		writes = 1
	}
	c.JudgeTarget(o.run.target, writes)
	page, err := report.Capacities().Find("html")
	if err != nil {
		return err
	}
	// Also what an error left: the probes until then were made.
	err = saveExperimentResult(o.out, capacityFile, c, func(w io.Writer) error { return page.Write(w, c) })
	if broken {
		return unfinished(searchErr, len(c.Probes), "probe", o.out)
	}
	if err != nil {
		return err
	}
	if err := o.format.Write(stdout, c); err != nil {
		return err
	}
	switch {
	case errors.Is(searchErr, capacity.ErrUnclear):
		return exitError{exitInconclusive, fmt.Errorf("%w; take a higher --start or a longer --probe-duration", searchErr)}
	case searchErr != nil:
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
