package agent_test

import (
	"context"
	"errors"
	"testing"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// keptFleet keeps what it was given for the last run.
type keptFleet struct {
	runner.Fleet
	assigned runner.AssignedFleet
}

func (k *keptFleet) Assign(ctx context.Context, a runner.Assignment) (given runner.AssignedFleet, err error) {
	k.assigned, err = k.Fleet.Assign(ctx, a)
	return k.assigned, err
}

// Agents follow what the coordinator says of the members, under load; after it, there is
// nothing to wait for.
func TestAgentsAreSteered(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	s.joinAll(t.Context())
	fleet := &keptFleet{Fleet: s}
	var steered []error
	steer := &observer{func(*results.Interval) {
		if len(steered) < 2 { // the load goes on meanwhile
			steered = append(steered, fleet.assigned.Steer(t.Context(), runner.Steering{Reconnect: true}))
		}
	}}
	sp := spec("put", 2)
	sp.Load.Rate = new(200.0)
	dir := t.TempDir()
	run, err := runner.Run(t.Context(), sp, runner.Options{Dir: dir, Fleet: fleet, Observers: []bench.Observer{steer}})
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, run, dir)
	steered = append(steered, fleet.assigned.Steer(t.Context(), runner.Steering{}))
	if err := errors.Join(steered...); err != nil || len(steered) != 3 {
		t.Errorf("%d messages, %v", len(steered), err)
	}
	s.end(t)
}
