package agent_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// A run does not start where the agents' clocks are not known to within 100 ms, and is
// degraded above 10 ms. A question and its answer pass the link four times.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	s := startSession(t, 1)
	s.joinAll(t.Context())
	sp := spec("put", 1)
	sp.Load.Rate = new(100.0)
	run := func(delay time.Duration) (*results.Run, error) {
		s.up.Set(link.Conditions{Delay: delay})
		s.down.Set(link.Conditions{Delay: delay})
		return runner.Run(t.Context(), sp, runner.Options{Fleet: s})
	}
	if r, err := run(60 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "not known to within 100ms") ||
		r != nil && len(r.Operations) > 0 {
		t.Errorf("120 ms: %+v, %v", r, err)
	}
	r, err := run(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Validity.Verdict == results.Valid || r.Agents[0].OffsetBound < 39*time.Millisecond ||
		!slices.ContainsFunc(r.Validity.Reasons, func(r results.Reason) bool { return r.Code == "clock-offset" }) {
		t.Errorf("40 ms: %+v, %+v", r.Validity, r.Agents)
	}
	s.up.Set(link.Conditions{})
	s.down.Set(link.Conditions{})
	s.end(t)
}

// An agent whose start message arrives after the start time fails the run, which names it.
func TestLateAgent(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	s.join(t.Context(), s.options(0))
	late := s.options(1)
	var asked atomic.Int64
	late.Clock = func() time.Time {
		if asked.Add(1) > 2*agent.Exchanges { // those of the questions before the load
			return time.Now().Add(time.Minute)
		}
		return time.Now()
	}
	s.join(t.Context(), late)
	sp := spec("put", 2)
	sp.Load.Rate, sp.Load.Duration = new(100.0), new(time.Minute)
	run, err := runner.Run(t.Context(), sp, runner.Options{Fleet: s})
	if err == nil || !strings.Contains(err.Error(), "agent 1 ") || !strings.Contains(err.Error(), "after the start time") {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "agent 0 ") {
		t.Errorf("an agent that was stopped before its load began failed: %v", err)
	}
	if a := run.Agents[1]; run.Outcome != results.Failed || run.Validity.Verdict != results.Invalid || a.NotOffered == 0 {
		t.Errorf("%s, %+v, %+v", run.Outcome, run.Validity, a)
	}
	s.Close()
	s.agents.Wait()
	for i, err := range s.errs {
		if err == nil {
			t.Errorf("agent %d has no error", i)
		}
	}
}
