package runner

import (
	"context"
	"sync"
)

// Steering is an instruction of the coordinator about the members around a disturbance.
type Steering struct {
	// Avoid is the endpoint of the member that must get no requests; empty means none.
	Avoid string `json:"avoid,omitempty"`
	// Reconnect makes all broken connections try to reconnect immediately.
	Reconnect bool `json:"reconnect,omitempty"`
}

// reconnectTime bounds the wait for connections after a disturbance.
const reconnectTime = 5 * queryTimeout

// apply applies the instruction to the load's connections.
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

// applyAll applies the instruction in this process and in all agents. It returns when all have
// done so, or when ctx ends. Lost agents are detected elsewhere.
func (s *session) applyAll(ctx context.Context, to Steering) {
	var wg sync.WaitGroup
	if s.agents != nil {
		wg.Go(func() { _ = s.agents.Steer(ctx, to) })
	}
	s.apply(ctx, to)
	wg.Wait()
}

// follow applies the coordinator's instructions until ctx ends.
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
