package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// What comes after the load ends with its limit, however the run ended, and sooner where
// the run is aborted before or meanwhile.
func TestCleanUp(t *testing.T) {
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		after time.Duration // after which the run is cancelled
		abort bool
		want  time.Duration
	}{
		"stopped before":   {0, false, time.Minute},
		"stopped later":    {time.Second, false, time.Minute},
		"aborted before":   {0, true, abortTime},
		"aborted later":    {10 * time.Second, true, 10*time.Second + abortTime},
		"aborted too late": {2 * time.Minute, true, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			end := func() { stop(gone) }
			if c.abort {
				end = func() { stop(NewAbort(gone)) }
			}
			if c.after == 0 {
				end()
			} else {
				time.AfterFunc(c.after, end)
			}
			begin := time.Now()
			after, cancel := CleanUp(ctx, time.Minute)
			defer cancel()
			<-after.Done()
			if took := time.Since(begin); took != c.want {
				t.Errorf("%s: it ended after %v, want %v", name, took, c.want)
			}
			if aborted := Aborted(ctx) != nil; ctx.Err() != nil && (aborted != c.abort || !errors.Is(context.Cause(ctx), gone)) {
				t.Errorf("%s: aborted %v, cause %v", name, aborted, context.Cause(ctx))
			}
		})
	}
}

// lateSleeper notices the end of a context as late as real ones do.
type lateSleeper struct{}

func (lateSleeper) sleep(_ context.Context, d time.Duration) { time.Sleep(min(d, maxSleep)) }
func (lateSleeper) close()                                   {}

// waitingSampler reads a member that does not answer.
type waitingSampler struct{}

func (waitingSampler) Begin(context.Context, func() time.Duration) {}
func (waitingSampler) Sample(*results.Interval)                    {}
func (waitingSampler) End(ctx context.Context, _ *results.Run)     { <-ctx.Done() }

// An aborted run ends in time although the last reading of metrics gets no answer.
func TestAbortedRunsDoNotWaitForMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &startingWorkload{answer: func(*Op) (time.Duration, error) { return -1, nil }, blocking: func(int) bool { return false }}
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		const at = 2 * time.Second
		time.AfterFunc(at, func() { stop(NewAbort(errors.New("gone"))) })
		plan := measurePlan(6, PlanPhase{Duration: 3 * time.Second, Load: Load{Rate: 100}})
		plan.Timeout, plan.Drain = 10*time.Second, 10*time.Second
		began := time.Now()
		run, err := Run(ctx, plan, w, Options{Sampler: waitingSampler{}, sleeper: func() sleeper { return lateSleeper{} }})
		if took := time.Since(began); took > at+abortTime+maxSleep+100*writersWait || err == nil || run.Outcome != results.Failed {
			t.Errorf("it ended after %v: %v, %s", took, err, run.Outcome)
		}
	})
}

// An aborted run waits for none of the requests in flight, whether clients wait for the
// answers or only start the requests, and whether the load goes on or is over.
func TestAbortedRunsDoNotDrain(t *testing.T) {
	for name, load := range map[string]Load{"closed": {}, "open": {Rate: 100}} {
		for _, at := range []time.Duration{2 * time.Second, 4 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				w := &startingWorkload{
					answer:   func(*Op) (time.Duration, error) { return -1, nil },
					blocking: func(client int) bool { return client%2 == 0 },
				}
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				time.AfterFunc(at, func() { stop(NewAbort(errors.New("gone"))) })
				plan := measurePlan(6, PlanPhase{Duration: 3 * time.Second, Load: load})
				plan.Timeout, plan.Drain = 10*time.Second, 10*time.Second
				began := time.Now()
				run, err := Run(ctx, plan, w, Options{sleeper: func() sleeper { return lateSleeper{} }})
				// An operation that is recorded at that moment is waited for.
				if took := time.Since(began); took > at+maxSleep+100*writersWait {
					t.Errorf("%s, aborted after %v: it ended after %v", name, at, took)
				}
				if Aborted(ctx) == nil || err == nil || run.Outcome != results.Failed || run.Reason != "gone" {
					t.Errorf("%s, aborted after %v: %v, %s %q", name, at, err, run.Outcome, run.Reason)
				}
			})
		}
	}
}
