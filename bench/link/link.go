// Package link puts the conditions of a network between two ends of a TCP
// connection: delay, jitter, bandwidth and outages, each direction on its own, so
// that one machine stands in for several sites.
//
// It forwards bytes, not packets: nothing is lost or reordered, as TCP would not
// let that through either; what an outage holds back comes when it is over. A
// connection is made at once, without the round trip that it takes elsewhere.
package link

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Conditions are those of one direction. The zero value lets everything through.
type Conditions struct {
	// Delay is one way; each piece of data has one drawn evenly from Delay ± Jitter,
	// but not below zero.
	Delay, Jitter time.Duration
	// Bandwidth is in bytes per second, for all connections together; 0 is no bound.
	Bandwidth int64
	// Down holds everything back until it is up again.
	Down bool
}

// With returns the conditions with others on top: delays add up, of two bandwidths the
// smaller one holds.
func (c Conditions) With(other Conditions) Conditions {
	sum := Conditions{
		Delay: c.Delay + other.Delay, Jitter: c.Jitter + other.Jitter, Bandwidth: c.Bandwidth, Down: c.Down || other.Down,
	}
	if c.Bandwidth == 0 || other.Bandwidth > 0 && other.Bandwidth < c.Bandwidth {
		sum.Bandwidth = other.Bandwidth
	}
	return sum
}

// Ways are directions as seen from one end.
type Ways struct{ In, Out bool }

// Direction is one way of a link. Its conditions may change while it is used; a new
// delay holds for what is sent from then on.
type Direction struct {
	mu         sync.Mutex
	conditions Conditions
	// free is when the last byte that was accepted has left, where bandwidth is bounded.
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

// Conditions returns the present ones.
func (d *Direction) Conditions() Conditions {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conditions
}

// due says when n bytes that are sent now arrive.
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

// wait returns when something that is due at that time may arrive, or false when
// ctx ends first.
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
