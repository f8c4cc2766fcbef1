package consistency

import (
	"runtime"
	"sync/atomic"
	"time"
)

// An event is a read or a write of a followed key, as a client records it.
type event struct {
	kind kind
	key  Key
	// id is the ID of the request that writes.
	id uint64
	// floor is the highest revision that was answered before the write was sent.
	floor int64
	// revision is the revision at which a write was acknowledged, or a key was read.
	revision int64
	// created is the revision of the key's creation; 0 is not known.
	created int64
	// modified, version and hash describe the key that was read, or the value that is written.
	// modified is 0 if there is no key; hash and version are 0 if they are unknown.
	modified, version int64
	hash              uint64
	operation
}

// An operation describes one operation for reports.
type operation struct {
	// sent and answered count from the checker's start; answered is 0 without an answer.
	sent, answered time.Duration
	member         uint64
	conn           int32
	name           Operation
}

// A kind is the kind of an event.
type kind uint8

const (
	sentPut kind = iota
	sentLeasedPut
	sentDeletion
	acknowledged
	refused
	failed
	keyRead
	keyExisted
)

// laneCount is the number of lanes. The connections share them, so that few clients use the same lane.
const (
	laneCount = 8
	laneSize  = 1 << 12
)

// A lane takes the events of some connections from many clients and hands them to one
// reader, in order, without a lock (D. Vyukov, "Bounded MPMC queue").
type lane struct {
	answers atomic.Uint64
	ids     atomic.Uint64
	_       [48]byte
	tail    atomic.Uint64
	_       [56]byte
	// free is the place up to which all slots may be reused. The reader raises it once for many
	// events.
	free  atomic.Uint64
	head  uint64
	slots []slot
	mask  uint64
}

type slot struct {
	// turn is the place in the sequence after the event that the slot holds. It is lower while
	// the event is being written.
	turn  atomic.Uint64
	event event
}

func (l *lane) init(size int) { l.slots, l.mask = make([]slot, size), uint64(size-1) }

// push appends an event. It returns false if there is no room.
func (l *lane) push(e *event) bool {
	for at := l.tail.Load(); at-l.free.Load() < uint64(len(l.slots)); at = l.tail.Load() {
		if l.tail.CompareAndSwap(at, at+1) {
			s := &l.slots[at&l.mask]
			s.event = *e
			s.turn.Store(at + 1)
			return true
		}
	}
	return false
}

// freeEvery is the number of events after which the reader frees slots.
const freeEvery = 64

// drain calls visit with the complete events before a place, and reports whether all were
// complete.
func (l *lane) drain(to uint64, visit func(*event)) bool {
	defer func() { l.free.Store(l.head) }()
	for l.head < to {
		s := &l.slots[l.head&l.mask]
		if s.turn.Load() != l.head+1 {
			return false // the event is being written
		}
		visit(&s.event)
		if l.head++; l.head%freeEvery == 0 {
			l.free.Store(l.head)
		}
	}
	return true
}

// put appends an event. If there is no room, the caller compares events itself, unless another
// client is doing so.
func (c *Checker) put(l *lane, e *event) bool {
	const attempts = 1000
	for range attempts {
		if l.push(e) {
			return true
		}
		if e.kind >= keyRead {
			return false
		}
		if c.mu.TryLock() {
			c.read()
			c.mu.Unlock()
		} else {
			runtime.Gosched()
		}
	}
	return false
}

// A round is one reading of all lanes. Events from before a round have been read when it ends.
type round struct {
	number  uint32
	reading bool
	ends    [laneCount]uint64
}

// drain reads the lanes once. It returns the number of events that waited in the fullest one.
func (c *Checker) drain() (most uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.lanes {
		most = max(most, c.lanes[i].tail.Load()-c.lanes[i].head)
	}
	c.read()
	return most
}

// read continues the round, or begins a new one if there is none. When a round ends, the keys
// are judged by the events that were read before it began. The caller holds mu.
func (c *Checker) read() {
	r := &c.round
	if !r.reading {
		r.number, r.reading = r.number+1, true
		for i := range c.lanes {
			r.ends[i] = c.lanes[i].tail.Load()
		}
	}
	complete := true
	for i := range c.lanes {
		complete = c.lanes[i].drain(r.ends[i], c.take) && complete
	}
	if complete {
		r.reading = false
		c.judge()
		c.explainOpen(false)
	}
}
