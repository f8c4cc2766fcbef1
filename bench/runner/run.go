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

// Options is what a run needs in addition to its specification. The zero value is valid.
type Options struct {
	// ID names the run; empty means a new name.
	ID string
	// Dir is the directory of the result. It must not contain a result already. If it is empty,
	// nothing is saved.
	Dir string
	// Password is the password of the specification's user.
	Password string
	// Fleet provides the agents, if the specification requests any.
	Fleet Fleet
	// Observers are called in addition to the journal, for example for progress or live
	// metrics.
	Observers []bench.Observer
	// Cluster is a cluster that the caller has started according to the specification and stops
	// afterwards. The run treats it like one that it has started. If it is nil, the run starts
	// one.
	Cluster cluster.Cluster
	// Disturbances are made beside the load, in addition to those of the specification.
	Disturbances []bench.Disturbance
	// Notice, if not nil, is called with a description of the steps before the load, such as
	// the start of a cluster.
	Notice func(text string)
}

// Run carries out a run and returns its result. It saves the result in Dir: the document, the
// journal, captures and the members' logs. When ctx ends, the load stops, requests in flight
// are drained, and the result contains the reason. With the cause [bench.ErrInterrupted], the
// run is interrupted, which is not an error.
//
// The result is nil if nothing was measured. With an error, it holds what was measured until
// then. A [SpecError] says that the specification cannot be carried out.
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
		return nil, fieldError("", fmt.Errorf("--out: %w", err))
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

// directory returns the directory of the result, or a temporary one that remove deletes.
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

// explain adds the findings that need a second pass over the whole journal.
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

// measure starts the cluster and runs the plan. The result is nil if nothing was measured.
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
	if !s.info.Shared() { // otherwise, the cluster under test would share the collector
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
			run.Warn("unbalanced", fmt.Sprintf("%d connections do not divide evenly over %d members, so the load of the members differs: "+
				"set --conns to a multiple of %d", r.Plan.Conns, n, n))
		}
		drawViolations(run, dir.Path)
		addOutage(run, err)
		r.finish(ctx, s, dir, run)
	}
	return run, err
}

// preparationGrace is added to the request timeout for the steps before the load, whose
// requests are larger.
const preparationGrace = 5 * time.Second

// finish saves the result before the clean-up, which may take a while. The result is saved
// again after the clean-up, and only the second error is reported.
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

// findings are the observations of the cluster before the load.
type findings struct {
	otherClients *results.Warning
	trips        map[string]time.Duration
}

func (f findings) addTo(run *results.Run) {
	if f.otherClients != nil && !run.Warned(f.otherClients.Code) {
		run.Warnings = append(run.Warnings, *f.otherClients)
	}
	if f.trips != nil {
		run.Resilience = &results.Resilience{RoundTrips: f.trips}
	}
}

// survey makes the observations that the experiment requests before the load, and stops a
// member if it requests that.
func (r *Resolved) survey(ctx context.Context, s *session) (f findings, err error) {
	e := r.Spec.Experiment
	if r.Spec.Cluster.Running() {
		if e.CheckOtherClients {
			f.otherClients = s.findOtherClients(ctx, r.Spec.Cluster.Remote.Metrics)
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

// bind creates the plan's workload and disturbances for a cluster.
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
		target.Share.Count = n // other clients may write during the preparation
	}
	w, err := workloads.Compose(workloads.Composition{Name: r.Plan.Workload, Population: r.Plan.Population, Parts: parts}, target)
	if err != nil {
		return nil, options, err
	}
	if r.assignment != nil {
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
	if r.assignment != nil {
		return r.assignment.Disposable
	}
	return !r.Spec.Cluster.Running()
}

// exclusive reports whether nothing but the workload writes to the cluster.
func (r *Resolved) exclusive() bool {
	if r.assignment != nil {
		return r.assignment.Exclusive
	}
	return r.disposable() && !workloads.DisturbancesWrite(r.Scenario.PlanDisturbances())
}

// observers returns the given observers and those that write the journal, stop a stalled run
// and capture profiles.
func (r *Resolved) observers(s *session, dir *results.Dir, given []bench.Observer, stop context.CancelCauseFunc) []bench.Observer {
	list := append([]bench.Observer{bench.Journal{Dir: dir}, r.deadline(stop)}, given...)
	if r.Spec.Profile.Wanted() {
		list = append(list, r.capture(s, dir.Path))
	}
	return list
}

// sampler returns the reader of the members' metrics, or nil if the specification turns it off.
func (r *Resolved) sampler(s *session) bench.Sampler {
	if r.onStorage() || !pick(r.Spec.ServerMetrics, false, true) {
		return nil
	}
	return cluster.NewSampler(s, r.Spec.Cluster.Remote.Metrics...)
}

// capture returns the profiler of this process and of the members, except for members that run
// in this process.
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
