package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Every arrival is in the moment for which it was intended, whatever became of it.
func TestMomentsHoldEveryArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func(ctx context.Context, op *Op) error {
			if err := wait(ctx, 40*time.Millisecond); err != nil {
				return err
			}
			if op.N%7 == 0 {
				return errors.New("refused")
			}
			return nil
		}
		// Five clients do 125 a second of 200: some wait, and some find the queue full.
		plan := measurePlan(5, PlanPhase{Duration: 4 * time.Second, Load: Load{Rate: 200}})
		plan.QueueLimit, plan.Drain = 50, 100*time.Millisecond
		kept := &momentLog{}
		o := virtual()
		o.Moments, o.Observers = true, []Observer{kept}
		op := measuredOp(t, mustRun(t, t.Context(), plan, &fakeWorkload{serve: server}, o))
		var completed, failed uint64
		longest, arrivals := time.Duration(0), map[time.Duration]uint64{}
		for _, m := range kept.list {
			completed += uint64(m.Completed)
			failed += uint64(m.Failed)
			longest = max(longest, m.Longest)
			arrivals[m.At] += uint64(m.Completed + m.Failed)
		}
		if completed != op.Completed || failed != op.Offered-op.Completed || op.Dropped == 0 || op.Failed == 0 {
			t.Errorf("%d completed and %d failed in moments, of %+v", completed, failed, op)
		}
		if len(arrivals) != 400 || arrivals[time.Second] != 2 {
			t.Errorf("%d moments, %d arrivals in one of them; want 400 with 2 each", len(arrivals), arrivals[time.Second])
		}
		between(t, "the longest", op.ResponseTime.Max, longest, longest+longest/100)
	})
}

type momentLog struct{ list []results.Moment }

func (*momentLog) Start(*results.Run) error  { return nil }
func (*momentLog) Finish(*results.Run) error { return nil }
func (l *momentLog) Interval(i *results.Interval) error {
	l.list = append(l.list, i.Moments...)
	return nil
}
