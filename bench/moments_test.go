package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Every arrival is in the moment for which it was intended, whatever its outcome.
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

// The memory for moments does not follow the length of the run, every arrival is counted, and
// quiet moments come as one.
func TestMomentsOfALongRun(t *testing.T) {
	m := newMoments(Plan{Timeout: 5 * time.Second, Phases: []PlanPhase{{Duration: 24 * time.Hour}}})
	if len(m.list) > 7000 {
		t.Errorf("room for %d moments", len(m.list))
	}
	var completed, failed uint32
	entries := 0
	take := func(now time.Duration) {
		for _, r := range m.collect(now) {
			completed, failed, entries = completed+r.Completed, failed+r.Failed, entries+1
		}
	}
	const seconds = 300
	for s := range seconds {
		for ms := range 1000 {
			m.record(time.Duration(s)*time.Second+time.Duration(ms)*time.Millisecond, true, 2*time.Millisecond)
		}
		if s > 100 && s%10 == 0 { // of before what is counted apart
			m.record(time.Duration(s-90)*time.Second, false, 0)
		}
		take(time.Duration(s+1) * time.Second)
	}
	take(seconds*time.Second + time.Hour)
	if completed != 1000*seconds || failed != 19 {
		t.Errorf("%d completed and %d failed in moments", completed, failed)
	}
	if entries > 3*seconds {
		t.Errorf("%d entries for %d seconds", entries, seconds)
	}
}

// Slow answers are counted apart, also those that come after the moment was collected.
func TestMomentsCountSlowAnswers(t *testing.T) {
	m := newMoments(Plan{Timeout: time.Second, Phases: []PlanPhase{{Duration: time.Minute}}})
	m.record(0, true, results.SlowAnswer)
	m.record(0, true, results.SlowAnswer+1)
	first := m.collect(time.Second)
	m.record(0, true, time.Second)
	second := m.collect(2 * time.Second)
	for _, list := range [][]results.Moment{first, second} {
		if len(list) != 1 || list[0].Slow != 1 {
			t.Errorf("%+v, want one slow answer", list)
		}
	}
}
