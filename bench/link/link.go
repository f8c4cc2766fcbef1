// Package link adds network conditions between the two ends of a TCP connection: delay, jitter,
// bandwidth and outages, separately for each direction, so that one machine can simulate
// several sites.
//
// It forwards bytes, not packets. Nothing is lost or reordered, because TCP would hide that
// anyway. Data that an outage holds back arrives after the outage. A connection is established
// immediately, without the round trip that a real network needs.
package link

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Conditions are the conditions of one direction. The zero value forwards everything unchanged.
type Conditions struct {
	// Delay is the one-way delay. The delay of each piece of data is uniformly distributed over
	// Delay ± Jitter, and never negative.
	Delay, Jitter time.Duration
	// Bandwidth is in bytes per second, for all connections together; 0 means no limit.
	Bandwidth int64
	// Down holds all data back until it is false again.
	Down bool
}

// With returns the conditions combined with others: delays are added, and the smaller bandwidth
// applies.
func (c Conditions) With(other Conditions) Conditions {
	sum := Conditions{
		Delay: c.Delay + other.Delay, Jitter: c.Jitter + other.Jitter, Bandwidth: c.Bandwidth, Down: c.Down || other.Down,
	}
	if c.Bandwidth == 0 || other.Bandwidth > 0 && other.Bandwidth < c.Bandwidth {
		sum.Bandwidth = other.Bandwidth
	}
	return sum
}

// Ways selects directions, from the point of view of one end.
type Ways struct{ In, Out bool }

// Direction is one direction of a link. Its conditions may change while it is used; a new delay
// applies to data that is sent afterwards.
type Direction struct {
	mu         sync.Mutex
	conditions Conditions
	// free is when the last accepted byte has left, if the bandwidth is limited.
	free time.Time
	// up is closed while the direction is not down.
	up chan struct{}
}

// NewDirection returns a direction with these conditions.
func NewDirection(c Conditions) *Direction {
	d := &Direction{up: make(chan struct{})}
	close(d.up)
	d.Set(c)
	return d
}

// Set changes the conditions.
func (d *Direction) Set(c Conditions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if was := d.conditions.Down; c.Down && !was {
		d.up = make(chan struct{})
	} else if was && !c.Down {
		close(d.up)
	}
	d.conditions = c
}

// Conditions returns the present conditions.
func (d *Direction) Conditions() Conditions {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conditions
}

// due returns when n bytes that are sent now arrive.
func (d *Direction) due(n int) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, at := d.conditions, time.Now()
	if c.Bandwidth > 0 {
		if d.free.After(at) {
			at = d.free
		}
		at = at.Add(time.Duration(float64(n) / float64(c.Bandwidth) * float64(time.Second)))
		d.free = at
	}
	if c.Jitter > 0 {
		c.Delay += rand.N(2*c.Jitter+1) - c.Jitter
	}
	return at.Add(max(0, c.Delay))
}

// wait waits until data that is due at that time may arrive. It returns false if ctx ends
// first.
func (d *Direction) wait(ctx context.Context, due time.Time) bool {
	if left := time.Until(due); left > 0 {
		t := time.NewTimer(left)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	d.mu.Lock()
	up := d.up
	d.mu.Unlock()
	select {
	case <-up:
		return true
	case <-ctx.Done():
		return false
	}
}
