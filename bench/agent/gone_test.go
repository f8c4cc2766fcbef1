package agent_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// When the etcd for coordination cannot be reached, agents and coordinator end without
// waiting for measurements or results.
func TestCoordinationIsGone(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	s.joinAll(t.Context())
	var once sync.Once
	cut := &observer{func(*results.Interval) { once.Do(func() { s.agents.Go(s.way.Close) }) }}
	sp := spec("put", 2)
	sp.Load.Rate, sp.Load.Duration = new(200.0), new(time.Minute)
	run, err := runner.Run(t.Context(), sp, runner.Options{Dir: t.TempDir(), Fleet: s, Observers: []bench.Observer{cut}})
	if err == nil || !strings.Contains(err.Error(), "the etcd for coordination cannot be reached") || run == nil || run.Outcome != results.Failed {
		t.Errorf("the run ended with %v", err)
	}
	s.Close()
	s.agents.Wait()
	for i, err := range s.errs {
		if !errors.Is(err, agent.ErrCoordinator) {
			t.Errorf("agent %d ended with %v", i, err)
		}
	}
}

// Agents end their load when the coordinator ends the session without them, and do not wait
// for its answers.
func TestSessionEndsUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	s.joinAll(t.Context())
	var once sync.Once
	var closed time.Time
	end := &observer{func(*results.Interval) {
		once.Do(func() {
			closed = time.Now()
			s.agents.Go(s.Close)
		})
	}}
	sp := spec("put", 2)
	sp.Load.Rate, sp.Load.Duration = new(200.0), new(time.Minute)
	run, err := runner.Run(t.Context(), sp, runner.Options{Fleet: s, Observers: []bench.Observer{end}})
	if err == nil || run == nil || run.Outcome != results.Failed {
		t.Errorf("the run ended with %v", err)
	}
	s.agents.Wait()
	if took := time.Since(closed); took > 20*time.Second {
		t.Errorf("the agents ended after %v", took)
	}
	for i, err := range s.errs {
		if err == nil {
			t.Errorf("agent %d has no error", i)
		}
	}
}
