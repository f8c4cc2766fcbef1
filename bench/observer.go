package bench

import (
	"context"
	"errors"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Observer receives the intervals of a run, for example to show progress or to write the
// journal. Its methods are called one after the other from one goroutine that takes no part in
// the measurement, so a slow observer delays the next interval but no operation. An error
// becomes a warning in the result. After an error, only Finish is called.
type Observer interface {
	// Start is called before the population, with the header of the result.
	Start(run *results.Run) error
	// Interval is called each second. It must not change the interval.
	Interval(i *results.Interval) error
	// Finish is called last, with the result as it will be returned.
	Finish(run *results.Run) error
}

// Sampler reads the cluster's own metrics beside the load. Its methods are called by one
// goroutine at a time.
type Sampler interface {
	// Begin is called right before the load and may wait for a first reading. clock returns the
	// time on the run's clock.
	Begin(ctx context.Context, clock func() time.Duration)
	// Sample is called at the end of each interval, before the observers get it. It adds what
	// was read since the last call, and must not wait.
	Sample(i *results.Interval)
	// End is called when the load has ended, and adds totals to the run. It may wait for a last
	// reading until ctx ends, which is soon if the run was cancelled with an [Abort].
	End(ctx context.Context, run *results.Run)
}

// SetupObserver is an Observer that also receives the progress of the population.
type SetupObserver interface {
	Setup(done, total int)
}

// PhaseObserver is an Observer that also receives the start of each phase of the plan,
// immediately and not at the end of its first second. Phase must not wait. The drain after the
// last phase counts as a phase, too.
type PhaseObserver interface {
	Phase(ph results.PlanPhase, start time.Duration)
}

// StageObserver is an Observer that also receives the name of each activity after the last
// interval, such as the proof. Stage may be called by any goroutine.
type StageObserver interface {
	Stage(text string)
}

// observers calls a list of observers and records their errors.
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
