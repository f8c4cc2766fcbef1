package workloads

import (
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// writeRules are the common part of the writers of a workload. They are immutable.
type writeRules struct {
	pool  *values.Source
	space *ledger.Space // nil: nothing is verified
	acks  *ledger.Acks  // nil: no watchers
}

// writer is how one worker writes: it makes keys and values and keeps account of the
// acknowledged writes.
type writer struct {
	*writeRules
	keys   keyMaker
	drafts *drafts // nil: values are the pool's, as they are
	// account is held in place: counting touches no memory of other clients.
	account ledger.Account
}

// drafts are the values of a writer that are made or stamped.
type drafts struct {
	buffers [][]byte
	sent    time.Duration // as stamped
}

func newWriter(t Target, k Keys, pool *values.Source, r ledger.Removal) *writer {
	w := &writer{}
	w.init(t, k, pool, r)
	return w
}

// init prepares a writer that stays where it is.
func (w *writer) init(t Target, k Keys, pool *values.Source, r ledger.Removal) {
	pool.Prepare()
	w.keys, w.writeRules = *newKeyMaker(k, t), t.writeRules(k, pool, r)
	if pool.Made() || w.acks != nil {
		w.drafts = &drafts{}
	}
	t.shared.ledger.Register(&w.account)
}

// value draws value i of a request. It is good until the next request.
func (w *writer) value(i int) []byte {
	d := w.drafts
	if d == nil {
		return w.pool.Value(nil, w.keys.rng.rand())
	}
	for len(d.buffers) <= i {
		d.buffers = append(d.buffers, nil)
	}
	v := w.pool.Value(d.buffers[i], w.keys.rng.rand())
	if !w.pool.Made() {
		if len(v) < ledger.StampSize {
			return v
		}
		v = append(d.buffers[i][:0], v...)
	}
	d.buffers[i] = v
	return v
}

// send marks the moment of sending, also in the values that watchers will see.
func (w *writer) send(op *bench.Op, values ...[]byte) {
	w.account.Send()
	sent := op.Send()
	if w.acks == nil {
		return
	}
	w.drafts.sent = sent
	for _, v := range values {
		if len(v) >= ledger.StampSize {
			ledger.Stamp{Phase: op.Phase, Intended: op.Intended, Sent: sent}.Put(v, w.acks.Run)
		}
	}
}

// acked records an acknowledged request; number is one of its keys. The writes in it are
// recorded one by one, in the ledger's space.
func (w *writer) acked(op *bench.Op, revision, number int64) {
	if w.acks != nil {
		stamp := ledger.Stamp{Phase: op.Phase, Intended: op.Intended, Sent: w.drafts.sent}
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
