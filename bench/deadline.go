package bench

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of one operation. It creates a context with a timer only when its
// Done channel is requested: transports that keep deadlines of their own do not request it (see
// Lazy in bench/transport/lean). The client reuses it for its next operation unless such a
// context was created.
type deadline struct {
	context.Context // the client's, which ends when the run gives up what is in flight
	at              time.Time

	mu     sync.Mutex
	timed  context.Context
	cancel context.CancelFunc
}

// Parent returns the context that ends the operation for reasons other than its deadline.
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

// real returns the context with a timer, and creates it if necessary.
func (d *deadline) real() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed
}

// end releases the context with a timer, and reports whether d can be reused.
func (d *deadline) end() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
	return d.timed == nil
}
