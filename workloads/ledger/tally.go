package ledger

import "fmt"

// A tally counts the acknowledged puts of one key since its last acknowledged
// deletion, in one word, so that both change at once:
//
//	bits 24–63  boundary: revision of the deletion; puts above it are counted
//	bits 18–23  writes of unknown outcome in the whole run; the highest value means
//	            that there may be any number
//	bit  17     the count may be too low
//	bit  16     the count has passed 65,535 and started again
//	bits 0–15   count
//
// A key's version grows by one with each put and starts again after a deletion, so
// it must be the count, or above it by no more than the unknown writes.
type tally uint64

const (
	countMask    = 1<<16 - 1
	wrappedBit   = 1 << 16
	lowBit       = 1 << 17
	unknownShift = 18
	unknownMax   = 1<<6 - 1
)

func (t tally) boundary() int64 { return int64(t >> hashBits) }
func (t tally) unknown() int64  { return int64(t >> unknownShift & unknownMax) }
func (t tally) low() bool       { return t&lowBit != 0 }
func (t tally) wrapped() bool   { return t&wrappedBit != 0 }
func (t tally) count() int64    { return int64(t & countMask) }

// plusOne counts one put.
func (t tally) plusOne() tally {
	if t&countMask == countMask {
		return t&^countMask | wrappedBit
	}
	return t + 1
}

// wrote counts a put at a revision.
func (e *entry) wrote(revision int64) {
	for {
		t := tally(e.puts.Load())
		if revision <= t.boundary() && t.boundary() > 0 {
			return // deleted since
		}
		if e.puts.CompareAndSwap(uint64(t), uint64(t.plusOne())) {
			return
		}
	}
}

// deleted restarts the count. If a put with a higher revision is known already, it is unknown
// how many of the counted puts came before the deletion: then the count becomes a lower bound.
// A put records its revision before it is counted, so this check misses no counted put. A put
// that is counted meanwhile changes the tally, and the change is repeated.
func (e *entry) deleted(revision int64) {
	revision = min(max(revision, 0), maxRevision)
	for {
		t := tally(e.puts.Load())
		if revision <= t.boundary() {
			return
		}
		next := uint64(revision)<<hashBits | uint64(t.unknown())<<unknownShift
		if int64(e.last.Load()>>hashBits) > revision {
			next |= lowBit
		}
		if e.puts.CompareAndSwap(uint64(t), next) {
			return
		}
	}
}

// unknown counts a write of unknown outcome. It may take effect at any later time,
// so that no deletion ends it.
func (e *entry) unknown() {
	for {
		t := tally(e.puts.Load())
		if t.unknown() == unknownMax || e.puts.CompareAndSwap(uint64(t), uint64(t+1<<unknownShift)) {
			return
		}
	}
}

// judge compares the growth of a key's version with the tally. Where complete is not
// set, the key may have been removed meanwhile without a record, so that there are
// fewer; where it is shared, other clients may have written it, so that there are
// more. When they do not match, it returns what was expected, what was found, and
// false.
func (t tally) judge(grown int64, complete, shared bool) (expected, got string, ok bool) {
	var more int64 // puts that were not acknowledged
	switch {
	case !t.wrapped():
		more = grown - t.count()
	case !complete || t.low() || t.unknown() == unknownMax:
		return "", "", true
	default: // what differs by less than half of the count's range is exact
		more = int64(int16(uint16(grown) - uint16(t.count())))
	}
	acknowledged := grown - more
	switch {
	case more < 0 && complete:
		return fmt.Sprintf("%d puts, which were acknowledged", acknowledged),
			fmt.Sprintf("%d, by the key's version: %d lost", grown, -more), false
	case !shared && more > t.unknown() && t.unknown() < unknownMax && !t.low():
		expected = fmt.Sprintf("%d puts, which were acknowledged", acknowledged)
		if t.unknown() > 0 {
			expected += fmt.Sprintf(", and at most %d of unknown outcome", t.unknown())
		}
		return expected, fmt.Sprintf("%d, by the key's version", grown), false
	}
	return "", "", true
}
