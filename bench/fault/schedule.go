package fault

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// Schedule is a list of faults that are made one after the other. Each fault waits for the end
// of the previous one, which a split vote can delay.
type Schedule struct {
	Kinds []string // in their order, see [Named]
	// Bind returns the function that makes a disturbance of package results.
	Bind     func(results.PlanDisturbance) (func(ctx context.Context) (string, error), error)
	Election time.Duration
	// Begin is the time of the first fault, since the start of the first measured phase.
	Begin time.Duration

	broken atomic.Bool
}

// Spacing returns the planned time between the starts of two faults.
func Spacing(election time.Duration) time.Duration { return 2*election + recoveryTime }

// Length returns the time of all faults. It includes time for the load to recover after the
// last one and, if faults may have waited, for one more election.
func (f *Schedule) Length() time.Duration {
	length := time.Duration(len(f.Kinds))*Spacing(f.Election) + backTime
	if len(f.Kinds) > 1 {
		length += 2 * f.Election
	}
	return length
}

const backTime = time.Second

// Disturbances returns the faults as disturbances of a run.
func (f *Schedule) Disturbances() ([]bench.Disturbance, error) {
	var list []bench.Disturbance
	last := make(chan struct{}) // closed when the previous fault is over
	close(last)
	for i, kind := range f.Kinds {
		previous, over := last, make(chan struct{})
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
			Turn:            func(ctx context.Context) error { return turn(ctx, previous) },
			Do: func(ctx context.Context) (string, error) {
				defer close(over)
				return f.do(ctx, do)
			},
		})
		last = over
	}
	return list, nil
}

// turn waits until the previous fault is over. If it had to wait, it waits for a moment more,
// so that the load has recovered.
func turn(ctx context.Context, previous <-chan struct{}) error {
	select {
	case <-previous:
		return nil
	default:
	}
	select {
	case <-previous:
		sleep(ctx, settleTime)
	case <-ctx.Done():
	}
	return ctx.Err()
}

// do makes one fault, unless a previous one could not be undone.
func (f *Schedule) do(ctx context.Context, fault func(ctx context.Context) (string, error)) (string, error) {
	if f.broken.Load() {
		return "", errors.New("skipped: the cluster has not recovered from the previous fault")
	}
	detail, err := fault(ctx)
	if errors.Is(err, errNotRecovered) {
		f.broken.Store(true)
	}
	return detail, err
}
