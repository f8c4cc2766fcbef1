package bench

import (
	"context"
	"time"
)

// A sleeper waits for the next arrival. It may return early.
type sleeper interface {
	sleep(ctx context.Context, d time.Duration)
	close()
}

// maxSleep bounds one wait, so that the end of a run is noticed promptly.
const maxSleep = 50 * time.Millisecond

// timerSleeper is the portable sleeper. It uses Go's timers, which on Linux wake up to a
// millisecond late when the process is otherwise idle.
type timerSleeper struct{ timer *time.Timer }

func newTimerSleeper() *timerSleeper {
	t := time.NewTimer(0)
	<-t.C
	return &timerSleeper{timer: t}
}

func (s *timerSleeper) sleep(ctx context.Context, d time.Duration) {
	s.timer.Reset(d)
	select {
	case <-s.timer.C:
	case <-ctx.Done():
		s.timer.Stop()
	}
}

func (s *timerSleeper) close() { s.timer.Stop() }

// A Poller handles answers on the goroutine that calls it, between Take and Release. alone says
// that the other goroutines are mostly idle. Poll handles answers for at most d, and may return
// early.
type Poller interface {
	Take(alone bool)
	Poll(d time.Duration)
	Release()
}

// pollSleeper handles answers while it waits: both waits cost one wake-up.
type pollSleeper struct{ poller Poller }

func newPollSleeper(p Poller, alone bool) pollSleeper {
	p.Take(alone)
	return pollSleeper{p}
}

// sleep waits until shortly before the time. For a shorter time, it polls without blocking: to
// block and to be woken would take longer.
func (s pollSleeper) sleep(_ context.Context, d time.Duration) {
	s.poller.Poll(min(max(d-wakeTime, 0), maxSleep))
}

// wakeTime is less than the shortest blocking wait takes on most machines.
const wakeTime = 15 * time.Microsecond

func (s pollSleeper) close() { s.poller.Release() }
