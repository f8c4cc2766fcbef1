package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of how well the offset of an agent's clock is known. Beyond the first, arrivals
// of different agents are out of step by a visible time; beyond the second, the run does
// not start.
const (
	boundDegraded = 10 * time.Millisecond
	boundMax      = 100 * time.Millisecond
)

// offset is by how much an agent's clock is ahead of the coordinator's, to within Bound.
type offset struct {
	Ahead time.Duration `json:"ahead_ns"`
	Bound time.Duration `json:"bound_ns"`
}

// stamps are the four times of an exchange in ns since 1970: request sent and received,
// answer sent and received. The first and the last are of the agent's clock.
type stamps struct {
	RequestSent     int64 `json:"request_sent_ns"`
	RequestReceived int64 `json:"request_received_ns"`
	AnswerSent      int64 `json:"answer_sent_ns"`
	AnswerReceived  int64 `json:"-"`
}

// offset follows from one exchange: the midpoints of both clocks are the same moment, to
// within half of the time on the way (Mills, RFC 5905, section 8).
func (s stamps) offset() offset {
	ahead := (s.RequestSent - s.RequestReceived + s.AnswerReceived - s.AnswerSent) / 2
	way := s.AnswerReceived - s.RequestSent - (s.AnswerSent - s.RequestReceived)
	return offset{Ahead: time.Duration(ahead), Bound: time.Duration(max(0, way)+1) / 2}
}

// exchanges is how many exchanges one estimate takes: the fastest is the best. With more than
// manyAgents agents, exchangesMin are enough where they give a bound of at most boundEnough, so
// that the coordinator has less work.
const (
	exchanges    = 10
	exchangesMin = 3
	boundEnough  = boundDegraded / 2
)

// exchangeTime bounds one exchange. The answers to many agents wait for their turns.
const exchangeTime = 10 * time.Second

// clockTurn is the time between the first exchanges of agents that become ready, or have drained, at
// once: an agent begins its own after one for each lower index.
const clockTurn = 5 * time.Millisecond

// awaitTurn returns when it is the agent's turn. It ends when the coordinator releases the share,
// which then gets no answers.
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

var errClock = errors.New("the coordinator does not answer questions about its clock")

// measureClock estimates the offset of this process's clock. It ends when the coordinator
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
