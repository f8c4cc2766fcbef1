package bench

import (
	"context"
	"errors"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Observer watches a run: progress, journal, metrics. Its methods are called
// one after the other from one goroutine that measures nothing, so a slow
// observer delays the next interval's line but no operation. An error is kept
// as a warning in the result, and the observer is not called again but for
// Finish.
type Observer interface {
	// Start comes before the population, with the header of the result.
	Start(run *results.Run) error
	// Interval comes each second. The interval must not be changed.
	Interval(i *results.Interval) error
	// Finish comes last, with the result as it will be returned.
	Finish(run *results.Run) error
}

// Sampler reads what the cluster says of itself, beside the load. Its methods are
// called by one goroutine at a time.
type Sampler interface {
	// Begin comes right before the load and may wait for a reading. clock is the
	// run's.
	Begin(ctx context.Context, clock func() time.Duration)
	// Sample comes at each interval's end, before the observers see it, and must
	// not wait: it adds what was read since the last call.
	Sample(i *results.Interval)
	// End comes when the load is over, and adds totals to the run.
	End(run *results.Run)
}

// SetupObserver is an Observer that also wants to see the population grow.
type SetupObserver interface {
	Setup(done, total int)
}

// PhaseObserver is an Observer that also wants to know when a phase of the plan
// begins, at once and not only when its first second is over. It must not wait.
// The drain after the last one is a phase, too.
type PhaseObserver interface {
	Phase(ph results.PlanPhase, start time.Duration)
}

// StageObserver is an Observer that also wants to know what goes on after the last
// interval, such as the proof. Stage may be called by any goroutine.
type StageObserver interface {
	Stage(text string)
}

// observers calls a list of observers and keeps what went wrong.
type observers struct {
	list   []Observer
	failed []error // by place in the list
}

func newObservers(list []Observer) *observers {
	return &observers{list: list, failed: make([]error, len(list))}
}

func (o *observers) start(run *results.Run) error {
	var errs []error
	for _, ob := range o.list {
		errs = append(errs, ob.Start(run))
	}
	return errors.Join(errs...)
}

func (o *observers) setup(done, total int) {
	for _, ob := range o.list {
		if s, ok := ob.(SetupObserver); ok {
			s.Setup(done, total)
		}
	}
}

func (o *observers) interval(i *results.Interval) {
	for k, ob := range o.list {
		if o.failed[k] == nil {
			o.failed[k] = ob.Interval(i)
		}
	}
}

func (o *observers) phase(ph results.PlanPhase, start time.Duration) {
	for _, ob := range o.list {
		if s, ok := ob.(PhaseObserver); ok {
			s.Phase(ph, start)
		}
	}
}

func (o *observers) stage(text string) {
	for _, ob := range o.list {
		if s, ok := ob.(StageObserver); ok {
			s.Stage(text)
		}
	}
}

// finish adds the warnings to the run and hands it over.
func (o *observers) finish(run *results.Run) error {
	for _, err := range o.failed {
		if err != nil {
			run.Warn("observer-failed", err.Error())
		}
	}
	var errs []error
	for _, ob := range o.list {
		errs = append(errs, ob.Finish(run))
	}
	return errors.Join(errs...)
}
