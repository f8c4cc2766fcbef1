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
	// outageTime is the time without an answer from any member after which the cluster counts
	// as gone.
	outageTime = 5 * time.Second
	// quietTime is the time without an interval with a completed operation, in addition to the
	// time between two messages of an agent. An agent's measurements arrive up to two seconds
	// later.
	quietTime = 2 * time.Second
	// lostTime is the time without an answer from any member, after the agents have failed,
	// from which on the coordinator counts as cut off.
	lostTime = 2 * time.Second
	// queryInterval is the time between two requests to the members.
	queryInterval = 250 * time.Millisecond
)

// errGone is the failure of a distributed run when the cluster does not answer any more.
var errGone = fmt.Errorf("no member of the cluster under test responded to the agents or the coordinator for %v: "+
	"check its members and the network", outageTime)

// errCutOff is added to the agents' failures when the coordinator cannot reach the cluster
// either.
var errCutOff = fmt.Errorf("no member of the cluster under test responded to the coordinator for %v: "+
	"check the coordinator's network", lostTime)

// outage is an observer that aborts a distributed run when no member of the cluster answers the
// agents or this process any more.
type outage struct {
	// quiet is quietTime plus the time between two messages of an agent.
	quiet time.Duration
	// tolerated says that members are stopped on purpose, or that outages are measured: the
	// load continues.
	tolerated bool
	stop      context.CancelCauseFunc

	mu sync.Mutex
	// answered is when a member last answered this process. completed is when the last interval
	// arrived that had completed operations or no operations due.
	answered, completed time.Time
	// failing says that since then, operations were due and none was completed.
	failing bool
	// failure is the error of the load.
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

// watchOutage starts to query the members until ctx ends. The members must have answered
// before.
func (r *Resolved) watchOutage(ctx context.Context, s *session, disturbances []bench.Disturbance, stop context.CancelCauseFunc) *outage {
	o := r.newOutage(disturbances, stop, time.Now())
	go o.query(ctx, s.admin.Conns())
	go o.watch(ctx)
	return o
}

// query sends requests to the members until ctx ends. One request takes up to a second.
func (o *outage) query(ctx context.Context, conns []grpc.ClientConnInterface) {
	for ctx.Err() == nil {
		if cluster.Answers(ctx, conns) {
			o.answer(time.Now())
		}
		select {
		case <-ctx.Done():
		case <-time.After(queryInterval):
		}
	}
}

func (o *outage) answer(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answered = now
}

// watch checks the outage times until ctx ends.
func (o *outage) watch(ctx context.Context) {
	t := time.NewTicker(queryInterval)
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

// check aborts the run if the cluster is gone, or if this process has lost both the cluster and
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

// loadEnded records the end of the load. err says that agents did not finish it.
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

// addOutage makes the run invalid if err says that its cluster was gone.
func addOutage(run *results.Run, err error) {
	if !errors.Is(err, errGone) {
		return
	}
	run.Validity.Verdict = results.Invalid
	run.Validity.Reasons = append(run.Validity.Reasons, results.Reason{
		Code: "cluster-gone", Severity: results.Invalid, Value: outageTime.Seconds(), Limit: outageTime.Seconds(),
		Message: errGone.Error(), Remedy: "repeat the run when the cluster responds",
	})
}
