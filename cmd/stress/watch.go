package main

import (
	"sync"
	"time"
)

// stallWatch records for how long this process did not run.
type stallWatch struct {
	mu     sync.Mutex
	stalls []stall
}

// stall is one stretch in which the process did not run.
type stall struct {
	end    time.Time
	length time.Duration
}

// newStallWatch begins to watch, until done.
func newStallWatch(done <-chan struct{}) *stallWatch {
	w := &stallWatch{}
	go func() {
		const each, least = 20 * time.Millisecond, 30 * time.Millisecond
		tick := time.NewTicker(each)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := time.Now()
			if late := now.Sub(last) - each; late > least {
				w.mu.Lock()
				w.stalls = append(w.stalls, stall{now, late})
				w.mu.Unlock()
			}
			last = now
		}
	}()
	return w
}

// longest returns the longest stretch that ended between two times, or soon after them.
func (w *stallWatch) longest(from, to time.Time) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stalls {
		if s.end.After(from) && s.end.Before(to.Add(s.length+time.Second)) {
			longest = max(longest, s.length)
		}
	}
	return longest
}
