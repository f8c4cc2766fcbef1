package workloads

import (
	"context"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func deleteEntry() Entry {
	return Entry{
		Name:    "delete",
		Summary: "delete keys, and write them again",
		Measures: "Operations alternate: a DeleteRange of one existing key, and the Put of the key that was deleted longest ago. " +
			"Both are reported separately, and the number of keys stays the same.",
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
	return &deleteWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type deleteWorkload struct {
	noSetup
	definition deleteDefinition
	target     Target
	pool       *values.Source
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
	return populate(ctx, w.target, w.definition.keys, w.pool, progress)
}

// Open implements [bench.Opener].
func (w *deleteWorkload) Open(context.Context, func(done, total int)) error {
	w.stock = newStock(w.target, w.definition.keys.Space, func(int64) bool { return true })
	return nil
}

func (w *deleteWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	d := &deleteScript{stock: w.stock, writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{Deletion: true})}
	return newScripted(w.target.link(client), d), nil
}

// deleteScript is an operation of one DeleteRange, or of the Put of a deleted key.
type deleteScript struct {
	*writer
	stock *stock
	put   putRequest

	message pb.DeleteRangeRequest
	number  int64
}

func (d *deleteScript) first(op *bench.Op) (request, error) {
	if op.N%2 == deletePut {
		return d.putBack(op)
	}
	number, err := take(d.stock.present)
	if err != nil {
		return request{}, err
	}
	d.number, d.message.Key = number, d.keys.appendKey(d.message.Key, number)
	d.send(op)
	return request{methodDeleteRange, &d.message}, nil
}

func (d *deleteScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if op.N%2 == deletePut {
		return request{}, d.broughtBack(op, reply, err)
	}
	return request{}, d.deleted(op, reply, err)
}

func (d *deleteScript) deleted(op *bench.Op, reply proto.Message, err error) error {
	switch {
	case err != nil && ledger.Refused(err):
		d.stock.present <- d.number
		return err
	case err != nil:
		d.failed(err, d.number)
		d.stock.absent <- d.number
		return err
	}
	d.stock.absent <- d.number
	answer := reply.(*pb.DeleteRangeResponse)
	if answer.Deleted != 1 {
		return errMissing
	}
	revision := answer.GetHeader().GetRevision()
	d.acked(op, revision, d.number)
	d.space.Deleted(d.number, revision)
	return nil
}

func (d *deleteScript) putBack(op *bench.Op) (request, error) {
	number, err := take(d.stock.absent)
	if err != nil {
		// The deletes before this one have not been answered yet: a key that exists
		// is as good.
		if number, err = take(d.stock.present); err != nil {
			return request{}, err
		}
	}
	d.keys.reseed(op.Phase, op.N)
	return d.put.send(op, d.writer, number), nil
}

func (d *deleteScript) broughtBack(op *bench.Op, reply proto.Message, err error) error {
	if err = d.put.answered(op, d.writer, reply, err); err != nil {
		d.stock.absent <- d.put.number
		return err
	}
	d.stock.present <- d.put.number
	return nil
}
