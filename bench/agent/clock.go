package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The limits of the error bound of an agent's clock offset. Beyond the first, arrivals
// of different agents are visibly out of step; beyond the second, the run does
// not start.
const (
	boundDegraded = 10 * time.Millisecond
	boundMax      = 100 * time.Millisecond
)

// offset is the time by which an agent's clock is ahead of the coordinator's. The error is at
// most Bound.
type offset struct {
	Ahead time.Duration `json:"ahead_ns"`
	Bound time.Duration `json:"bound_ns"`
}

// stamps are the four times of an exchange, in nanoseconds since 1970: when the request was
// sent and received, and when the answer was sent and received. The agent's clock gives the
// first and the last one, the coordinator's clock the others.
type stamps struct {
	RequestSent     int64 `json:"request_sent_ns"`
	RequestReceived int64 `json:"request_received_ns"`
	AnswerSent      int64 `json:"answer_sent_ns"`
	AnswerReceived  int64 `json:"-"`
}

// offset returns the estimate of one exchange: the midpoints of both clocks are the same
// moment, with an error of at most half the time in transit (Mills, RFC 5905, section 8).
func (s stamps) offset() offset {
	ahead := (s.RequestSent - s.RequestReceived + s.AnswerReceived - s.AnswerSent) / 2
	way := s.AnswerReceived - s.RequestSent - (s.AnswerSent - s.RequestReceived)
	return offset{Ahead: time.Duration(ahead), Bound: time.Duration(max(0, way)+1) / 2}
}

// exchanges is the number of exchanges of one estimate, of which the fastest counts. With more than
// manyAgents agents, exchangesMin are enough where they give a bound of at most boundEnough, so
// that the coordinator has less work.
const (
	exchanges    = 10
	exchangesMin = 3
	boundEnough  = boundDegraded / 2
)

// exchangeTime bounds one exchange. With many agents, answers wait in a queue.
const exchangeTime = 10 * time.Second

// clockTurn is the time between the first exchanges of two agents that become ready, or finish
// the drain, at the same time. An agent waits one clockTurn for each lower index.
const clockTurn = 5 * time.Millisecond

// awaitTurn waits until it is the agent's turn. It returns early when the coordinator releases
// the share, which then gets no answers.
func (s *share) awaitTurn(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(s.agent.index) * clockTurn):
		return nil
	case <-s.released:
		return errReleased
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errClock = errors.New("the coordinator does not respond to requests for its clock")

// measureClock estimates the offset of this process's clock. It ends early when the coordinator
// releases the share.
func (s *share) measureClock(ctx context.Context) (best offset, err error) {
	a := s.agent
	best.Bound = boundMax + 1
	answered := false
	for n := range exchanges {
		if a.count > manyAgents && n >= exchangesMin && best.Bound <= boundEnough {
			break
		}
		sent := stamps{RequestSent: a.o.Clock().UnixNano()}
		if err := a.mail.post(ctx, 0, clockRequest, sent); err != nil {
			return best, err
		}
		timeout := time.NewTimer(exchangeTime)
		select {
		case reply := <-a.clock:
			if reply.RequestSent == sent.RequestSent {
				answered = true
				if o := reply.offset(); o.Bound < best.Bound {
					best = o
				}
			}
		case <-s.released:
			err = errReleased
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-timeout.C:
		}
		timeout.Stop()
		if err != nil {
			return best, err
		}
	}
	switch {
	case !answered:
		return best, errClock
	case best.Bound > boundMax:
		return best, fmt.Errorf("its clock is not known to within %v: use a network with shorter round trips to the coordinator", boundMax)
	}
	return best, nil
}
