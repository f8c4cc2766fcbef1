package workloads

import (
	"time"

	"github.com/etcdbench/etcdbench/bench"
)

// writer is how one worker writes: it makes keys and values and keeps account
// of what was acknowledged.
type writer struct {
	keys   *keyMaker
	pool   *valuePool
	ledger *ledgerSpace
	acks   *acks

	stamped  [][]byte // copies of values, to be stamped
	sent     time.Duration
	revision int64 // highest seen
	// acknowledged counts requests; wentBack those whose revision was not above
	// all that this worker had seen before.
	acknowledged, wentBack uint64
}

func newWriter(t Target, k Keys, pool *valuePool, f fate) *writer {
	w := &writer{
		keys: newKeyMaker(k, t), pool: pool, acks: t.shared.acks,
		ledger: t.shared.ledger.space(t.Prefix, k, f),
	}
	t.shared.ledger.register(w)
	return w
}

// value draws value i of a request. It is good until the next request.
func (w *writer) value(i int) []byte {
	v := w.pool.value(&w.keys.rng)
	if w.acks == nil || len(v) < stampSize {
		return v
	}
	for len(w.stamped) <= i {
		w.stamped = append(w.stamped, nil)
	}
	w.stamped[i] = append(w.stamped[i][:0], v...)
	return w.stamped[i]
}

// send marks the moment of sending, also in the values that watchers will see.
func (w *writer) send(op *bench.Op, values ...[]byte) {
	w.sent = op.Send()
	if w.acks == nil {
		return
	}
	for _, v := range values {
		if len(v) >= stampSize {
			stamp{op.Phase, op.Intended, w.sent}.put(v, w.acks.run)
		}
	}
}

// acked takes note of an acknowledged request; the writes in it are noted one by
// one, with wrote.
func (w *writer) acked(op *bench.Op, revision int64) {
	if w.acks != nil {
		w.acks.add(revision, op, w.sent, op.Done())
	}
	w.acknowledged++
	if revision <= w.revision {
		w.wentBack++
	}
	w.revision = max(w.revision, revision)
}
