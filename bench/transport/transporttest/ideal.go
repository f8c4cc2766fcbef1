package transporttest

import (
	"context"
	"sync"
	"time"
)

// Ideal is a server without a network, for virtual time. It completes a fixed number of
// operations a second, first come first served, and records when it acknowledges each.
type Ideal struct {
	// Capacity is the initial capacity in operations per second.
	Capacity float64
	// Drift is the share of Capacity by which it slows in each second.
	Drift float64

	mu    sync.Mutex
	start time.Time
	next  time.Time
	done  []time.Duration
}

// NewIdeal returns a server that starts now.
func NewIdeal(capacity, drift float64) *Ideal {
	return &Ideal{Capacity: capacity, Drift: drift, start: time.Now()}
}

// Serve returns when it has served an operation that arrives now.
func (s *Ideal) Serve(ctx context.Context) error {
	t := time.NewTimer(time.Until(s.enter()))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, time.Since(s.start))
	return nil
}

// enter returns when an operation that arrives now has been served.
func (s *Ideal) enter() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.next.Before(now) {
		s.next = now
	}
	capacity := s.Capacity * (1 - s.Drift*s.next.Sub(s.start).Seconds())
	s.next = s.next.Add(time.Duration(float64(time.Second) / capacity))
	return s.next
}

// Acknowledged counts the operations that were acknowledged in a stretch since the start.
func (s *Ideal) Acknowledged(from, to time.Duration) (n float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.done {
		if at >= from && at < to {
			n++
		}
	}
	return n
}
