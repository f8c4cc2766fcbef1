package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

func putEntry() Entry {
	return Entry{
		Name:     "put",
		Summary:  "write one key",
		Measures: "An operation is one Put; it ends when the cluster has acknowledged it.",
		Define:   func() Definition { return new(putDefinition) },
	}
}

type putDefinition struct {
	keys    Keys
	values  Values
	compact time.Duration
}

func (d *putDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.DurationVar(&d.compact, "compact-interval", 0, "compact the whole key space to the present revision at this interval (0: never)")
}

func (d *putDefinition) Validate(prefix string) error {
	if d.compact < 0 {
		return errors.New("--compact-interval must not be negative")
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

func (d *putDefinition) New(t Target) (bench.Workload, error) {
	return &putWorkload{definition: *d, target: t, pool: newValuePool(d.values, t.Seed)}, nil
}

type putWorkload struct {
	nothing
	definition putDefinition
	target     Target
	pool       *valuePool
}

func (*putWorkload) Name() string        { return "put" }
func (*putWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "put", Write: true}} }

func (w *putWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return &putWorker{
		kv:     pb.NewKVClient(w.target.conn(client)),
		writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{}),
	}, nil
}

// Background implements [bench.Backgrounder].
func (w *putWorkload) Background(ctx context.Context) error {
	if w.definition.compact == 0 {
		return nil
	}
	return compactEvery(ctx, pb.NewKVClient(w.target.conn(0)), w.definition.compact)
}

// compactEvery compacts to the present revision at each interval until ctx ends.
func compactEvery(ctx context.Context, kv pb.KVClient, interval time.Duration) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		r, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte("x"), CountOnly: true, Serializable: true})
		if err == nil {
			_, err = kv.Compact(ctx, &pb.CompactionRequest{Revision: r.GetHeader().GetRevision()})
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("compact: %w", err)
		}
	}
}

type putWorker struct {
	*writer
	kv  pb.KVClient
	req pb.PutRequest
}

// Do implements [bench.Worker].
func (w *putWorker) Do(ctx context.Context, op *bench.Op) error {
	return w.put(ctx, op, w.kv, &w.req, w.keys.pick(op.Phase, op.N))
}

// put writes one key. Whatever else the request needs is in req.
func (w *writer) put(ctx context.Context, op *bench.Op, kv pb.KVClient, req *pb.PutRequest, number int64) error {
	req.Key, req.Value = w.keys.appendKey(req.Key, number), w.value(0)
	w.send(op, req.Value)
	r, err := kv.Put(ctx, req)
	if err != nil {
		w.space.Failed(number, err)
		return err
	}
	w.acked(op, r.GetHeader().GetRevision())
	w.space.Wrote(number, r.GetHeader().GetRevision(), req.Value)
	return nil
}
