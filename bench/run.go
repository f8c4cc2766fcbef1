package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// The phases of every run in addition to those of its plan.
const (
	PhasePopulate = "populate"
	PhaseDrain    = results.PhaseDrain
)

// TeardownFailed is the code of the warning that the workload's Teardown returned an error.
const TeardownFailed = "teardown-failed"

// The time limits of the clean-up and of the proof.
const (
	TeardownTimeout = 30 * time.Second
	verifyTimeout   = 5 * time.Minute
)

// ErrInterrupted is the cause with which to cancel a run's context when its user requested the
// end. Any other cause makes the run a failed one; see also [Abort].
var ErrInterrupted = errors.New("interrupted")

// Options configures a run, in addition to its plan and workload. The zero value is valid.
type Options struct {
	// ID names the run; empty means a new one. Label is the user's label for the run.
	ID, Label   string
	Environment results.Environment
	Cluster     results.Cluster
	Observers   []Observer
	// Sampler reads the cluster's own metrics; nil means that nothing reads them.
	Sampler Sampler
	// Disturbances are made beside the load; their schedules become part of the plan.
	Disturbances []Disturbance
	// Poller handles answers while the engine waits for the next arrival; nil means that
	// answers are handled elsewhere.
	Poller Poller
	// Moments counts the outcomes of arrivals in steps of ten milliseconds, for the measurement
	// of outages: see NewUnavailability in results/judge.
	Moments bool
	// Share is the part of the plan that this process carries out. Peers connects it to the
	// processes that carry out the other parts. Either both are set or neither.
	Share Share
	Peers Peers
	// Fleet generates the load in other processes; nil means that this process generates it.
	Fleet Fleet

	sleeper func() sleeper
	// processCPU returns the CPU time that this process has used.
	processCPU func() time.Duration
}

// Run carries out the plan and returns its result. When ctx ends, the load stops, requests in
// flight are drained, and the result contains the reason. The result is nil only if nothing was
// started. With an error, it holds what was measured until then.
func Run(ctx context.Context, plan Plan, w Workload, opts Options) (*results.Run, error) {
	if err := ValidatePlan(plan); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if opts.ID == "" {
		opts.ID = NewID(time.Now())
	}
	if opts.sleeper == nil {
		opts.sleeper = newSleeper
	}
	if opts.processCPU == nil {
		opts.processCPU = machine.ProcessCPU
	}
	if plan.Workload == "" {
		plan.Workload = w.Name()
	}
	if n, ok := w.(TransportNamer); ok && plan.Transport == "" {
		plan.Transport = n.Transport()
	}
	plan.Disturbances = nil
	for _, d := range opts.Disturbances {
		plan.Disturbances = append(plan.Disturbances, d.PlanDisturbance)
	}
	run := &results.Run{
		Schema: results.Schema, ID: opts.ID, Label: opts.Label, Outcome: results.Completed, Started: time.Now().Round(0),
		Plan: plan, Environment: opts.Environment, Cluster: opts.Cluster,
		Target: results.Target{Writes: plan.Target, Verdict: results.TargetUndecided},
	}
	e := &engine{
		plan: plan, workload: w, kinds: w.Kinds(), run: run,
		observers: newObservers(opts.Observers), sampler: opts.Sampler,
		disturbances: opts.Disturbances, newSleeper: opts.sleeper, processCPU: opts.processCPU, poller: opts.Poller,
		share: opts.Share, peers: opts.Peers, fleet: opts.Fleet,
	}
	if opts.Moments {
		e.moments = newMoments(plan)
	}
	err := e.observers.start(run)
	if err == nil {
		err = e.execute(ctx)
	}
	if err != nil {
		run.Outcome, run.Reason = results.Failed, err.Error()
	}
	if cause := context.Cause(ctx); ctx.Err() != nil {
		run.Outcome, run.Reason = results.Failed, cause.Error()
		if errors.Is(cause, ErrInterrupted) || errors.Is(cause, context.Canceled) {
			run.Outcome, err = results.Interrupted, nil
		} else {
			err = cause
		}
	}
	run.Ended = time.Now().Round(0)
	judgeTarget(run)
	return run, errors.Join(err, e.observers.finish(run))
}

// engine holds the state of one run.
type engine struct {
	plan       Plan
	workload   Workload
	kinds      []Kind
	run        *results.Run
	observers  *observers
	newSleeper func() sleeper
	processCPU func() time.Duration
	share      Share
	peers      Peers // nil where the share is the whole plan
	fleet      Fleet // nil where the load is generated here
	poller     Poller
	// oneGoroutine says that no other goroutine carries out or receives operations.
	oneGoroutine bool

	sampler      Sampler
	disturbances []Disturbance
	endLoad      func()
	timeline     timeline
	moments      *moments
	stops        stops
	sink         *Sink

	clock  clock
	errors errorTable
	// current is the phase that clients work on; nil once the load has stopped.
	current atomic.Pointer[phase]
	phases  []atomic.Pointer[phase] // by place in the plan; nil until the phase begins
	// recorders holds the recorders that no phase uses.
	recorders chan *Recorder
	// working counts the clients that have not finished.
	working sync.WaitGroup
	// requests is the parent of every request's context. Cancelling it ends the requests that
	// the drain did not wait for.
	requests context.Context

	collector *collector
}

func (e *engine) execute(ctx context.Context) (err error) {
	// An interrupt stops the load, but not the requests in flight: the drain waits for them.
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	e.requests = requests
	defer func() {
		ctx, cancel := CleanUp(ctx, TeardownTimeout)
		defer cancel()
		if teardownErr := e.workload.Teardown(ctx); teardownErr != nil {
			e.run.Warn(TeardownFailed, teardownErr.Error())
		}
	}()
	if e.fleet != nil {
		return e.runFleet(ctx)
	}
	clients, receiver, err := e.prepare(ctx)
	if err != nil {
		return err
	}
	if e.sampler != nil {
		e.sampler.Begin(ctx, e.now)
	}
	if err := e.startClock(ctx); err != nil {
		return err
	}
	e.sink.open.Store(true)
	e.collector = newCollector(e, receiver != nil)
	e.oneGoroutine = receiver == nil && !slices.ContainsFunc(clients, func(c *client) bool { return c.starter == nil })
	stopBackground := e.background()
	usage := machine.ReadUsage()
	endStops := e.watchStops(ctx)
	e.load(ctx, clients, cancel)
	endStops()
	stopBackground()
	if e.peers != nil {
		err = e.peers.Drained(ctx)
	}
	if receiver != nil {
		e.detach(ctx, receiver)
	}
	e.sink.close()
	var collectErr error
	e.run.Operations, collectErr = e.collector.finish(usage)
	err = errors.Join(err, collectErr)
	e.endSampling(ctx)
	err = errors.Join(err, e.judgeValidity(e.collector.used, &e.collector.lag, e.run.Operations))
	if e.peers != nil {
		return errors.Join(err, e.handOver(ctx))
	}
	return errors.Join(err, e.prove(ctx))
}

// endSampling adds the totals of the sampler to the run, and a warning if other clients have
// written to the cluster.
func (e *engine) endSampling(ctx context.Context) {
	if e.sampler == nil {
		return
	}
	ctx, cancel := CleanUp(ctx, TeardownTimeout)
	defer cancel()
	e.sampler.End(ctx, e.run)
	if n, _ := results.ForeignWrites(e.run); n > 1 {
		others := results.OtherClientsWarning(fmt.Sprintf("%.0f writes/s", n))
		e.run.Warn(others.Code, others.Message)
	}
}

// prepare carries out all steps before the load. The receiver is nil if the workload does not
// implement [Receiver].
func (e *engine) prepare(ctx context.Context) ([]*client, Receiver, error) {
	begin := time.Now()
	failed := func(err error) error { return fmt.Errorf("set up %s: %w", e.workload.Name(), err) }
	if e.peers == nil {
		if err := e.workload.Setup(ctx, e.observers.setup); err != nil {
			return nil, nil, failed(err)
		}
	}
	if o, ok := e.workload.(Opener); ok {
		if err := o.Open(ctx, e.observers.setup); err != nil {
			return nil, nil, failed(err)
		}
	}
	clients, err := e.newClients(ctx)
	if err != nil {
		return nil, nil, err
	}
	e.makeRecorders()
	e.phases = make([]atomic.Pointer[phase], len(e.plan.Phases))
	e.sink = &Sink{sinkState: &sinkState{engine: e}}
	receiver, _ := e.workload.(Receiver)
	if receiver != nil {
		if err := receiver.Attach(ctx, e.sink); err != nil {
			e.detach(ctx, receiver)
			return nil, nil, failed(err)
		}
	}
	populated := time.Since(begin)
	e.run.Phases = []results.Phase{{Name: PhasePopulate, Start: -populated, Length: populated}}
	return clients, receiver, nil
}

// now returns the time on the run's clock, and 0 before the load.
func (e *engine) now() time.Duration {
	if e.clock.start.IsZero() {
		return 0
	}
	return e.clock.now()
}

// detach lets the receiver wait for at most the time of a drain, and not at all after an
// interrupt.
func (e *engine) detach(ctx context.Context, r Receiver) {
	drain, cancel := context.WithTimeout(ctx, e.plan.Drain)
	defer cancel()
	r.Detach(drain)
}

// workersAtOnce bounds how many workers are created concurrently: some of them open a stream or
// a session.
const workersAtOnce = 32

func (e *engine) newClients(ctx context.Context) ([]*client, error) {
	first, count := e.share.Divide(e.plan.Clients)
	clients := make([]*client, count)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workersAtOnce)
	for i := range clients {
		g.Go(func() error {
			worker, err := e.workload.NewWorker(ctx, first+i)
			if err != nil {
				return fmt.Errorf("client %d of %s: %w", first+i, e.workload.Name(), err)
			}
			clients[i] = e.newClient(first+i, worker)
			return nil
		})
	}
	return clients, g.Wait()
}

// background runs the workload's background task, and returns the function that stops it.
func (e *engine) background() (stop func()) {
	b, ok := e.workload.(Backgrounder)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithCancel(e.requests)
	done := make(chan error, 1)
	go func() { done <- b.Background(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			e.run.Warn("background-failed", err.Error())
		}
	}
}

// load runs the plan's phases and then drains the requests. It returns when every client has
// finished.
func (e *engine) load(ctx context.Context, clients []*client, cancelRequests func()) {
	var (
		last            *phase
		endDisturbances func()
	)
	cancelStarted := context.AfterFunc(e.requests, func() {
		for _, c := range clients {
			if c.starter != nil {
				c.starter.Cancel()
			}
		}
	})
	defer cancelStarted()
	run := ctx
	ctx, e.endLoad = context.WithCancel(run)
	defer e.endLoad()
	if e.peers != nil {
		go e.endWithPeers(ctx)
	}
	for i, pp := range e.plan.Phases {
		ph := e.newPhase(i, pp, last)
		e.enter(ph, last)
		if i == 0 {
			e.begin(clients)
		}
		if endDisturbances == nil && !pp.Warmup {
			endDisturbances = e.disturb()
		}
		ph.drive(ctx)
		last = ph
		if ctx.Err() != nil {
			break
		}
	}
	last.stop(e.clock.now())
	e.enter(nil, last)
	if endDisturbances != nil {
		endDisturbances()
	}

	drained := time.AfterFunc(e.plan.Drain, cancelRequests)
	defer onAbort(run, func(*Abort) { cancelRequests() })() // only now: no client starts another request
	e.working.Wait()
	drained.Stop()
}

// enter makes ph the phase that clients work on and ends the previous one.
func (e *engine) enter(ph, last *phase) {
	if ph != nil && last != nil {
		n := last.endNumbers()
		ph.earlier, ph.before = append(slices.Clone(last.earlier), n), last.before+n
	}
	e.current.Store(ph)
	e.collector.enter(ph, last)
	if last == nil {
		return
	}
	last.release(ph)
}
