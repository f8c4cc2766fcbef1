package lean

// streams are the calls of a session by the identifiers of their streams, which are odd and rise.
// Most are in a ring, at the place of their number. A call whose place a later one needs is kept
// apart while the ring has room for others.
type streams struct {
	ring      []*Call // its length is a power of two
	displaced map[uint32]*Call
	count     int
}

// leastRing is the length of the first ring.
const leastRing = 64

func newStreams() streams { return streams{ring: make([]*Call, leastRing)} }

func (t *streams) place(id uint32) *(*Call) { return &t.ring[id>>1&uint32(len(t.ring)-1)] }

// get returns the call of a stream; nil if it has none.
func (t *streams) get(id uint32) *Call {
	if call := *t.place(id); call != nil && call.id == id {
		return call
	}
	return t.displaced[id]
}

// add adds a call, whose identifier is above those of others.
func (t *streams) add(call *Call) {
	if t.count >= len(t.ring)/2 && *t.place(call.id) != nil {
		t.grow()
	}
	t.count++
	t.put(call)
}

// put puts a call in its place, and apart the one that has it.
func (t *streams) put(call *Call) {
	place := t.place(call.id)
	if old := *place; old != nil {
		if t.displaced == nil {
			t.displaced = map[uint32]*Call{}
		}
		t.displaced[old.id] = old
	}
	*place = call
}

// grow doubles the ring. Calls apart stay there.
func (t *streams) grow() {
	old := t.ring
	t.ring = make([]*Call, 2*len(old))
	for _, call := range old {
		if call != nil {
			*t.place(call.id) = call
		}
	}
}

// remove removes a call.
func (t *streams) remove(call *Call) {
	t.count--
	if place := t.place(call.id); *place == call {
		*place = nil
	} else {
		delete(t.displaced, call.id)
	}
}

// all calls yield with each call, which yield may remove.
func (t *streams) all(yield func(*Call) bool) {
	for i := range t.ring {
		if call := t.ring[i]; call != nil && !yield(call) {
			return
		}
	}
	for _, call := range t.displaced {
		if !yield(call) {
			return
		}
	}
}
