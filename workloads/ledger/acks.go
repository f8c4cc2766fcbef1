package ledger

import (
	"encoding/binary"
	"hash/fnv"
	"sync/atomic"
	"time"
)

// StampSize is the length of a stamp in bytes.
const StampSize = 26

const stampMagic = 0xe7cd6265

// RunTag returns a number that distinguishes the stamps of one run from those of
// others.
func RunTag(prefix string, seed uint64) uint32 {
	h := fnv.New32a()
	h.Write([]byte(prefix))
	return h.Sum32() ^ uint32(seed)
}

// A Stamp is the end of the value of a write for watchers. It contains the times from which the
// event's latencies count, so that they are known even if the write is never answered. Times
// count from the start of the run.
type Stamp struct {
	// Phase is the number of the write's phase.
	Phase int
	// Intended is when the write was due, Sent when it was handed to the transport.
	Intended, Sent time.Duration
}

// Put writes the stamp over the end of value, which must have room for StampSize
// bytes.
func (s Stamp) Put(value []byte, run uint32) {
	value = value[len(value)-StampSize:]
	binary.BigEndian.PutUint32(value, stampMagic)
	binary.BigEndian.PutUint32(value[4:], run)
	binary.BigEndian.PutUint16(value[8:], uint16(s.Phase))
	binary.BigEndian.PutUint64(value[10:], uint64(s.Intended))
	binary.BigEndian.PutUint64(value[18:], uint64(s.Sent))
}

// StampTag returns the tag of a value's stamp, and false for a value without one.
func StampTag(value []byte) (tag uint32, ok bool) {
	if len(value) < StampSize {
		return 0, false
	}
	value = value[len(value)-StampSize:]
	return binary.BigEndian.Uint32(value[4:]), binary.BigEndian.Uint32(value) == stampMagic
}

// ReadStamp returns the stamp of a value, and false for a value without a stamp
// of this run.
func ReadStamp(value []byte, run uint32) (Stamp, bool) {
	if tag, ok := StampTag(value); !ok || tag != run {
		return Stamp{}, false
	}
	value = value[len(value)-StampSize:]
	return Stamp{
		Phase:    int(binary.BigEndian.Uint16(value[8:])),
		Intended: time.Duration(binary.BigEndian.Uint64(value[10:])),
		Sent:     time.Duration(binary.BigEndian.Uint64(value[18:])),
	}, true
}

// Acks records the times at which the latest writes were acknowledged, by revision, because an
// event may arrive before the answer to its put. Clients and watchers share it without a lock.
type Acks struct {
	// Run is the tag of the run in its stamps.
	Run   uint32
	slots []ackSlot
}

type ackSlot struct {
	revision              atomic.Int64 // 0 while it is being written
	phase                 atomic.Int64
	intended, sent, acked atomic.Int64
}

// ackSlots is the number of latest revisions whose acknowledgements are kept.
const ackSlots = 1 << 16

// NewAcks returns an empty record of acknowledgements for the run with that tag.
func NewAcks(run uint32) *Acks { return &Acks{Run: run, slots: make([]ackSlot, ackSlots)} }

// An Ack is one acknowledged write.
type Ack struct {
	Stamp
	// Acked is when the acknowledgement arrived.
	Acked time.Duration
}

// Add records the write that was acknowledged at a revision.
func (a *Acks) Add(revision int64, k Ack) {
	s := &a.slots[revision%ackSlots]
	s.revision.Store(0)
	s.phase.Store(int64(k.Phase))
	s.intended.Store(int64(k.Intended))
	s.sent.Store(int64(k.Sent))
	s.acked.Store(int64(k.Acked))
	s.revision.Store(revision)
}

// Find returns the write that was acknowledged at a revision, and false if there is no record
// of it.
func (a *Acks) Find(revision int64) (Ack, bool) {
	s := &a.slots[revision%ackSlots]
	if s.revision.Load() != revision {
		return Ack{}, false
	}
	k := Ack{
		Stamp: Stamp{int(s.phase.Load()), time.Duration(s.intended.Load()), time.Duration(s.sent.Load())},
		Acked: time.Duration(s.acked.Load()),
	}
	return k, s.revision.Load() == revision
}
