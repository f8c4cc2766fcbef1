package workloads

import (
	"encoding/binary"
	"hash/fnv"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench"
)

// A stamp starts the value of a write that watchers are to see: it carries the
// times from which the event's latencies count, so that they are known whatever
// becomes of the answer.
const (
	stampSize  = 26
	stampMagic = 0xe7cd6265
)

// newRunTag keeps the stamps of different runs apart.
func newRunTag(t Target) uint32 {
	h := fnv.New32a()
	h.Write([]byte(t.Prefix))
	return h.Sum32() ^ uint32(t.Seed)
}

// stamp is what a watched value starts with.
type stamp struct {
	phase          int
	intended, sent time.Duration
}

// put writes the stamp over the start of value, which must have room for it.
func (s stamp) put(value []byte, run uint32) {
	binary.BigEndian.PutUint32(value, stampMagic)
	binary.BigEndian.PutUint32(value[4:], run)
	binary.BigEndian.PutUint16(value[8:], uint16(s.phase))
	binary.BigEndian.PutUint64(value[10:], uint64(s.intended))
	binary.BigEndian.PutUint64(value[18:], uint64(s.sent))
}

// readStamp returns the stamp of a value, if it has one of this run.
func readStamp(value []byte, run uint32) (stamp, bool) {
	if len(value) < stampSize || binary.BigEndian.Uint32(value) != stampMagic || binary.BigEndian.Uint32(value[4:]) != run {
		return stamp{}, false
	}
	return stamp{
		phase:    int(binary.BigEndian.Uint16(value[8:])),
		intended: time.Duration(binary.BigEndian.Uint64(value[10:])),
		sent:     time.Duration(binary.BigEndian.Uint64(value[18:])),
	}, true
}

// acks remembers when the latest writes were acknowledged, by revision, so that
// a watcher can compare: an event may come before the answer to its put.
type acks struct {
	// run keeps the stamps of different runs apart.
	run   uint32
	slots []ackSlot
}

type ackSlot struct {
	revision              atomic.Int64 // 0 while it is being written
	phase                 atomic.Int64
	intended, sent, acked atomic.Int64
}

// ackSlots is how many revisions back an acknowledgement is remembered.
const ackSlots = 1 << 16

func newAcks(run uint32) *acks { return &acks{run: run, slots: make([]ackSlot, ackSlots)} }

// ack is one acknowledged write.
type ack struct {
	stamp
	acked time.Duration
}

func (a *acks) add(revision int64, op *bench.Op, sent, acked time.Duration) {
	s := &a.slots[revision%ackSlots]
	s.revision.Store(0)
	s.phase.Store(int64(op.Phase))
	s.intended.Store(int64(op.Intended))
	s.sent.Store(int64(sent))
	s.acked.Store(int64(acked))
	s.revision.Store(revision)
}

// find returns the write that was acknowledged at a revision.
func (a *acks) find(revision int64) (ack, bool) {
	s := &a.slots[revision%ackSlots]
	if s.revision.Load() != revision {
		return ack{}, false
	}
	k := ack{stamp{int(s.phase.Load()), time.Duration(s.intended.Load()), time.Duration(s.sent.Load())}, time.Duration(s.acked.Load())}
	return k, s.revision.Load() == revision
}
