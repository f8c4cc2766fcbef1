package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Fleet generates the load of a run in other processes, the agents. Each agent carries out its
// [Share] of the plan. The engine prepares the cluster, makes the disturbances, reads the
// metrics and makes the proof.
type Fleet interface {
	// Start prepares every agent and passes it the handover of the workload's Setup. It returns
	// the time at which the load begins, on this process's clock.
	Start(ctx context.Context, handover []byte) (time.Time, error)
	// Load calls each, in order, with the merged measurements of all agents for each stretch of
	// the run. It returns when the agents have sent all measurements. When ctx ends, it ends
	// the load; with the cause [ErrLoadEnded], that is a planned end. An error names the agents
	// that did not finish their shares.
	Load(ctx context.Context, each func(*results.Interval)) error
	// Reports returns the reports of the agents, by index. It must be called after Load.
	Reports() []Report
	// Release has the agents clean up, waits for them, and returns their warnings.
	Release(ctx context.Context) []results.Warning
}

// ErrLoadEnded is the cause with which a disturbance ends the load of a fleet before its phases
// have ended; see [Disturbance].
var ErrLoadEnded = errors.New("the load ended with its disturbance")

// Report is the report of one agent.
type Report struct {
	Agent results.Agent
	// Run is the result of the agent's share, or nil if the agent did not finish it.
	Run *results.Run
	// Evidence is the agent's part of the proof; see [Sharer].
	Evidence []byte
}

// frequent is the largest number of agents that each send an interval every second.
const frequent = 50

// PublishTime returns the time between two interval messages of one agent in a run with that
// many agents. It grows with the number of agents, so that the coordinator's message rate stays
// bounded.
func PublishTime(agents int) time.Duration {
	return time.Second * time.Duration(max(1, (agents+frequent-1)/frequent))
}

// runFleet carries out the plan with the agents of the fleet.
func (e *engine) runFleet(ctx context.Context) error {
	begin := time.Now()
	sharer, ok := e.workload.(Sharer)
	if !ok {
		return fmt.Errorf("%s cannot be run by several agents", e.workload.Name())
	}
	if err := e.workload.Setup(ctx, e.observers.setup); err != nil {
		return fmt.Errorf("set up %s: %w", e.workload.Name(), err)
	}
	handover, err := sharer.Handover()
	if err != nil {
		return err
	}
	if e.sampler != nil {
		e.sampler.Begin(ctx, e.now)
	}
	defer func() {
		ctx, cancel := CleanUp(ctx, TeardownTimeout)
		defer cancel()
		e.run.Warnings = append(e.run.Warnings, e.fleet.Release(ctx)...)
	}()
	start, err := e.fleet.Start(ctx, handover)
	if err != nil {
		return err
	}
	e.clock = clock{start: start}
	populated := time.Since(begin)
	e.run.Phases = []results.Phase{{Name: PhasePopulate, Start: -populated, Length: populated}}
	totals, err := e.follow(ctx)
	err = errors.Join(err, e.sumUp(totals, e.fleet.Reports()))
	e.endSampling(ctx)
	return errors.Join(err, e.accept(ctx, sharer, e.fleet.Reports()))
}

// follow shows the agents' intervals to the observers, and makes the disturbances, until the
// load has ended.
func (e *engine) follow(ctx context.Context) (totals *results.Totals, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	e.endLoad = func() { end(ErrLoadEnded) }
	totals = results.NewTotals()
	intervals, loaded := make(chan *results.Interval), make(chan error, 1)
	go func() {
		loaded <- e.fleet.Load(ctx, func(i *results.Interval) { intervals <- i })
		close(intervals)
	}()
	next, at := 0, time.Duration(0) // the next phase and its start
	var endDisturbances func()
	timer := time.NewTimer(-e.clock.now())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if next == len(e.plan.Phases) || ctx.Err() != nil {
				continue
			}
			ph := e.plan.Phases[next]
			e.observers.phase(ph, at)
			if endDisturbances == nil && !ph.Warmup {
				endDisturbances = e.disturb()
			}
			at += ph.Duration
			if next++; ph.Total == 0 { // a phase with a Total is the last one
				timer.Reset(at - e.clock.now())
			}
		case i, ok := <-intervals:
			if !ok {
				if endDisturbances != nil {
					endDisturbances()
				}
				return totals, errors.Join(err, <-loaded)
			}
			if i.Phase == PhaseDrain && endDisturbances != nil {
				endDisturbances()
				endDisturbances = func() {}
			}
			err = errors.Join(err, e.show(i, totals))
		}
	}
}

// show adds one interval to the totals and shows it to the observers.
func (e *engine) show(i *results.Interval, totals *results.Totals) error {
	i.Events = e.takeEvents()
	if e.sampler != nil {
		e.sampler.Sample(i)
	}
	err := totals.Add(i)
	e.observers.interval(i)
	return err
}

// sumUp fills the run with the agents' measurements: the sum of their results if all agents
// have finished, and otherwise the sum of the intervals that they had sent.
func (e *engine) sumUp(totals *results.Totals, reports []Report) error {
	phases := totals.Phases()
	complete := true
	var list []results.Operation
	for k := range reports {
		r := &reports[k]
		if r.Run == nil {
			complete = false
			continue
		}
		for _, ph := range r.Run.Phases {
			for i := range phases {
				if phases[i].Name == ph.Name {
					phases[i].Backlog += ph.Backlog
				}
			}
		}
		list = append(list, r.Run.Operations...)
	}
	e.run.Phases = append(e.run.Phases, phases...)
	counted, err := totals.Operations()
	e.run.Operations = counted
	if err == nil && complete {
		if e.run.Operations, err = sumOperations(e.run, list); err == nil {
			err = compareTotals(counted, e.run.Operations)
		}
	}
	for _, r := range reports {
		e.run.Agents = append(e.run.Agents, r.Agent)
	}
	e.run.Validity = fleetValidity(reports)
	return err
}

// sumOperations adds up the operations of all agents, by phase and kind.
func sumOperations(run *results.Run, list []results.Operation) (sums []results.Operation, err error) {
	var order [][2]string
	parts := map[[2]string][]results.Operation{}
	for _, o := range list {
		key := [2]string{o.Phase, o.Op}
		if parts[key] == nil {
			order = append(order, key)
		}
		parts[key] = append(parts[key], o)
	}
	for _, key := range order {
		sum, err := results.Sum(run.Length(func(phase string) bool { return phase == key[0] }), parts[key]...)
		if err != nil {
			return nil, err
		}
		if sum.Errors == nil {
			sum.Errors = []results.ErrorClass{}
		}
		sums = append(sums, sum)
	}
	return sums, nil
}

// compareTotals checks that the sum of the intervals, which the journal holds, equals the sum
// of the results.
func compareTotals(intervals, sums []results.Operation) error {
	counted := map[[2]string]results.Operation{}
	for _, o := range intervals {
		counted[[2]string{o.Phase, o.Op}] = o
	}
	for _, o := range sums {
		c := counted[[2]string{o.Phase, o.Op}]
		if c.Offered != o.Offered || c.Completed != o.Completed || c.ResponseTime.Count != o.ResponseTime.Count {
			return fmt.Errorf("%s in phase %s: the agents' intervals have %d operations offered and %d completed, their results %d and %d",
				o.Op, o.Phase, c.Offered, c.Completed, o.Offered, o.Completed)
		}
	}
	return nil
}

// accept gives the agents' evidence to the workload and makes the proof. If the evidence of an
// agent is missing, there is no proof.
func (e *engine) accept(ctx context.Context, sharer Sharer, reports []Report) error {
	for _, r := range reports {
		if r.Run == nil {
			e.setNotProved(fmt.Sprintf("agent %d did not report its writes: %s", r.Agent.Index, r.Agent.Failure))
			return nil
		}
		if err := sharer.Accept(r.Evidence); err != nil {
			return err
		}
	}
	return e.prove(ctx)
}

// fleetValidity returns the worst validity of all agents with one reason of each kind. The
// reason names the agents that it applies to.
func fleetValidity(reports []Report) results.Validity {
	v := results.Validity{Verdict: results.Valid, Reasons: []results.Reason{}}
	add := func(agent int, r results.Reason) {
		if r.Severity == results.Invalid || v.Verdict == results.Valid {
			v.Verdict = r.Severity
		}
		i := slices.IndexFunc(v.Reasons, func(o results.Reason) bool { return o.Code == r.Code })
		named := fmt.Sprintf("agent %d: ", agent)
		switch {
		case i < 0:
			r.Message = named + r.Message
			v.Reasons = append(v.Reasons, r)
		case r.Severity == results.Invalid && v.Reasons[i].Severity != results.Invalid:
			r.Message = named + r.Message
			v.Reasons[i] = r
		case !strings.HasSuffix(v.Reasons[i].Message, otherAgents):
			v.Reasons[i].Message += otherAgents
		}
	}
	for _, r := range reports {
		for _, reason := range r.Agent.Validity.Reasons {
			add(r.Agent.Index, reason)
		}
		if r.Agent.Failure != "" {
			add(r.Agent.Index, results.Reason{
				Code: "agent-lost", Severity: results.Invalid, Value: 1,
				Message: fmt.Sprintf("%s; operations of its share that were not offered: %d", r.Agent.Failure, r.Agent.NotOffered),
				Remedy:  "repeat the run with all agents",
			})
		}
		v.Generator = mergeGenerators(v.Generator, r.Agent.Validity.Generator)
	}
	return v
}

const otherAgents = "; other agents also"

// mergeGenerators adds up the times and counts of two generators. Of shares and pauses, it
// takes the worse.
func mergeGenerators(a, b results.Generator) results.Generator {
	lag, err := results.MergeLatency(a.SendLag, b.SendLag)
	if err != nil {
		lag = a.SendLag
	}
	g := results.Generator{
		SendLag: lag, Achieved: b.Achieved, Waited: max(a.Waited, b.Waited),
		CPU: max(a.CPU, b.CPU), CPUTime: a.CPUTime + b.CPUTime, Machine: max(a.Machine, b.Machine),
		Members: max(a.Members, b.Members), OtherCPUShare: max(a.OtherCPUShare, b.OtherCPUShare), Steal: max(a.Steal, b.Steal),
		Throttled: max(a.Throttled, b.Throttled), GCs: a.GCs + b.GCs, GCPause: max(a.GCPause, b.GCPause),
		GCPauseMax: max(a.GCPauseMax, b.GCPauseMax), SchedP99: max(a.SchedP99, b.SchedP99), MaxRSS: max(a.MaxRSS, b.MaxRSS),
		Shared: a.Shared || b.Shared, Stops: a.Stops + b.Stops, Stopped: max(a.Stopped, b.Stopped), StopMax: max(a.StopMax, b.StopMax),
	}
	if a.Achieved > 0 {
		g.Achieved = min(a.Achieved, b.Achieved)
	}
	return g
}
