package bench

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Sink records operations that arrive without a request of their own, such as watch events. Its
// methods are safe for concurrent use and take no lock. They do nothing outside the load, which
// lasts from the start of the first phase to the end of Detach.
type Sink struct {
	*sinkState
	base int // added to every kind
}

type sinkState struct {
	engine *engine
	open   atomic.Bool
}

// ClosedSink returns a sink that discards everything, for tests of a [Receiver].
func ClosedSink() *Sink { return &Sink{sinkState: &sinkState{}} }

// From returns a sink that adds kind to the kinds of its samples. It is for a part of a
// workload that numbers its own kinds from 0.
func (s *Sink) From(kind int) *Sink { return &Sink{s.sinkState, s.base + kind} }

// Now returns the time on the run's clock.
func (s *Sink) Now() time.Duration {
	if !s.open.Load() {
		return 0
	}
	return s.engine.clock.now()
}

// Phase returns the present phase's place in the plan, and -1 outside the load.
func (s *Sink) Phase() int {
	if s.open.Load() {
		if ph := s.engine.current.Load(); ph != nil {
			return ph.index
		}
	}
	return -1
}

// Record counts an operation as offered and settled in the phase with that place in the plan.
// The caller's number only spreads callers over the shards.
func (s *Sink) Record(phase, caller int, sample Sample) {
	if ph := s.enter(phase); ph != nil {
		sample.Kind += s.base
		ph.offered[sample.Kind].Add(1)
		ph.sample(caller, sample)
		ph.active.Add(-1)
	}
}

// Count adds to one of the counts of a kind.
func (s *Sink) Count(phase, kind, count int, n uint64) {
	if ph := s.enter(phase); ph != nil {
		ph.counts[s.base+kind][count].Add(n)
		ph.active.Add(-1)
	}
}

// Fail counts the error of a failed sample.
func (s *Sink) Fail(phase, kind int, err error) {
	if ph := s.enter(phase); ph != nil {
		s.engine.errors.add(phase, s.base+kind, err)
		ph.active.Add(-1)
	}
}

// enter registers a writer, for which close waits.
func (s *Sink) enter(phase int) *phase {
	if !s.open.Load() || phase < 0 || phase >= len(s.engine.phases) {
		return nil
	}
	ph := s.engine.phases[phase].Load()
	if ph == nil {
		return nil
	}
	ph.active.Add(1)
	if !s.open.Load() {
		ph.active.Add(-1)
		return nil
	}
	return ph
}

// close ends the recording. No client is active any more.
func (s *Sink) close() {
	s.open.Store(false)
	for i := range s.engine.phases {
		if ph := s.engine.phases[i].Load(); ph != nil {
			for ph.active.Load() > 0 {
				runtime.Gosched()
			}
		}
	}
}
