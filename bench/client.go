package bench

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// client is one virtual client: it does one operation at a time.
type client struct {
	number int
	engine *engine
	worker Worker
	op     Op
	// requests is the parent of this client's requests, so that no two clients
	// meet at one parent's lock.
	requests context.Context
	// failures is how many operations in a row have failed.
	failures int
}

// work does operations until the load stops.
func (c *client) work() {
	var cancel context.CancelFunc
	c.requests, cancel = context.WithCancel(c.engine.requests)
	defer cancel()
	for ph := c.engine.current.Load(); ph != nil; ph = c.engine.current.Load() {
		if ph.queue != nil {
			c.serve(ph)
		} else {
			c.loop(ph)
		}
	}
}

// loop is the closed loop: the next operation when the last one is answered.
func (c *client) loop(ph *phase) {
	for {
		ph.active.Add(1)
		if c.engine.current.Load() != ph {
			ph.active.Add(-1)
			return
		}
		n := ph.taken.Add(1) - 1
		if ph.Total == 0 && n >= numbersEnd { // over since we looked
			ph.active.Add(-1)
			return
		}
		if ph.Total > 0 && n >= ph.Total {
			ph.active.Add(-1)
			<-ph.over
			return
		}
		kind := c.engine.kindOf(ph.index, n)
		ph.offered[kind].Add(1)
		c.do(arrival{phase: ph, n: n}, kind)
		c.backOff(ph)
	}
}

// serve is the open loop: the next arrival, as long as there are any.
func (c *client) serve(ph *phase) {
	for {
		c.engine.idle.Add(1)
		a, ok := <-ph.queue
		if !ok {
			c.engine.idle.Add(-1)
			return
		}
		if wait := c.engine.clock.now() - a.intended; a.free {
			a.phase.recorder.RecordLag(c.number, wait)
		} else if wait <= 2*a.stalled {
			a.phase.recorder.RecordLag(c.number, min(wait, a.stalled))
		}
		if !a.free { // otherwise the dispatcher has counted this client as busy already
			c.engine.idle.Add(-1)
		}
		c.do(a, c.engine.kindOf(a.phase.index, a.n))
	}
}

// do does one operation and records it.
func (c *client) do(a arrival, kind int) {
	e := c.engine
	now := e.clock.now()
	c.op = Op{
		Phase: a.phase.index, N: a.n, Earlier: a.phase.earlier, Intended: a.intended, Open: a.phase.Load.Open(),
		sent: now, clock: e.clock, requests: c.requests, counts: a.phase.counts[kind],
	}
	if !c.op.Open {
		c.op.Intended = now
	}
	ctx, cancel := context.WithTimeout(c.requests, e.plan.Timeout)
	err := c.worker.Do(ctx, &c.op)
	done := e.clock.now()
	outcome := Completed
	if err != nil {
		if outcome = outcomeOf(ctx, err); outcome != Abandoned {
			e.errors.add(a.phase.index, kind, err)
		}
	}
	cancel()
	if c.op.done > 0 {
		done = c.op.done
	}
	a.phase.record(c.number, Sample{Kind: kind, Outcome: outcome, Intended: c.op.Intended, Sent: c.op.sent, Done: done})
	if outcome == Failed {
		c.failures++
	} else {
		c.failures = 0
	}
}

// outcomeOf tells a failure from an operation whose outcome is unknown.
func outcomeOf(ctx context.Context, err error) Outcome {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Abandoned
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return TimedOut
	}
	return Failed
}

// A closed loop whose operations fail at once would only measure how fast it
// can fail, with a CPU it takes from the cluster: it pauses, from 1 ms doubling
// to 128 ms, as long as it meets nothing but failures.
func (c *client) backOff(ph *phase) {
	if c.failures == 0 {
		return
	}
	t := time.NewTimer(time.Millisecond << min(c.failures-1, 7))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ph.over:
	case <-c.requests.Done():
	}
}
