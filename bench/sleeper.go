package bench

import (
	"context"
	"time"
)

// A sleeper waits for the next arrival. It may return early; it never spins.
type sleeper interface {
	sleep(ctx context.Context, d time.Duration)
	close()
}

// maxSleep bounds one wait, so that a stopped run is noticed in time.
const maxSleep = 50 * time.Millisecond

// timerSleeper is the portable one: Go's timers, which on Linux wake up to a
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
