package workloads

import (
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// writer is how one worker writes: it makes keys and values and keeps account of the
// acknowledged writes.
type writer struct {
	keys  keyMaker
	pool  *values.Source
	space *ledger.Space // nil: nothing is verified
	acks  *ledger.Acks  // nil: no watchers

	buffers [][]byte // of values that are made or stamped
	sent    time.Duration
	// account is held in place: counting touches no memory of other clients.
	account ledger.Account
}

func newWriter(t Target, k Keys, pool *values.Source, r ledger.Removal) *writer {
	w := &writer{}
	w.init(t, k, pool, r)
	return w
}

// init prepares a writer that stays where it is.
func (w *writer) init(t Target, k Keys, pool *values.Source, r ledger.Removal) {
	pool.Prepare()
	w.keys, w.pool, w.acks = *newKeyMaker(k, t), pool, t.shared.acks
	w.space = t.shared.ledger.Space(k.names(t.Prefix), r)
	t.shared.ledger.Register(&w.account)
}

// value draws value i of a request. It is good until the next request.
func (w *writer) value(i int) []byte {
	if !w.pool.Made() && w.acks == nil {
		return w.pool.Value(nil, w.keys.rng.rand())
	}
	for len(w.buffers) <= i {
		w.buffers = append(w.buffers, nil)
	}
	v := w.pool.Value(w.buffers[i], w.keys.rng.rand())
	if !w.pool.Made() {
		if len(v) < ledger.StampSize {
			return v
		}
		v = append(w.buffers[i][:0], v...)
	}
	w.buffers[i] = v
	return v
}

// send marks the moment of sending, also in the values that watchers will see.
func (w *writer) send(op *bench.Op, values ...[]byte) {
	w.account.Send()
	w.sent = op.Send()
	if w.acks == nil {
		return
	}
	for _, v := range values {
		if len(v) >= ledger.StampSize {
			ledger.Stamp{Phase: op.Phase, Intended: op.Intended, Sent: w.sent}.Put(v, w.acks.Run)
		}
	}
}

// acked records an acknowledged request; number is one of its keys. The writes in it are
// recorded one by one, in the ledger's space.
func (w *writer) acked(op *bench.Op, revision, number int64) {
	if w.acks != nil {
		stamp := ledger.Stamp{Phase: op.Phase, Intended: op.Intended, Sent: w.sent}
		w.acks.Add(revision, ledger.Ack{Stamp: stamp, Acked: op.Done()})
	}
	w.account.Acknowledge(revision, w.space, number)
}

// failed records a request that was answered with an error.
func (w *writer) failed(err error, numbers ...int64) {
	w.account.Failed(err)
	for _, n := range numbers {
		w.space.Failed(n, err)
	}
}
