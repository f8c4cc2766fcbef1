package workloads

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func txnPutEntry() Entry {
	return Entry{
		Name:     "txn-put",
		Summary:  "write several keys in one transaction",
		Measures: "An operation is one Txn of --txn-ops Puts to different keys; the puts are also counted.",
		Define:   func() Definition { return new(txnPutDefinition) },
	}
}

type txnPutDefinition struct {
	keys   Keys
	values Values
	ops    int
}

// maxTxnOps is etcd's default limit (--max-txn-ops).
const maxTxnOps = 128

func (d *txnPutDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.IntVar(&d.ops, "txn-ops", 10, "operations in one transaction")
}

// putsAtOnce implements [severalWriter].
func (d *txnPutDefinition) putsAtOnce() int { return d.ops }

func (d *txnPutDefinition) Validate(prefix string) error {
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := d.values.validate(d.keys.Size); err != nil {
		return err
	}
	return validateTxnOps(d.ops, d.keys, d.values)
}

func validateTxnOps(ops int, k Keys, v Values) error {
	switch {
	case ops < 1 || ops > maxTxnOps:
		return fmt.Errorf("--txn-ops must be between 1 and etcd's limit of %d, not %d", maxTxnOps, ops)
	case int64(ops) > k.Space:
		return fmt.Errorf("--txn-ops %d needs as many different keys, but --key-space-size is %d", ops, k.Space)
	case ops*(k.Size+v.choice.High+requestOverhead) > maxRequest:
		return fmt.Errorf("--txn-ops %d with values of %s bytes are above etcd's request limit of %d bytes", ops, v.Size, maxRequest)
	}
	return nil
}

func (d *txnPutDefinition) New(t Target) (bench.Workload, error) {
	return &txnPutWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type txnPutWorkload struct {
	noSetup
	definition txnPutDefinition
	target     Target
	pool       *values.Source
}

func (*txnPutWorkload) Name() string { return "txn-put" }
func (*txnPutWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "txn-put", Write: true, Counts: []bench.CountName{{Name: "puts"}}}}
}

func (w *txnPutWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	p := &txnPutScript{
		txn: newPutTxn(w.definition.ops), writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{}),
	}
	return newScripted(w.target.link(client), p), nil
}

// txnPutScript is an operation of one Txn that writes.
type txnPutScript struct {
	*writer
	txn *putTxn
}

func (p *txnPutScript) first(op *bench.Op) (request, error) { return p.txn.send(op, p.writer), nil }

func (p *txnPutScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if err = p.txn.answered(op, p.writer, reply, err); err == nil {
		op.Count(0, uint64(len(p.txn.puts)))
	}
	return request{}, err
}

// putTxn is a reusable transaction of puts.
type putTxn struct {
	req     pb.TxnRequest
	puts    []*pb.PutRequest
	numbers []int64
	values  [][]byte
}

func newPutTxn(ops int) *putTxn {
	t := &putTxn{values: make([][]byte, ops)}
	for range ops {
		put := &pb.PutRequest{}
		t.puts = append(t.puts, put)
		t.req.Success = append(t.req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	return t
}

func (t *putTxn) request() request { return request{methodTxn, &t.req} }

// send fills in the puts of keys that it chooses.
func (t *putTxn) send(op *bench.Op, w *writer) request {
	t.numbers = w.keys.several(t.numbers[:0], op, len(t.puts))
	for i, put := range t.puts {
		put.Key, put.Value = w.keys.appendKey(put.Key, t.numbers[i]), w.value(i)
		t.values[i] = put.Value
	}
	w.send(op, t.values...)
	return t.request()
}

// answered records the outcome of the writes, and returns err.
func (t *putTxn) answered(op *bench.Op, w *writer, reply proto.Message, err error) error {
	if err != nil {
		w.failed(err, t.numbers...)
		return err
	}
	revision := reply.(*pb.TxnResponse).GetHeader().GetRevision()
	w.acked(op, revision, t.numbers[0])
	for i, n := range t.numbers {
		w.space.Wrote(n, revision, t.values[i])
	}
	return nil
}
