package bench

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of one operation. It makes a context with a timer only when
// somebody asks for its Done channel: transports that keep deadlines of their own do not
// (see Lazy in bench/transport/lean). It is used again for the client's next operation
// unless one was made.
type deadline struct {
	context.Context // the client's, which ends when the run gives up what is in flight
	at              time.Time

	mu     sync.Mutex
	timed  context.Context
	cancel context.CancelFunc
}

// Parent is the context that ends the operation for other reasons than its deadline.
func (d *deadline) Parent() context.Context { return d.Context }

// Deadline implements [context.Context].
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} { return d.real().Done() }

// Err implements [context.Context].
func (d *deadline) Err() error {
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	switch {
	case timed != nil:
		return timed.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case !time.Now().Before(d.at):
		return d.real().Err()
	}
	return nil
}

// real returns the context with a timer.
func (d *deadline) real() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed
}

// end releases what was made, and reports whether the context can be used again.
func (d *deadline) end() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
	return d.timed == nil
}
