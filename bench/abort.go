package bench

import (
	"context"
	"errors"
	"time"
)

// abortTime is how long a run goes on after an [Abort].
const abortTime = 2 * time.Second

// Abort is the cause with which to cancel a run's context when neither the cluster nor the
// coordinator is expected to answer any more. The run cancels the requests in flight, and every
// step after the load shares one time limit.
type Abort struct {
	Reason error
	// By is the time by which the run must have ended.
	By time.Time
}

// NewAbort returns an Abort whose run must end within [abortTime].
func NewAbort(reason error) *Abort { return &Abort{Reason: reason, By: time.Now().Add(abortTime)} }

// Error implements error.
func (a *Abort) Error() string { return a.Reason.Error() }

// Unwrap returns the reason.
func (a *Abort) Unwrap() error { return a.Reason }

// Aborted returns the Abort with which ctx was cancelled, or nil if there is none.
func Aborted(ctx context.Context) *Abort {
	a, _ := errors.AsType[*Abort](context.Cause(ctx))
	return a
}

// CleanUp returns a context for the work after the load. The context outlives the cancellation
// of ctx. It ends after limit, or earlier if ctx was cancelled with an [Abort].
func CleanUp(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := onAbort(ctx, func(a *Abort) { time.AfterFunc(time.Until(a.By), cancel) })
	return after, func() {
		stop()
		cancel()
	}
}

// onAbort calls do in a goroutine of its own when ctx is cancelled with an [Abort], until
// stop is called.
func onAbort(ctx context.Context, do func(*Abort)) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if a := Aborted(ctx); a != nil {
			do(a)
		}
	})
}
