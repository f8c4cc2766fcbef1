package workloads

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func txnMixedEntry() Entry {
	return Entry{
		Name:    "txn-mixed",
		Summary: "read several keys or write several keys, in transactions",
		Measures: "An operation is one Txn of --txn-ops Ranges, each of one existing key or of --span, or of as many Puts. " +
			"Reads and writes are reported separately.",
		Define: func() Definition { return new(txnMixedDefinition) },
	}
}

type txnMixedDefinition struct {
	keys        Keys
	values      Values
	ops         int
	ratio       float64
	span        string
	limit       int64
	consistency string

	width int64 // keys per range; 0 means the whole prefix
}

func (d *txnMixedDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.IntVar(&d.ops, "txn-ops", 1, "operations in one transaction")
	fs.Float64Var(&d.ratio, "rw-ratio", 1, "reads for each write")
	fs.StringVar(&d.span, "span", "key", "keys that a read covers: key, prefix, or a number of neighbouring keys")
	addChoices(fs, "span", "key", "prefix")
	fs.Int64Var(&d.limit, "limit", 0, "largest number of keys that a read returns (0: all)")
	fs.StringVar(&d.consistency, "consistency", "l", "consistency of reads: l (linearizable) or s (serializable)")
	addChoices(fs, "consistency", "l", "s")
}

// putsAtOnce implements [severalWriter].
func (d *txnMixedDefinition) putsAtOnce() int { return d.ops }

func (d *txnMixedDefinition) Validate(prefix string) (err error) {
	if d.width, err = spanWidth(d.span, d.keys.Space); err != nil {
		return err
	}
	switch {
	case d.limit < 0:
		return fmt.Errorf("--limit must not be negative, but is %d", d.limit)
	case !(d.ratio >= 0) || math.IsInf(d.ratio, 0):
		return fmt.Errorf("--rw-ratio must not be negative, but is %v", d.ratio)
	case d.consistency != "l" && d.consistency != "s":
		return fmt.Errorf("--consistency must be l or s, not %q", d.consistency)
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := d.values.validate(d.keys.Size); err != nil {
		return err
	}
	return validateTxnOps(d.ops, d.keys, d.values)
}

func (d *txnMixedDefinition) New(t Target) (bench.Workload, error) {
	return &txnMixedWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type txnMixedWorkload struct {
	noSetup
	definition txnMixedDefinition
	target     Target
	pool       *values.Source
}

// The kinds of the workload.
const (
	mixedRead = iota
	mixedWrite
)

func (*txnMixedWorkload) Name() string { return "txn-mixed" }
func (*txnMixedWorkload) Kinds() []bench.Kind {
	return []bench.Kind{
		{Name: "read", Counts: []bench.CountName{{Name: "ranges"}}},
		{Name: "write", Write: true, Counts: []bench.CountName{{Name: "puts"}}},
	}
}

// KindOf implements [bench.Chooser].
func (w *txnMixedWorkload) KindOf(phase int, n uint64) int {
	const unit = 1 << 53
	u := float64(scramble(scramble(w.target.Seed^uint64(phase)<<48)^n)>>11) / unit
	if u < w.definition.ratio/(1+w.definition.ratio) {
		return mixedRead
	}
	return mixedWrite
}

// Setup implements [bench.Workload].
func (w *txnMixedWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	return populate(ctx, w.target, w.definition.keys, w.pool, progress)
}

func (w *txnMixedWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	m := &txnMixedScript{
		workload: w, write: newPutTxn(w.definition.ops),
		writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{}),
	}
	for range w.definition.ops {
		get := &pb.RangeRequest{Serializable: w.definition.consistency == "s", Limit: w.definition.limit}
		m.gets = append(m.gets, get)
		m.read.Success = append(m.read.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: get}})
	}
	return newScripted(w.target.link(client), m), nil
}

// txnMixedScript is an operation of one Txn that reads, or of one that writes.
type txnMixedScript struct {
	*writer
	workload *txnMixedWorkload
	write    *putTxn

	read    pb.TxnRequest
	gets    []*pb.RangeRequest
	numbers []int64
	want    int64 // keys that each read finds
}

func (m *txnMixedScript) first(op *bench.Op) (request, error) {
	if m.workload.KindOf(op.Phase, op.N) == mixedWrite {
		return m.write.send(op, m.writer), nil
	}
	m.numbers = m.keys.several(m.numbers[:0], op, len(m.gets))
	for i, get := range m.gets {
		get.Key, get.RangeEnd, m.want = m.keys.appendSpan(get.Key, get.RangeEnd, m.numbers[i], m.workload.definition.width)
	}
	op.Send()
	return request{methodTxn, &m.read}, nil
}

func (m *txnMixedScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if m.workload.KindOf(op.Phase, op.N) == mixedWrite {
		err = m.write.answered(op, m.writer, reply, err)
	} else if err == nil {
		err = m.check(reply.(*pb.TxnResponse))
	}
	if err == nil {
		op.Count(0, uint64(len(m.gets)))
	}
	return request{}, err
}

// check returns an error if a read found fewer keys than were written.
func (m *txnMixedScript) check(reply *pb.TxnResponse) error {
	want := m.want
	if limit := m.workload.definition.limit; limit > 0 {
		want = min(want, limit)
	}
	for _, one := range reply.Responses {
		if int64(len(one.GetResponseRange().GetKvs())) < want {
			return errMissing
		}
	}
	return nil
}
