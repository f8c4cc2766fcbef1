package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/scratch"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Progress is the progress of a ladder.
type Progress struct {
	Rung, Rungs int
	Size        int64
	// Activity is the present activity. Share is its completed part, between 0 and 1. Left is the
	// remaining time of the activity; 0 if it is unknown.
	Activity string
	Share    float64
	Left     time.Duration
	// Done is the complete rung; nil before that. Resumed says that it was complete already.
	Done    *results.ScaleRung
	Resumed bool
}

// ladder is the state of an experiment.
type ladder struct {
	*Experiment
	experiment.Options
	out  *results.Scale
	tell func(p Progress)
	site *site
	// present is the number of objects in the cluster.
	present int64
	// speed is the speed of the populations so far, including those of earlier sessions.
	speed speed
}

// The stages of a rung before its events. The stages of events have the names of their kinds.
const (
	startStage      = "start of the cluster"
	populationStage = "population"
	steadyStage     = "steady state"
)

// Run measures the ladder. The document holds the rungs so far, also with an error.
func (e *Experiment) Run(ctx context.Context, o experiment.Options, progress func(p Progress)) (*results.Scale, error) {
	l := &ladder{Experiment: e, Options: o, tell: progress, out: &results.Scale{
		Schema: results.ScaleSchema, ID: filepath.Base(o.Dir), Started: time.Now().Round(0), Workload: e.first.Scenario.Name,
		Rate: *e.spec(0).Load.Rate, Sizes: e.sizes, ObjectSize: e.objectSize, Values: e.values(),
	}}
	err := experiment.Prepare(ctx, o.Dir, e.first)
	if err == nil {
		err = l.climb(ctx)
	}
	if ctx.Err() != nil { // the interrupted activity returned another error
		err = context.Cause(ctx)
	}
	if l.site != nil {
		err = errors.Join(err, l.site.stop())
	}
	l.out.Fits, l.out.Ended = judge.ScaleFits(l.out), time.Now().Round(0)
	if err != nil {
		l.out.Stopped = experiment.NotFinished(err)
		err = experiment.Unfinished(err, fmt.Sprintf("%d of %d rungs", len(l.out.Rungs), len(e.sizes)), o.Dir)
	}
	return l.out, err
}

// rungFile is the name of a rung's document in its directory.
const rungFile = "rung.json"

// climb measures the missing rungs. It stops without an error if the next rung does not fit, or
// if a member did not recover.
func (l *ladder) climb(ctx context.Context) error {
	for i := range l.sizes {
		name := fmt.Sprintf("rung-%02d", i+1)
		dir := filepath.Join(l.Dir, name)
		r, there := l.stored(dir)
		if there {
			l.speed.add(r.Added*l.objectSize, r.Populated)
		} else {
			if err := l.prepare(ctx, i); err != nil || l.out.Stopped != "" {
				return err
			}
			if err := results.SetAside(dir); err != nil {
				return err
			}
			r = &results.ScaleRung{Number: i + 1, Dir: name, Objects: l.objects(i), Size: l.objects(i) * l.objectSize}
			if err := l.rung(ctx, i, r, dir); err != nil {
				return err
			}
			if len(r.Findings) == 0 { // otherwise a resumed experiment repeats the rung
				if err := save(dir, r); err != nil {
					return err
				}
			}
		}
		l.out.Rungs = append(l.out.Rungs, *r)
		l.tell(Progress{Rung: i + 1, Rungs: len(l.sizes), Size: l.sizes[i], Done: r, Resumed: there})
		if n := len(r.Findings); n > 0 {
			l.out.Stopped = fmt.Sprintf("stopped after rung %d: %s", i+1, r.Findings[n-1])
			return nil
		}
	}
	return nil
}

// prepare checks that a rung fits, and starts the cluster if it does not run yet.
func (l *ladder) prepare(ctx context.Context, rung int) error {
	dir := l.Dir
	if given := l.base.Cluster.Start.DataDir; given != "" {
		dir = given
	}
	if err := l.checkSpace(rung, dir, l.present*l.objectSize); err != nil {
		l.out.Stopped = fmt.Sprintf("stopped before rung %d: %v", rung+1, err)
		return nil
	}
	if l.site != nil {
		return nil
	}
	l.tell(Progress{Rung: rung + 1, Rungs: len(l.sizes), Size: l.sizes[rung], Activity: startStage})
	started, err := l.start(ctx, dir)
	if err != nil {
		return err
	}
	l.site, err = newSite(started.Cluster.(*cluster.Processes), l.base.Prefix+objectsPrefix)
	l.site.close = append(l.site.close, started.Stop)
	return err
}

// start starts the cluster. Its data has a directory of its own below dir, because the members
// of a killed session may not have ended yet.
func (l *ladder) start(ctx context.Context, dir string) (*runner.Started, error) {
	for _, path := range scratch.AbandonedData(l.Dir) {
		_ = scratch.RemoveAbandoned(path) // the command clean finds the rest
	}
	r := *l.first
	r.Spec.Cluster.Start.DataDir = dir
	return r.StartCluster(ctx, l.Dir)
}

// stored returns the rung of an earlier session.
func (l *ladder) stored(dir string) (*results.ScaleRung, bool) {
	data, err := results.ReadFile(filepath.Join(dir, rungFile), 1<<26)
	if err != nil {
		return nil, false
	}
	r := new(results.ScaleRung)
	if json.Unmarshal(data, r) != nil || r.Dir == "" {
		return nil, false
	}
	if run, ok := results.ReadWhole(filepath.Join(dir, steadyDir)); ok {
		l.out.Cluster, l.out.Environment = run.Cluster, run.Environment
	}
	return r, true
}

func save(dir string, r *results.ScaleRung) error {
	data, err := results.Encode(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, rungFile), data, 0o644); err != nil {
		return fmt.Errorf("save rung: %w", err)
	}
	return nil
}

// The directories of a rung's runs.
const (
	steadyDir      = "steady"
	eventsDir      = "events"
	restorationDir = "restoration"
)

// rung measures one rung. It returns an error if the rung is not complete.
func (l *ladder) rung(ctx context.Context, i int, r *results.ScaleRung, dir string) error {
	tell := func(what string) {
		l.tell(Progress{Rung: i + 1, Rungs: len(l.sizes), Size: l.sizes[i], Activity: what})
	}
	if err := l.populate(ctx, i, r); err != nil {
		return err
	}
	tell(steadyStage)
	if err := l.steadyState(ctx, i, r, filepath.Join(dir, steadyDir)); err != nil || len(r.Findings) > 0 {
		return err
	}
	for _, part := range l.parts(i, r.Size) {
		if err := l.events(ctx, part, r, filepath.Join(dir, part.name), tell); err != nil || len(r.Findings) > 0 {
			return err
		}
	}
	return nil
}

// part is a run during which steps are made.
type part struct {
	name  string
	spec  runner.Spec
	steps []step
}

// parts returns the runs of a rung during which steps are made. A run with a proof ends before
// the restoration, in which the cluster loses acknowledged writes.
func (l *ladder) parts(i int, size int64) []part {
	spec := l.eventSpec(i)
	steps := slices.Concat(l.maintenance(func() int64 { return size }), l.recovery())
	if !*spec.Verify {
		return []part{{eventsDir, spec, append(steps, l.restoration()...)}}
	}
	without := l.eventSpec(i)
	without.Verify = new(false)
	return []part{{eventsDir, spec, steps}, {restorationDir, without, l.restoration()}}
}

// steadyState measures the load without steps.
func (l *ladder) steadyState(ctx context.Context, i int, r *results.ScaleRung, dir string) error {
	memory, stop := watchMemory(ctx, l.site)
	run, err := l.MeasureOn(ctx, l.spec(i), dir, l.site.Processes)
	stop()
	if err := checkComplete(ctx, run, err); err != nil {
		return err
	}
	for k := range r.Members {
		r.Members[k].Resident, r.Members[k].Peak = memory.of(r.Members[k].Name)
	}
	r.Operations, r.Validity = judge.NewScaleOperations(run), run.Validity.Verdict
	r.Cost, r.WriteAmplification = l.cost(run)
	l.out.Cluster, l.out.Environment = run.Cluster, run.Environment
	addProof(r, run, dir)
	return nil
}

// addProof adds the violations of a run's proof to the findings of the rung. dir is the
// directory of the run.
func addProof(r *results.ScaleRung, run *results.Run, dir string) {
	if run.Proof != nil && run.Proof.Verdict == results.Violated {
		r.Violations += run.Proof.Found
		path := filepath.Join(r.Dir, filepath.Base(dir))
		r.Findings = append(r.Findings, fmt.Sprintf("proof violated: %s, see %s", english.Plural(int(run.Proof.Found), "violation", ""), path))
	}
}

// checkComplete returns an error if a run is not complete.
func checkComplete(ctx context.Context, run *results.Run, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case run.Outcome != results.Completed:
		return errors.New(run.Reason)
	}
	return nil
}

// cost returns the cost of an operation of the measured phase, summed over all members, and the
// bytes that were written to disks per byte of keys and values.
func (l *ladder) cost(run *results.Run) (figures map[string]float64, amplification float64) {
	if run.Server == nil {
		return nil, 0
	}
	at := slices.IndexFunc(run.Server.Cost, func(c results.Cost) bool { return c.Member == "" && run.Measures(c.Phase) })
	if at < 0 {
		return nil, 0
	}
	c, written := run.Server.Cost[at], uint64(0)
	for _, o := range run.Operations {
		if o.Phase == c.Phase && o.Write && !o.Arrived {
			written += o.Completed
		}
	}
	if l.own && written > 0 {
		amplification = c.Figures["disk_written"] * float64(c.Operations) / float64(int64(written)*l.objectSize)
	}
	return c.Figures, amplification
}

// slowest is the speed of the slowest step, in bytes per second. leastStep is the time of a
// step in addition to it.
const slowest, leastStep = 5e6, 2 * time.Minute

// events makes steps during the load and saves their findings.
func (l *ladder) events(ctx context.Context, p part, r *results.ScaleRung, dir string, tell func(what string)) error {
	q := &sequence{
		steps: p.steps, site: l.site, lead: l.lead, recovery: healthyTimeout, tell: tell,
		most: leastStep + time.Duration(float64(r.Size)/slowest*float64(time.Second)),
	}
	run, err := l.MeasureOn(ctx, p.spec, dir, l.site.Processes, q.disturbance())
	if err := checkComplete(ctx, run, err); err != nil {
		return err
	}
	at := slices.IndexFunc(run.Events, func(e results.Event) bool { return e.Kind == sequenceKind })
	if at < 0 {
		return errors.New("the events of the rung did not take place")
	}
	intervals := func(each func(*results.Interval) error) error { return results.EachInterval(dir, each) }
	for _, e := range q.events {
		e.Start += run.Events[at].Start
		if e.Skipped == "" {
			if e.Effect, err = judge.NewScaleEffect(run, intervals, e.Start, e.Length, undisturbedTime(l.lead)); err != nil {
				return err
			}
		}
		r.Events = append(r.Events, e)
	}
	addProof(r, run, dir)
	if text := run.Events[at].Error; text != "" {
		r.Findings = append(r.Findings, text)
	}
	return nil
}
