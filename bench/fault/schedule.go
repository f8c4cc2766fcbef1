package fault

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// Schedule is a list of faults that are made one after the other: one waits until the
// one before it is over, which a split vote can make later than planned.
type Schedule struct {
	Kinds []string // in their order, see [Named]
	// Bind returns what a disturbance of package results does.
	Bind     func(results.PlanDisturbance) (func(ctx context.Context) (string, error), error)
	Election time.Duration
	// Begin is when the first is made, from the start of the first measured phase.
	Begin time.Duration

	broken atomic.Bool
}

// Spacing is the time between two faults.
func Spacing(election time.Duration) time.Duration { return 2*election + recoveryTime }

// Length is how long all faults take. In the end there is time for the load to go on
// when they are over and, where some may have waited, for one election more.
func (f *Schedule) Length() time.Duration {
	length := time.Duration(len(f.Kinds))*Spacing(f.Election) + backTime
	if len(f.Kinds) > 1 {
		length += 2 * f.Election
	}
	return length
}

const backTime = time.Second

// Disturbances are the faults, for a run.
func (f *Schedule) Disturbances() ([]bench.Disturbance, error) {
	var list []bench.Disturbance
	last := make(chan struct{}) // closed when the fault before is over
	close(last)
	for i, kind := range f.Kinds {
		before, over := last, make(chan struct{})
		plan, ok := Named(kind)
		if !ok {
			return nil, errors.New("unknown fault " + kind)
		}
		do, err := f.Bind(plan)
		if err != nil {
			return nil, err
		}
		plan.Kind, plan.At = kind, f.Begin+time.Duration(i)*Spacing(f.Election)
		list = append(list, bench.Disturbance{
			PlanDisturbance: plan,
			Turn:            func(ctx context.Context) error { return turn(ctx, before) },
			Do: func(ctx context.Context) (string, error) {
				defer close(over)
				return f.do(ctx, do)
			},
		})
		last = over
	}
	return list, nil
}

// turn returns when the fault before is over; if that was not so already, a moment
// later, so that the load is as usual again.
func turn(ctx context.Context, before <-chan struct{}) error {
	select {
	case <-before:
		return nil
	default:
	}
	select {
	case <-before:
		sleep(ctx, settleTime)
	case <-ctx.Done():
	}
	return ctx.Err()
}

// do makes one fault, unless one before it could not be undone.
func (f *Schedule) do(ctx context.Context, fault func(ctx context.Context) (string, error)) (string, error) {
	if f.broken.Load() {
		return "", errors.New("skipped: the cluster has not recovered from the previous fault")
	}
	detail, err := fault(ctx)
	if errors.Is(err, errNotBack) {
		f.broken.Store(true)
	}
	return detail, err
}
