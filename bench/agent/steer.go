package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/etcdbench/etcdbench/bench/runner"
)

// steerPoll is how often the coordinator looks whether all agents have followed.
const steerPoll = 10 * time.Millisecond

// Steer implements [runner.AssignedFleet].
func (f *fleet) Steer(ctx context.Context, s runner.Steering) error {
	if f.run == 0 { // before the load, nothing is sent
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

// steer passes on what the coordinator says of the members.
func (s *share) steer(body json.RawMessage) {
	var to runner.Steering
	if json.Unmarshal(body, &to) != nil {
		return
	}
	select {
	case s.steering <- to:
	default: // the coordinator waits no longer than its time for the answer
	}
}

// steered reports that the share has followed. An error is one of the session.
func (s *share) steered(ctx context.Context) { _ = s.agent.mail.post(ctx, s.run, steered, nil) }
