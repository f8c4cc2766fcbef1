package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/scratch"
	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

// Options are what a run needs besides its specification. The zero value will do.
type Options struct {
	// ID names the run; empty means a new name.
	ID string
	// Dir is the directory of the result. It must not hold one already. Empty means
	// that nothing is kept.
	Dir string
	// Password is that of the specification's user.
	Password string
	// Fleet has the agents of a specification that asks for some.
	Fleet Fleet
	// Observers see the run beside the journal: progress, live metrics.
	Observers []bench.Observer
	// Cluster is one that the caller has started as the specification says and stops
	// afterwards. The run uses it as its own; nil means that the run starts one.
	Cluster cluster.Cluster
	// Disturbances are made beside the load, in addition to those of the specification.
	Disturbances []bench.Disturbance
	// Notice is called with what is about to be done before the load, such as the start
	// of a cluster; it may be nil.
	Notice func(text string)
}

// Run carries out a run and returns its result, which is on disk in Dir: the document,
// the journal, captures and the members' logs. When ctx ends, the load stops, requests
// in flight are drained, and the result says why; with the cause
// [bench.ErrInterrupted] it is an interrupted run and no error.
//
// The result is nil when nothing was measured. With an error, it holds what was
// measured until then. A [SpecError] says that the specification cannot be carried
// out.
func Run(ctx context.Context, spec Spec, o Options) (*results.Run, error) {
	r, err := spec.Resolve(o.ID)
	if err != nil {
		return nil, err
	}
	path, remove, err := o.directory()
	if err != nil {
		return nil, err
	}
	defer remove()
	dir, err := results.Create(path)
	if err != nil {
		return nil, within("", fmt.Errorf("--out: %w", err))
	}
	run, err := r.measure(ctx, dir, o)
	if run == nil {
		return nil, errors.Join(err, dir.Close())
	}
	r.explain(run, dir.Path)
	saveErr := errors.Join(dir.WriteRun(run), dir.Close())
	if saveErr != nil {
		run.Warn("result-not-saved", saveErr.Error())
	}
	return run, errors.Join(err, saveErr)
}

// directory is that of the result, or one that is removed again.
func (o Options) directory() (path string, remove func(), err error) {
	if o.Dir != "" {
		return o.Dir, func() {}, nil
	}
	dir, err := scratch.Make(scratch.Run)
	if err != nil {
		return "", nil, err
	}
	return dir.Path, func() { _ = dir.Remove() }, nil
}

// explain adds what is found by reading the whole journal once more.
func (r *Resolved) explain(run *results.Run, path string) {
	intervals := func(each func(*results.Interval) error) error { return results.EachInterval(path, each) }
	slow, err := judge.Attribute(run, intervals)
	if err != nil {
		run.Warn("not-attributed", err.Error())
	} else {
		run.Slow = slow
	}
	if run.Availability, err = judge.NewAvailability(run, intervals); err != nil {
		run.Warn("availability-unknown", err.Error())
	}
	if !r.Spec.Experiment.Resilience || run.Outcome != results.Completed {
		return
	}
	trips := run.Resilience
	resilience, err := judge.NewResilience(run, intervals)
	if err != nil {
		run.Warn("resilience-unknown", err.Error())
		return
	}
	if trips != nil {
		resilience.RoundTrips = trips.RoundTrips
	}
	run.Resilience = resilience
}

// measure starts the cluster and runs the plan. The result is nil when nothing
// was measured.
func (r *Resolved) measure(ctx context.Context, dir *results.Dir, o Options) (run *results.Run, err error) {
	if o.Notice != nil {
		o.Notice(r.announcement())
	}
	s, err := r.openSession(ctx, dir.Path, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := s.close(ctx); closeErr != nil && run != nil {
			run.Warn("clean-up-failed", closeErr.Error())
		}
	}()
	if err := r.claimPrefix(ctx, s); err != nil {
		return nil, err
	}
	found, err := r.survey(ctx, s)
	if err != nil {
		return nil, err
	}
	w, options, err := r.bind(s)
	if err != nil {
		return nil, err
	}
	options.Disturbances = append(options.Disturbances, o.Disturbances...)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go cluster.Guard(ctx, s, s.admin.Conns(), r.Spec.Cluster.Remote.Metrics, r.inFlight(), stop)

	options.Environment, options.Observers = machine.Describe(ctx), r.observers(s, dir, o.Observers, stop)
	options.Environment.Disk = s.disk
	if !s.info.Shared() { // what is measured would share the collector
		setting, undo := machine.TuneGC()
		defer undo()
		options.Environment.GOGC = setting
	}
	if r.Spec.Agents.Count > 0 {
		watch := r.watchOutage(ctx, s, options.Disturbances, stop)
		options.Observers = append(options.Observers, watch)
		if options.Fleet, err = r.assign(ctx, s, o.Fleet, options, watch); err != nil {
			return nil, err
		}
	}
	run, err = bench.Run(ctx, r.Plan, w, options)
	if run != nil {
		found.addTo(run)
		if n := r.endpoints(); r.Plan.Conns%n != 0 {
			run.Warn("unbalanced", fmt.Sprintf("%d connections on %d members: some of them, the leader first, get more load than others; "+
				"give a multiple with --conns", r.Plan.Conns, n))
		}
		drawViolations(run, dir.Path)
		addOutage(run, err)
		r.finish(ctx, s, dir, run)
	}
	return run, err
}

// preparationGrace is added to the timeout of a request for the answers to what comes
// before the load, which comes in larger pieces.
const preparationGrace = 5 * time.Second

// finish saves what was measured before the clean-up, which may take a while; it is
// saved once more after it, and only the second error is reported.
func (r *Resolved) finish(ctx context.Context, s *session, dir *results.Dir, run *results.Run) {
	_ = dir.WriteRun(run)
	if c, ok := s.Cluster.(*cluster.Processes); ok {
		if died := c.Died(); died != nil {
			run.Warn("member-ended", fmt.Sprintf("%v: see its log in %s", died, filepath.Join(dir.Path, results.MembersDir)))
		}
	}
	r.releasePrefix(ctx, s, run)
	r.checkSpace(ctx, s, run)
}

// findings are what was seen before the load.
type findings struct {
	others *results.Warning
	trips  map[string]time.Duration
}

func (f findings) addTo(run *results.Run) {
	if f.others != nil && !run.Warned(f.others.Code) {
		run.Warnings = append(run.Warnings, *f.others)
	}
	if f.trips != nil {
		run.Resilience = &results.Resilience{RoundTrips: f.trips}
	}
}

// survey does what experiments ask for before the load.
func (r *Resolved) survey(ctx context.Context, s *session) (f findings, err error) {
	e := r.Spec.Experiment
	if r.Spec.Cluster.Running() {
		if e.CheckOthers {
			f.others = s.findOthers(ctx, r.Spec.Cluster.Remote.Metrics)
		}
		if e.Resilience {
			f.trips = s.roundTrips(ctx)
		}
	}
	if e.MemberDown {
		err = s.killFollower(ctx)
	}
	return f, err
}

// bind makes the plan's workload and disturbances for a cluster.
func (r *Resolved) bind(s *session) (bench.Workload, bench.Options, error) {
	options := bench.Options{ID: r.ID, Label: r.Spec.Label, Cluster: s.info, Sampler: r.sampler(s)}
	if p := s.load.Poller(); p != nil {
		options.Poller = p
	}
	parts, err := workloads.Parts(r.Plan.Entries())
	if err != nil {
		return nil, options, err
	}
	target := workloads.Target{
		Conns: s.recorded(s.loadConns()), Members: s.recorded(s.admin.Conns()), Prefix: r.Plan.Prefix, Seed: r.Plan.Seed,
		Faults: s.faultMembers(),
		Verify: r.Plan.Verify, Disposable: r.disposable(), Patience: r.patience(),
		Exclusive: r.exclusive() && !s.kept, Share: r.share, LeaseTag: s.leaseTag,
	}
	if n := r.Spec.Agents.Count; n > 0 {
		target.Share.Count = n // others write beside the preparation
	}
	w, err := workloads.Compose(workloads.Composition{Name: r.Plan.Workload, Population: r.Plan.Population, Parts: parts}, target)
	if err != nil {
		return nil, options, err
	}
	if r.given != nil {
		return w, options, nil
	}
	if options.Disturbances, err = workloads.Bind(r.Scenario.PlanDisturbances(), target); err != nil {
		return nil, options, err
	}
	options.Moments = slices.ContainsFunc(r.Plan.Phases, func(ph results.PlanPhase) bool { return ph.Load.Open() })
	if r.Spec.Experiment.Faults != nil {
		faults, err := r.faults(target)
		if err != nil {
			return nil, options, err
		}
		options.Disturbances, options.Moments = append(options.Disturbances, faults...), true
	}
	return w, options, nil
}

// disposable reports whether the cluster is removed after the run.
func (r *Resolved) disposable() bool {
	if r.given != nil {
		return r.given.Disposable
	}
	return !r.Spec.Cluster.Running()
}

// exclusive reports whether nothing but the workload writes to the cluster.
func (r *Resolved) exclusive() bool {
	if r.given != nil {
		return r.given.Exclusive
	}
	return r.disposable() && !workloads.DisturbancesWrite(r.Scenario.PlanDisturbances())
}

// observers keep the journal, stop a run that stands still and take profiles, beside those that were given.
func (r *Resolved) observers(s *session, dir *results.Dir, given []bench.Observer, stop context.CancelCauseFunc) []bench.Observer {
	list := append([]bench.Observer{bench.Journal{Dir: dir}, r.deadline(stop)}, given...)
	if r.Spec.Profile.Wanted() {
		list = append(list, r.capture(s, dir.Path))
	}
	return list
}

// sampler reads the members' metrics, unless the specification turns that off.
func (r *Resolved) sampler(s *session) bench.Sampler {
	if r.onStorage() || !pick(r.Spec.ServerMetrics, false, true) {
		return nil
	}
	return cluster.NewSampler(s, r.Spec.Cluster.Remote.Metrics...)
}

// capture profiles the members, unless they run in this process, and this process.
func (r *Resolved) capture(s *session, runDir string) *profiles.Capture {
	sources := []profiles.Source{profiles.Self{}}
	if !s.info.Shared() {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.TLS(), DisableKeepAlives: true}}
		addresses := cluster.HTTPAddresses(s, r.Spec.Cluster.Remote.Pprof)
		for i, m := range s.Members() {
			sources = append(sources, profiles.Server{Member: m.Label(), Address: addresses[i], Client: client})
		}
	}
	p := r.Spec.Profile
	return profiles.NewCapture(profiles.Options{RunDir: runDir, Sources: sources, Kinds: p.Kinds, Anomaly: pick(p.OnAnomaly, 0, 0)})
}
