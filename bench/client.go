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
	engine *engine
	// starter starts the operations; nil where the client does them, on its goroutine.
	starter Starter
	*doer   // nil where there is a starter
	number  int32
	// failures is how many operations in a row have failed.
	failures int32
	op       Op // the one under way, or the last one
}

// doer is the part of a client that does its operations on its own goroutine.
type doer struct {
	worker Worker
	wake   chan arrival // where it waits for arrivals
	// requests is the parent of this client's requests, so that no two clients
	// meet at one parent's lock.
	requests context.Context
	deadline *deadline // of the last operation, to be used again; nil where it cannot be
}

// newClient returns the client of a worker.
func (e *engine) newClient(number int, worker Worker) *client {
	c := &client{engine: e, number: int32(number)}
	if w, ok := worker.(StarterWorker); ok {
		c.starter = w.AsStarter()
	}
	if c.starter == nil {
		c.doer = &doer{worker: worker, wake: make(chan arrival, 1)}
	}
	return c
}

// work does operations until the load stops.
func (c *client) work() {
	var cancel context.CancelFunc
	c.requests, cancel = context.WithCancel(c.engine.requests)
	defer cancel()
	for ph := c.engine.current.Load(); ph != nil; ph = c.engine.current.Load() {
		if ph.lane != nil {
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
		if ph.Total > 0 && n >= ph.total {
			ph.active.Add(-1)
			<-ph.over
			return
		}
		n = c.engine.share.Number(n)
		kind := c.engine.kindOf(ph.index, n)
		ph.offered[kind].Add(1)
		c.do(arrival{phase: ph, n: n}, kind)
		c.backOff(ph)
	}
}

// serve is the open loop: the next arrival, as long as there are any.
func (c *client) serve(ph *phase) {
	for {
		a, ok, open := ph.lane.take(c)
		if !open {
			return
		}
		if !ok {
			if a = <-c.wake; a.phase == nil {
				return
			}
		}
		c.do(a, c.engine.kindOf(a.phase.index, a.n))
	}
}

// give hands an arrival to a client that waited in a lane.
func (c *client) give(a arrival) {
	if c.starter != nil {
		c.start(a, c.engine.kindOf(a.phase.index, a.n))
	} else {
		c.wake <- a
	}
}

// release has a client leave a lane in which there will be no more arrivals.
func (c *client) release() {
	if c.starter != nil {
		c.goOn()
	} else {
		c.wake <- arrival{}
	}
}

// newOp is the operation of an arrival that begins now.
func (c *client) newOp(a arrival, kind int) Op {
	now := c.engine.clock.now()
	op := Op{
		Phase: a.phase.index, N: a.n, Before: a.phase.before, Intended: a.intended, Open: a.phase.Load.Open(),
		free: a.free, kind: int32(kind), phase: a.phase, began: now, sent: now, stalled: a.stalled, client: c,
	}
	if !op.Open {
		op.Intended = now
	}
	return op
}

// do does one operation and records it.
func (c *client) do(a arrival, kind int) {
	e := c.engine
	c.op = c.newOp(a, kind)
	if c.op.Open {
		c.op.recordLag(c.op.began)
	}
	ctx := c.deadlineIn(e.plan.Timeout)
	err := c.worker.Do(ctx, &c.op)
	done := e.clock.now()
	outcome := Completed
	if err != nil {
		outcome = outcomeOf(ctx, err)
	}
	if !ctx.end() {
		c.deadline = nil
	}
	if c.op.done > 0 {
		done = c.op.done
	}
	c.record(outcome, err, done)
}

// record records the operation.
func (c *client) record(outcome Outcome, err error, done time.Duration) {
	op := &c.op
	if err != nil && outcome != Abandoned {
		c.engine.errors.add(op.phase.index, int(op.kind), err)
	}
	op.phase.record(int(c.number), Sample{
		Kind: int(op.kind), Outcome: outcome, Intended: op.Intended, Sent: op.sent, Done: done,
	})
	c.count(outcome)
}

// recordLag records how late an operation is sent that the generator alone delayed.
func (o *Op) recordLag(sent time.Duration) {
	caller, r := int(o.client.number), o.phase.recorder
	if wait := sent - o.Intended; o.free {
		r.RecordLag(caller, wait)
	} else if wait <= 2*o.stalled {
		r.RecordLag(caller, min(wait, o.stalled))
	}
}

// deadlineIn returns a context that ends after a time.
func (c *client) deadlineIn(timeout time.Duration) *deadline {
	if c.deadline == nil {
		c.deadline = &deadline{Context: c.requests}
	}
	c.deadline.at = time.Now().Add(timeout)
	return c.deadline
}

// count counts the failures in a row.
func (c *client) count(outcome Outcome) {
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

// backOffTime is for how long a client pauses after failures in a row: a closed loop
// whose operations fail at once would only measure how fast it can fail, with a CPU it
// takes from the cluster.
func backOffTime(failures int32) time.Duration { return time.Millisecond << min(failures-1, 7) }

// backOff pauses after failures.
func (c *client) backOff(ph *phase) {
	if c.failures == 0 {
		return
	}
	t := time.NewTimer(backOffTime(c.failures))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ph.over:
	case <-c.requests.Done():
	}
}
