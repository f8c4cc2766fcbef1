package workloads

import (
	"context"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

func deleteEntry() Entry {
	return Entry{
		Name:    "delete",
		Summary: "delete keys, and write them again",
		Measures: "Every other operation is a DeleteRange of one key that exists, the ones between are the Puts that bring deleted " +
			"keys back, oldest first: the two are reported apart, and the number of keys stays level.",
		Define: func() Definition { return new(deleteDefinition) },
	}
}

type deleteDefinition struct {
	keys   Keys
	values Values
}

func (d *deleteDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addSpaceFlags(fs, defaultSpace)
	d.values.addFlags(fs)
}

func (d *deleteDefinition) Validate(prefix string) error {
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := checkStock(d.keys.Space); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

// removes implements [remover].
func (d *deleteDefinition) removes() (Keys, bool) { return d.keys, true }

func (d *deleteDefinition) New(t Target) (bench.Workload, error) {
	return &deleteWorkload{definition: *d, target: t, pool: newValuePool(d.values, t.Seed)}, nil
}

type deleteWorkload struct {
	nothing
	definition deleteDefinition
	target     Target
	pool       *valuePool
	stock      *stock
}

// The kinds of the workload, in turns.
const (
	deleteDelete = iota
	deletePut
)

func (*deleteWorkload) Name() string { return "delete" }
func (*deleteWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "delete", Write: true}, {Name: "put", Write: true}}
}

// KindOf implements [bench.Chooser].
func (*deleteWorkload) KindOf(_ int, n uint64) int { return int(n % 2) }

// Setup implements [bench.Workload].
func (w *deleteWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	keys := w.definition.keys
	w.stock = newStock(keys.Space, func(int64) bool { return true })
	return populate(ctx, w.target, keys, w.pool, progress)
}

func (w *deleteWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return &deleteWorker{
		kv: pb.NewKVClient(w.target.conn(client)), stock: w.stock,
		writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{Deletion: true}),
	}, nil
}

type deleteWorker struct {
	*writer
	kv     pb.KVClient
	stock  *stock
	again  pb.PutRequest
	delete pb.DeleteRangeRequest
}

// Do implements [bench.Worker].
func (w *deleteWorker) Do(ctx context.Context, op *bench.Op) error {
	if op.N%2 == deletePut {
		return w.putBack(ctx, op)
	}
	number, err := take(w.stock.there)
	if err != nil {
		return err
	}
	w.delete.Key = w.keys.appendKey(w.delete.Key, number)
	w.send(op)
	r, err := w.kv.DeleteRange(ctx, &w.delete)
	switch {
	case err != nil && ledger.Refused(err):
		w.stock.there <- number
		return err
	case err != nil:
		w.failed(err, number)
		w.stock.gone <- number
		return err
	}
	w.stock.gone <- number
	if r.Deleted != 1 {
		return errMissing
	}
	w.acked(op, r.GetHeader().GetRevision(), number)
	w.space.Deleted(number, r.GetHeader().GetRevision())
	return nil
}

func (w *deleteWorker) putBack(ctx context.Context, op *bench.Op) error {
	number, err := take(w.stock.gone)
	if err != nil {
		// The deletes before this one have not been answered yet: a key that exists
		// is as good.
		if number, err = take(w.stock.there); err != nil {
			return err
		}
	}
	w.keys.rng.reset(op.Phase, op.N)
	if err := w.put(ctx, op, w.kv, &w.again, number); err != nil {
		w.stock.gone <- number
		return err
	}
	w.stock.there <- number
	return nil
}
