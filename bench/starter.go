package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A Starter is a worker whose operations wait for their answers without a goroutine: a
// client is then a record, and the goroutine that reads an answer starts the client's
// next operation.
type Starter interface {
	// Start begins the operation. [Op.Complete] is called once at its end, and never
	// within Start.
	Start(op *Op)
	// Flush sends what Start has left to be sent, so that operations that are started one
	// after the other can share a write.
	Flush()
	// Cancel ends the operation under way, if there is one.
	Cancel()
}

// StarterWorker is implemented by workers that may be Starters, which depends on their
// connections. AsStarter returns nil where they are not.
type StarterWorker interface {
	AsStarter() Starter
}

// Complete ends an operation that was started, now or at the time of [Op.SetTimes].
func (o *Op) Complete(err error) { o.client.complete(err) }

// SetTimes sets when a request was handed over and when its answer came, where the
// transport knows better than [Op.Send] and [Op.Done]. Of several requests, the first
// was handed over with the operation and the last one's answer ends it.
func (o *Op) SetTimes(sent, done time.Time) {
	start := o.client.engine.clock.start
	o.done = done.Sub(start)
	if o.timed {
		return // it was handed over with its first request
	}
	o.timed, o.sent = true, sent.Sub(start)
	if !o.Open {
		o.Intended = o.sent
	}
}

// Timeout bounds the operation, from its start on.
func (o *Op) Timeout() time.Duration { return o.client.engine.plan.Timeout }

// Left is what is left of the operation's timeout.
func (o *Op) Left() time.Duration { return o.began + o.Timeout() - o.now() }

// Stopped reports whether the run has given up what is in flight.
func (o *Op) Stopped() bool { return o.client.engine.requests.Err() != nil }

// Context returns a context for the operation, which ends when its time is up or when
// the run gives up what is in flight.
func (o *Op) Context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(o.client.engine.requests, o.Left())
}

// begin has every client begin.
func (e *engine) begin(clients []*client) {
	var started []*client
	for _, c := range clients {
		if c.starter == nil {
			e.working.Go(c.work)
			continue
		}
		e.working.Add(1)
		c.next()
		if started = append(started, c); len(started) == flushEvery {
			flush(started)
			started = started[:0]
		}
	}
	flush(started)
}

// flushEvery is how many operations are started at most before they are sent.
const flushEvery = 64

func flush(clients []*client) {
	for _, c := range clients {
		c.starter.Flush()
	}
}

// next begins the client's next operation, or has it wait for one, or leave.
func (c *client) next() {
	for {
		switch ph := c.engine.current.Load(); {
		case ph == nil:
			c.engine.working.Done()
			return
		case ph.lane != nil:
			if a, ok, open := ph.lane.take(c); ok {
				c.start(a, c.engine.kindOf(a.phase.index, a.n))
				return
			} else if open {
				return
			}
		case c.loopStarted(ph):
			return
		}
	}
}

// loopStarted starts the next operation of a closed loop, or has the client wait for the
// next phase. It reports false when the phase is over.
func (c *client) loopStarted(ph *phase) bool {
	ph.active.Add(1)
	if c.engine.current.Load() != ph {
		ph.active.Add(-1)
		return false
	}
	n := ph.taken.Add(1) - 1
	switch {
	case ph.Total == 0 && n >= numbersEnd: // over since we looked
		ph.active.Add(-1)
		return false
	case ph.Total > 0 && n >= ph.total:
		ph.active.Add(-1)
		return ph.parked.add(c)
	}
	n = c.engine.share.Number(n)
	kind := c.engine.kindOf(ph.index, n)
	ph.offered[kind].Add(1)
	c.start(arrival{phase: ph, n: n}, kind)
	return true
}

func (c *client) start(a arrival, kind int) {
	c.op = c.newOp(a, kind)
	c.starter.Start(&c.op)
}

// complete records the operation and goes on.
func (c *client) complete(err error) {
	done := c.op.done
	if done == 0 {
		done = c.engine.clock.now()
	}
	outcome := Completed
	if err != nil {
		outcome = c.engine.outcomeOf(err)
	}
	if c.op.Open {
		c.op.recordLag(c.op.sent)
	}
	c.record(outcome, err, done)
	if outcome == Failed && c.op.phase.lane == nil {
		time.AfterFunc(backOffTime(c.failures), c.goOn)
		return
	}
	c.goOn()
}

// goOn begins the next operation and sends it.
func (c *client) goOn() {
	c.next()
	c.starter.Flush()
}

// outcomeOf is the outcome of a started operation that has failed.
func (e *engine) outcomeOf(err error) Outcome {
	code := status.Code(err)
	switch {
	case e.requests.Err() != nil && (code == codes.Canceled || errors.Is(err, context.Canceled)):
		return Abandoned
	case errors.Is(err, context.DeadlineExceeded), code == codes.DeadlineExceeded:
		return TimedOut
	}
	return Failed
}

// parking is where clients wait for the end of a phase that has no operation left.
type parking struct {
	mu      sync.Mutex
	clients []*client
	over    bool
}

// add reports false when the phase is over.
func (p *parking) add(c *client) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.clients = append(p.clients, c)
	}
	return !p.over
}

func (p *parking) end() []*client {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.clients
}
