package disk

import (
	"sync"
	"time"
)

// kind is the kind of a system call.
type kind int

const (
	kindSync kind = iota
	kindWrite
	kindAppend
)

// String returns the name of the kind's calls.
func (k kind) String() string { return [...]string{"syncs", "writes", "appends"}[k] }

// in reports whether the kind is one of calls.
func (k kind) in(calls Calls) bool {
	return k == kindSync && calls.Syncs || k == kindWrite && calls.Writes || k == kindAppend && calls.Appends
}

// call is a system call that waits for its answer.
type call struct {
	id     uint64
	kind   kind
	due    time.Time
	change int // the number of the conditions that apply to it
}

// schedule decides when each system call is answered, and how.
type schedule struct {
	mu         sync.Mutex
	conditions Conditions
	effect     Effect
	change     int // counts the changes of the conditions
	// free is the time at which the disk will have completed all calls, if IOPS bounds it.
	free time.Time
	// waiting holds the waiting calls, by thread.
	waiting map[uint32]call
}

// set sets the conditions for later calls, and returns the effect of the previous ones.
func (s *schedule) set(c Conditions) Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect := s.effect
	s.conditions, s.effect, s.free = c, Effect{}, time.Time{}
	s.change++
	return effect
}

// concerns reports whether the conditions change anything about calls of a kind.
func (s *schedule) concerns(k kind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.in(s.conditions.Delayed) || k.in(s.conditions.Failed)
}

// decide returns the delay of a thread's call, or that it fails. A thread that was interrupted
// by a signal repeats its call: it waits only for the rest of the delay.
func (s *schedule) decide(thread uint32, id uint64, k kind, now time.Time) (wait time.Duration, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conditions
	if k.in(c.Failed) {
		s.effect.Failed++
		delete(s.waiting, thread)
		return 0, true
	}
	before, interrupted := s.waiting[thread]
	if interrupted && before.kind == k {
		before.id = id
		s.waiting[thread] = before
		return max(0, before.due.Sub(now)), false
	}
	if !k.in(c.Delayed) {
		return 0, false
	}
	due := now
	if c.IOPS > 0 {
		if s.free.After(now) {
			due = s.free
		}
		due = due.Add(time.Duration(float64(time.Second) / c.IOPS))
		s.free = due
	}
	due = due.Add(c.delay())
	wait = due.Sub(now)
	s.effect.Delayed++
	s.effect.Delay += wait
	if s.waiting == nil {
		s.waiting = map[uint32]call{}
	}
	s.waiting[thread] = call{id: id, kind: k, due: due, change: s.change}
	return wait, false
}

// answered removes a call that is answered now.
func (s *schedule) answered(thread uint32, id uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.waiting[thread]
	if !ok || c.id != id {
		return
	}
	if c.change == s.change {
		s.effect.Late += max(0, now.Sub(c.due))
	}
	delete(s.waiting, thread)
}
