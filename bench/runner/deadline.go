package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// stallTime is the time, in addition to the request timeout, after which a phase with a Total
// ends if all its operations fail.
const stallTime = 30 * time.Second

// deadline is an observer that stops a run in a phase with a Total and no other end, when no
// operation succeeds any more.
type deadline struct {
	limit   time.Duration
	stop    context.CancelCauseFunc
	counted bool // the phase ends after a number of operations
	// since is the time of the last success, or of the first failure after it. failed says that
	// operations have failed since then.
	since  time.Duration
	failed bool
}

var _ bench.PhaseObserver = (*deadline)(nil)

func (r *Resolved) deadline(stop context.CancelCauseFunc) *deadline {
	return &deadline{limit: r.Plan.Timeout + stallTime, stop: stop}
}

// Phase implements [bench.PhaseObserver].
func (d *deadline) Phase(ph results.PlanPhase, start time.Duration) {
	d.counted, d.since, d.failed = ph.Total > 0, start, false
}

// Interval implements [bench.Observer].
func (d *deadline) Interval(i *results.Interval) error {
	end := i.Start + i.Length
	for _, o := range i.Asked() {
		d.failed = d.failed || o.Failed+o.Unfinished > 0
	}
	switch {
	case !d.counted || i.Completed() > 0:
		d.since, d.failed = end, false
	case d.failed && end-d.since >= d.limit:
		d.stop(fmt.Errorf("no operation succeeded for %v: check that the cluster has a leader and is not overloaded", d.limit))
	}
	return nil
}

// Start implements [bench.Observer].
func (*deadline) Start(*results.Run) error { return nil }

// Finish implements [bench.Observer].
func (*deadline) Finish(*results.Run) error { return nil }

// Limit returns an upper bound of the run's length if the cluster stops answering at any time:
// the sum of the deadlines of all stages. A phase with a Total counts with the time after which
// it ends if no operation succeeds. The population counts as estimated: it continues as long as
// the cluster answers.
func (r *Resolved) Limit() time.Duration {
	p := r.Plan
	// The steps before and after the load, which end with a request that gets no answer.
	sum := r.Estimate() + 2*r.patience()
	// The drain of requests, and the wait of receivers.
	sum += 2 * p.Drain
	for _, ph := range p.Phases {
		if ph.Total > 0 {
			sum += p.Timeout + stallTime
		}
	}
	if r.Spec.Cluster.Running() {
		return sum + pick(r.Spec.Cluster.DialTimeout, 0, DefaultDialTimeout) + bench.TeardownTimeout + 2*releaseTime
	}
	return sum + r.Settings.StartTimeout
}

// patience returns the time for which the preparation and the proof wait for the next answer.
// An election may be in progress: it takes at most two election timeouts unless votes are
// split.
func (r *Resolved) patience() time.Duration {
	return r.Plan.Timeout + preparationGrace + 2*r.Settings.ElectionTimeout
}

// announcement describes the steps before the load, and the estimated length of the run.
func (r *Resolved) announcement() string {
	var text string
	switch {
	case r.Spec.Cluster.Running():
		text = "connecting to the cluster"
	case r.onStorage():
		text = "opening etcd's storage layer in this process"
	case r.Version != "":
		text = fmt.Sprintf("building etcd %s if necessary, and starting a cluster of %d", r.Version, r.Settings.Members)
	default:
		text = fmt.Sprintf("starting an etcd cluster of %d", r.Settings.Members)
	}
	return fmt.Sprintf("%s; estimated time: %v, at most %v if the cluster stops answering", text,
		r.Estimate().Round(time.Second), r.Limit().Round(time.Second))
}
