package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/etcdbench/etcdbench/bench/runner"
)

// steerPoll is the time between two checks whether all agents have applied the steering.
const steerPoll = 10 * time.Millisecond

// Steer implements [runner.AssignedFleet].
func (f *fleet) Steer(ctx context.Context, s runner.Steering) error {
	if f.run == 0 { // before the load, there are no requests to steer
		return nil
	}
	f.steering.Lock()
	defer f.steering.Unlock()
	if err := f.coordinator.post(ctx, f.run, steer, s); err != nil {
		return err
	}
	f.steers++
	ticker := time.NewTicker(steerPoll)
	defer ticker.Stop()
	for {
		if followed, _ := f.all(func(m *member) bool { return m.steered >= f.steers || m.drained || m.over() }); followed {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// steer passes on a steering message of the coordinator.
func (s *share) steer(body json.RawMessage) {
	var to runner.Steering
	if json.Unmarshal(body, &to) != nil {
		return
	}
	select {
	case s.steering <- to:
	default: // the coordinator's wait for the reply is bounded
	}
}

// steered reports that the share has applied the steering. An error of the post is an error of
// the session.
func (s *share) steered(ctx context.Context) { _ = s.agent.mail.post(ctx, s.run, steered, nil) }
