package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// readyBody is the message of an agent that is ready.
type readyBody struct {
	Offset offset `json:"offset"`
}

// stopBody is the reason for an early end of the load.
type stopBody struct {
	Reason      string `json:"reason"`
	Interrupted bool   `json:"interrupted,omitempty"`
	Aborted     bool   `json:"aborted,omitempty"`
	// Planned says that a disturbance ends the load as planned.
	Planned bool `json:"planned,omitempty"`
}

func newStop(cause error) stopBody {
	_, aborted := errors.AsType[*bench.Abort](cause)
	return stopBody{
		Reason: cause.Error(), Interrupted: errors.Is(cause, bench.ErrInterrupted), Aborted: aborted,
		Planned: errors.Is(cause, bench.ErrLoadEnded),
	}
}

// cause is the inverse of newStop.
func (b stopBody) cause() error {
	switch {
	case b.Interrupted:
		return bench.ErrInterrupted
	case b.Aborted:
		return bench.NewAbort(errors.New(b.Reason))
	}
	return errors.New(b.Reason)
}

// reportBody is an agent's last message, with its result.
type reportBody struct {
	Offset offset          `json:"offset"`
	Run    json.RawMessage `json:"run"`
}

// share is the agent's state of one share of a run.
type share struct {
	agent      *agent
	run        int
	assignment json.RawMessage

	start    chan int64 // ns since 1970, on the coordinator's clock
	ended    chan struct{}
	drained  chan struct{}
	released chan struct{}
	steering chan runner.Steering
	stop     context.CancelCauseFunc
	stopped  context.Context

	offset    offset
	publisher *publisher
	reported  atomic.Bool
}

func newShare(a *agent, m message) *share {
	s := &share{
		agent: a, run: m.Run, assignment: m.Body,
		start: make(chan int64, 1), ended: make(chan struct{}), drained: make(chan struct{}), released: make(chan struct{}),
		steering: make(chan runner.Steering, 8),
	}
	s.stopped, s.stop = context.WithCancelCause(context.Background())
	return s
}

// signal handles a message of the coordinator. It is called by one goroutine.
func (s *share) signal(m message) {
	switch m.Kind {
	case startLoad:
		var at int64
		if json.Unmarshal(m.Body, &at) == nil {
			select {
			case s.start <- at:
			default:
			}
		}
	case stopLoad:
		var b stopBody
		_ = json.Unmarshal(m.Body, &b)
		if b.Planned {
			closeOnce(s.ended)
		} else {
			s.stop(b.cause())
		}
	case steer:
		s.steer(m.Body)
	case allDrained:
		closeOnce(s.drained)
	case release:
		s.release()
	}
}

// errReleased is the error when the coordinator has ended the run without this agent.
var errReleased = errors.New("the coordinator has ended the run without this agent")

// release ends the share, and its load if it still goes on. It is called by one goroutine.
func (s *share) release() {
	closeOnce(s.released)
	if !s.reported.Load() {
		s.stop(errReleased)
	}
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// carryOut runs the share until the coordinator releases it. ctx is the context of the session.
// It returns an error if the share did not finish.
func (s *share) carryOut(ctx context.Context, given runner.Assignment) (*results.Run, error) {
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.stopped, func() { cancel(context.Cause(s.stopped)) })()
	s.publisher = newPublisher(ctx, s, given.Plan)
	defer s.publisher.close()
	done, err := s.agent.runShare(run, given, runner.ShareOptions{
		Share: bench.Share{Index: s.agent.index, Count: s.agent.count}, Peers: peers{s, ctx},
		Password: s.agent.o.Password, Observers: []bench.Observer{s.publisher}, Steering: s.steering, Steered: s.steered,
	})
	if err == nil && done.Outcome == results.Interrupted {
		err = bench.ErrInterrupted
	}
	return done, err
}

// peers implements [bench.Peers] for a share. Its context is the session's, because
// communication with the coordinator continues after the end of the load.
type peers struct {
	*share
	session context.Context
}

// Start implements [bench.Peers].
func (p peers) Start(ctx context.Context) (time.Time, error) {
	a := p.agent
	err := p.awaitTurn(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if p.offset, err = p.measureClock(ctx); err != nil {
		return time.Time{}, err
	}
	if err := a.mail.post(ctx, p.run, shareReady, readyBody{p.offset}); err != nil {
		return time.Time{}, err
	}
	select {
	case at := <-p.start:
		wait := time.Unix(0, at).Add(p.offset.Ahead).Sub(a.o.Clock())
		if wait < 0 {
			return time.Time{}, fmt.Errorf("the start message arrived %v after the start time", results.ThreeDigits(-wait))
		}
		return time.Now().Add(wait), nil
	case <-p.released:
		return time.Time{}, errReleased
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// Ended implements [bench.Peers].
func (p peers) Ended() <-chan struct{} { return p.ended }

// Drained implements [bench.Peers].
func (p peers) Drained(context.Context) error {
	if err := p.agent.mail.post(p.session, p.run, drained, nil); err != nil {
		return err
	}
	select {
	case <-p.share.drained:
		return nil
	case <-p.released:
		return errReleased
	case <-p.session.Done():
		return context.Cause(p.session)
	}
}

// Done implements [bench.Peers].
func (p peers) Done(_ context.Context, run *results.Run, proof []byte) error {
	a, ctx := p.agent, p.session
	if err := p.awaitTurn(ctx); err != nil { // the coordinator must not get all results at once
		return err
	}
	if err := p.publisher.flush(); err != nil {
		return err
	}
	for len(proof) > 0 {
		n := min(len(proof), chunk)
		if err := a.mail.post(ctx, p.run, evidence, proof[:n]); err != nil {
			return err
		}
		proof = proof[n:]
	}
	at, err := p.measureClock(ctx)
	if err != nil {
		return err
	}
	data, err := results.Encode(run)
	if err != nil {
		return err
	}
	p.reported.Store(true) // the coordinator may release the share before post returns
	if err := a.mail.post(ctx, p.run, report, reportBody{at, data}); err != nil {
		p.reported.Store(false)
		return err
	}
	select {
	case <-p.released:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publisher sends the intervals of a share to the coordinator. Sending does not delay the
// measurement.
type publisher struct {
	share *share
	ctx   context.Context
	begin time.Time
	// first and every are the times of sending: at begin + first, and then repeatedly after
	// every. first differs between agents, so that the coordinator gets their messages one
	// after the other.
	first, every time.Duration

	mu      sync.Mutex
	waiting []*results.Interval
	err     error
	more    chan struct{} // holds a value while an interval waits
	sending sync.Mutex
	stop    chan struct{}
	stopped chan struct{}
}

func newPublisher(ctx context.Context, s *share, p bench.Plan) *publisher {
	b := &publisher{
		share: s, ctx: ctx, begin: time.Now(), every: bench.PublishTime(p.Agents),
		more: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	b.first = firstTurn(s.agent.index, p.Agents)
	go b.run()
	return b
}

// firstTurn returns when the agent with the given index sends first.
func firstTurn(index, agents int) time.Duration {
	return bench.PublishTime(agents) * time.Duration(index) / time.Duration(max(1, agents))
}

// Start implements [bench.Observer].
func (*publisher) Start(*results.Run) error { return nil }

// Finish implements [bench.Observer].
func (*publisher) Finish(*results.Run) error { return nil }

// Interval implements [bench.Observer].
func (b *publisher) Interval(i *results.Interval) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, i)
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.err
}

// wait returns the time until the publisher may send. It spreads the messages of many agents.
func (b *publisher) wait(now time.Time) time.Duration {
	if b.every == time.Second {
		return 0
	}
	since := now.Sub(b.begin) - b.first
	return (b.every - since%b.every) % b.every
}

func (b *publisher) run() {
	defer close(b.stopped)
	for {
		select {
		case <-b.stop:
			return
		case <-b.more:
		}
		turn := time.NewTimer(b.wait(time.Now()))
		select {
		case <-b.stop:
			turn.Stop()
			return
		case <-turn.C:
			_ = b.flush() // flush keeps the error
		}
	}
}

// flush sends the waiting intervals.
func (b *publisher) flush() error {
	b.sending.Lock()
	defer b.sending.Unlock()
	b.mu.Lock()
	list := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for len(list) > 0 && b.err == nil {
		var batch []json.RawMessage
		for size := 0; len(list) > 0 && (size == 0 || size < chunk); list = list[1:] {
			data, err := json.Marshal(list[0])
			if err != nil {
				return fmt.Errorf("encode interval: %w", err)
			}
			batch, size = append(batch, data), size+len(data)
		}
		if err := b.share.agent.mail.post(b.ctx, b.share.run, intervals, batch); err != nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
		}
	}
	return b.err
}

func (b *publisher) close() {
	close(b.stop)
	<-b.stopped
}
