package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/results"
)

// Disturbance is a change that is made to the cluster beside the load, on the plan's schedule.
// Do returns a short description of what it did.
type Disturbance struct {
	results.PlanDisturbance
	// Turn, if set, waits until the disturbance can begin. That is later than planned if
	// another disturbance must end first.
	Turn func(ctx context.Context) error
	Do   func(ctx context.Context) (detail string, err error)
	// EndsLoad ends the load when Do has returned, before the phases are over.
	EndsLoad bool
}

// timeline collects events until the collector takes them.
type timeline struct {
	mu     sync.Mutex
	events []results.Event
}

func (t *timeline) add(e results.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

// take returns the events that were added since the last call.
func (t *timeline) take() []results.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events = nil
	return events
}

// disturb starts the disturbances, and returns the function that stops them.
func (e *engine) disturb() (stop func()) {
	ctx, cancel := context.WithCancel(e.requests)
	begin := e.clock.now()
	var wg sync.WaitGroup
	for _, d := range e.disturbances {
		wg.Go(func() { e.disturbOnSchedule(ctx, d, begin) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// disturbOnSchedule carries out one disturbance at its times. If it takes longer than its
// interval, it skips the times that it missed. It does not begin at the planned end of the load.
func (e *engine) disturbOnSchedule(ctx context.Context, d Disturbance, begin time.Duration) {
	length, known := e.plan.Measured()
	for next := begin + d.At; ; {
		if known && d.Every > 0 && next >= begin+length {
			return
		}
		t := time.NewTimer(next - e.clock.now())
		select {
		case <-ctx.Done():
			t.Stop()
			if d.Every <= 0 { // one that repeats may be rarer than the load is long
				e.timeline.add(results.Event{Kind: d.Kind, Start: e.clock.now(), Error: "not started: the load ended before " + d.At.String()})
			}
			return
		case <-t.C:
		}
		e.timeline.add(e.carryOutDisturbance(ctx, d))
		if d.EndsLoad {
			e.endLoad()
			return
		}
		if d.Every <= 0 {
			return
		}
		for next <= e.clock.now() {
			next += d.Every
		}
	}
}

// carryOutDisturbance carries out a disturbance once.
func (e *engine) carryOutDisturbance(ctx context.Context, d Disturbance) results.Event {
	var err error
	if d.Turn != nil {
		err = d.Turn(ctx)
	}
	event := results.Event{Kind: d.Kind, Start: e.clock.now()}
	if err == nil {
		event.Detail, err = d.Do(ctx)
	}
	event.Length = e.clock.now() - event.Start
	canceled := errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled
	switch {
	case ctx.Err() != nil && (err == nil || canceled):
		event.Error = "ended early: the load ended"
	case err != nil:
		event.Error = clip(err.Error(), 300)
	}
	return event
}

// takeEvents moves the events that were added since the last call into the run, and returns
// them.
func (e *engine) takeEvents() []results.Event {
	events := e.timeline.take()
	e.run.Events = append(e.run.Events, events...)
	slices.SortStableFunc(e.run.Events, func(a, b results.Event) int { return int(a.Start - b.Start) })
	return events
}
