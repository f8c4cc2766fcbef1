package runner

import (
	"context"
	"sync"
)

// Steering is what the coordinator says of the members around a disturbance.
type Steering struct {
	// Avoid is the endpoint of the member that gets no requests; empty means none.
	Avoid string `json:"avoid,omitempty"`
	// Reconnect has all connections that are away try again at once.
	Reconnect bool `json:"reconnect,omitempty"`
}

// reconnectTime bounds the return of connections after a disturbance.
const reconnectTime = 5 * askTimeout

// apply does what the steering says with the load's connections.
func (s *session) apply(ctx context.Context, to Steering) {
	if to.Reconnect {
		ctx, cancel := context.WithTimeout(ctx, reconnectTime)
		s.load.Reconnect(ctx)
		cancel()
	}
	switch {
	case s.steer == nil:
	case to.Avoid == "":
		s.steer.Clear()
	default:
		s.steer.Avoid(to.Avoid)
	}
}

// applyAll has this process and all agents do what the steering says, and returns when
// they have, or when ctx ends. A lost agent is noticed elsewhere.
func (s *session) applyAll(ctx context.Context, to Steering) {
	var wg sync.WaitGroup
	if s.agents != nil {
		wg.Go(func() { _ = s.agents.Steer(ctx, to) })
	}
	s.apply(ctx, to)
	wg.Wait()
}

// follow applies what the coordinator says until ctx ends.
func (s *session) follow(ctx context.Context, o ShareOptions) {
	for {
		select {
		case <-ctx.Done():
			return
		case to := <-o.Steering:
			s.apply(ctx, to)
			o.Steered(ctx)
		}
	}
}
