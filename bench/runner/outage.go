package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
)

const (
	// outageTime is how long no member answers before the cluster counts as gone.
	outageTime = 5 * time.Second
	// quietTime is how long no interval with a completed operation arrives, beside the time
	// between the messages of agents. What an agent measures arrives up to two seconds later.
	quietTime = 2 * time.Second
	// lostTime is how long no member answers, once the agents have failed, before the
	// coordinator counts as cut off.
	lostTime = 2 * time.Second
	// askEvery is the time between questions to the members.
	askEvery = 250 * time.Millisecond
)

// errGone is why a run over agents fails whose cluster is gone.
var errGone = fmt.Errorf("no member of the cluster under test answers: neither the agents nor the coordinator got an answer for %v; "+
	"check its members and the network", outageTime)

// errCutOff is added to the failures of agents that the coordinator cannot reach.
var errCutOff = fmt.Errorf("no member of the cluster under test has answered the coordinator for %v either; "+
	"check the coordinator's network", lostTime)

// outage is an observer that aborts a run over agents when no member of the cluster
// answers the agents or this process any more.
type outage struct {
	// quiet is quietTime and the time between the messages of agents.
	quiet time.Duration
	// tolerated says that members are stopped on purpose, or outages measured: the load
	// goes on.
	tolerated bool
	stop      context.CancelCauseFunc

	mu sync.Mutex
	// answered is when a member answered this process, completed when an interval arrived
	// with completed operations, or without any that were due.
	answered, completed time.Time
	// failing says that operations were due since then, and none completed.
	failing bool
	// failure is why the load has failed.
	failure error
}

var _ bench.Observer = (*outage)(nil)

func (r *Resolved) newOutage(disturbances []bench.Disturbance, stop context.CancelCauseFunc, now time.Time) *outage {
	return &outage{
		quiet:     quietTime + bench.PublishTime(r.Spec.Agents.Count),
		tolerated: len(disturbances) > 0 || r.Spec.Experiment.MemberDown || r.Spec.Experiment.Resilience,
		stop:      stop, answered: now, completed: now,
	}
}

// watchOutage begins to ask the members, which have answered before, until ctx ends.
func (r *Resolved) watchOutage(ctx context.Context, s *session, disturbances []bench.Disturbance, stop context.CancelCauseFunc) *outage {
	o := r.newOutage(disturbances, stop, time.Now())
	go o.ask(ctx, s.admin.Conns())
	go o.watch(ctx)
	return o
}

// ask asks the members until ctx ends. One question takes up to a second.
func (o *outage) ask(ctx context.Context, conns []grpc.ClientConnInterface) {
	for ctx.Err() == nil {
		if cluster.Answers(ctx, conns) {
			o.answer(time.Now())
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}

func (o *outage) answer(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answered = now
}

// watch checks the times until ctx ends.
func (o *outage) watch(ctx context.Context) {
	t := time.NewTicker(askEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			o.check(time.Now())
		}
	}
}

// check aborts the run where the cluster is gone, or this process cut off from it and from
// the agents.
func (o *outage) check(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	silent := now.Sub(o.answered)
	switch {
	case o.failure != nil && silent >= lostTime:
		o.stop(bench.NewAbort(errors.Join(o.failure, errCutOff)))
	case !o.tolerated && o.failing && silent >= outageTime && now.Sub(o.completed) >= o.quiet:
		o.stop(bench.NewAbort(errGone))
	}
}

// loadEnded takes the end of the load, with an error where agents did not finish it.
func (o *outage) loadEnded(err error) {
	o.mu.Lock()
	o.failure = err
	o.mu.Unlock()
	o.check(time.Now())
}

// Interval implements [bench.Observer].
func (o *outage) Interval(i *results.Interval) error {
	o.take(time.Now(), i)
	return nil
}

func (o *outage) take(now time.Time, i *results.Interval) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := i.InFlight+i.Queued > 0
	for _, op := range i.Asked() {
		due = due || op.Offered > 0 || op.Failed+op.Unfinished > 0
	}
	if o.failing = due && i.Completed() == 0; !o.failing {
		o.completed = now
	}
}

// Start implements [bench.Observer].
func (*outage) Start(*results.Run) error { return nil }

// Finish implements [bench.Observer].
func (*outage) Finish(*results.Run) error { return nil }

// addOutage makes a run invalid whose cluster was gone.
func addOutage(run *results.Run, err error) {
	if !errors.Is(err, errGone) {
		return
	}
	run.Validity.Verdict = results.Invalid
	run.Validity.Reasons = append(run.Validity.Reasons, results.Reason{
		Code: "cluster-gone", Severity: results.Invalid, Value: outageTime.Seconds(), Limit: outageTime.Seconds(),
		Message: errGone.Error(), Remedy: "repeat the run with a cluster that answers",
	})
}
