package bench

import (
	"context"
	"errors"
	"time"
)

// abortTime is how long a run goes on after an [Abort].
const abortTime = 2 * time.Second

// Abort is a cause with which to cancel a run's context where no answer is to be expected
// any more, from the cluster or from the coordinator. Requests in flight are cancelled, and
// all that comes after the load shares one time limit.
type Abort struct {
	Reason error
	// By is when the run is over.
	By time.Time
}

// NewAbort returns an Abort that leaves two seconds.
func NewAbort(reason error) *Abort { return &Abort{Reason: reason, By: time.Now().Add(abortTime)} }

// Error implements error.
func (a *Abort) Error() string { return a.Reason.Error() }

// Unwrap returns the reason.
func (a *Abort) Unwrap() error { return a.Reason }

// Aborted returns the Abort with which ctx was cancelled, nil where it was not.
func Aborted(ctx context.Context) *Abort {
	a, _ := errors.AsType[*Abort](context.Cause(ctx))
	return a
}

// CleanUp returns a context for what comes after the load. It goes on when ctx is
// cancelled, and ends after the limit, or when an [Abort] of ctx says so.
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
