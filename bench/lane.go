package bench

import "sync"

// lane matches the clients of open phases with arrivals. At any time, either clients or
// arrivals wait in it.
type lane struct {
	mu     sync.Mutex
	idle   ring[*client]
	queue  ring[arrival]
	limit  int // the largest number of waiting arrivals
	closed bool
}

// take returns the arrival that has waited longest. If none waits, the client waits for one.
// open reports whether the lane still gets arrivals.
func (l *lane) take(c *client) (a arrival, ok, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return a, false, false
	}
	if a, ok = l.queue.pop(); !ok {
		l.idle.push(c)
	}
	return a, ok, true
}

// offer returns the client that serves the arrival: the one that has waited longest. If no
// client waits, the arrival waits, or is dropped when limit arrivals wait already.
func (l *lane) offer(a arrival) (c *client, dropped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.idle.pop(); ok {
		return c, false
	}
	if l.queue.len >= l.limit {
		return nil, true
	}
	l.queue.push(a)
	return nil, false
}

// waiting returns the number of waiting arrivals.
func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.len
}

// close closes the lane and returns the arrivals and clients that waited in it.
func (l *lane) close() (arrivals []arrival, clients []*client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for a, ok := l.queue.pop(); ok; a, ok = l.queue.pop() {
		arrivals = append(arrivals, a)
	}
	for c, ok := l.idle.pop(); ok; c, ok = l.idle.pop() {
		clients = append(clients, c)
	}
	return arrivals, clients
}

// ring is a queue that grows as needed and keeps its memory.
type ring[T any] struct {
	items     []T
	head, len int
}

func (r *ring[T]) push(v T) {
	if r.len == len(r.items) {
		items := make([]T, max(16, 2*len(r.items)))
		n := copy(items, r.items[r.head:])
		copy(items[n:], r.items[:r.head])
		r.items, r.head = items, 0
	}
	r.items[(r.head+r.len)%len(r.items)] = v
	r.len++
}

func (r *ring[T]) pop() (v T, ok bool) {
	if r.len == 0 {
		return v, false
	}
	var none T
	v, r.items[r.head] = r.items[r.head], none
	r.head, r.len = (r.head+1)%len(r.items), r.len-1
	return v, true
}
