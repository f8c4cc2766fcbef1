package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

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
	fs.DurationVar(&d.compact, "compact-interval", 0,
		"compact the whole key space to the present revision at this interval (0: never); running clusters need --allow-disturbances")
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

// wide implements [wider].
func (d *putDefinition) wide() string {
	if d.compact > 0 {
		return "--compact-interval"
	}
	return ""
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
	return compactEvery(ctx, w.target, w.definition.compact)
}

// compactTime bounds one attempt to compact.
const compactTime = 10 * time.Second

// compactEvery compacts to the present revision at each interval until ctx ends. An
// attempt that fails does not end it, unless the user may not compact. The error says
// how many attempts failed, and why the last one did.
func compactEvery(ctx context.Context, t Target, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	attempts, failures := 0, 0
	var last error
	for {
		select {
		case <-ctx.Done():
			if failures == 0 {
				return nil
			}
			return fmt.Errorf("compact: %d of %d attempts failed: %w", failures, attempts, last)
		case <-ticker.C:
		}
		// The next attempt asks another member.
		err := compactNow(ctx, t, t.conn(attempts))
		if err == nil {
			attempts++
			continue
		}
		if ctx.Err() != nil {
			continue
		}
		attempts, failures, last = attempts+1, failures+1, rpctypes.Error(err)
		if errors.Is(rpctypes.Error(err), rpctypes.ErrPermissionDenied) {
			ticker.Stop()
		}
	}
}

// compactNow compacts to the present revision. That another client has compacted
// further is no failure.
func compactNow(ctx context.Context, t Target, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, compactTime)
	defer cancel()
	t.Conns = []grpc.ClientConnInterface{conn}
	revision, err := presentRevision(ctx, t)
	if err != nil {
		return err
	}
	_, err = pb.NewKVClient(conn).Compact(ctx, &pb.CompactionRequest{Revision: revision})
	if errors.Is(rpctypes.Error(err), rpctypes.ErrCompacted) {
		return nil
	}
	return err
}

type putWorker struct {
	*writer
	kv  pb.KVClient
	req pb.PutRequest
}

// Do implements [bench.Worker].
func (w *putWorker) Do(ctx context.Context, op *bench.Op) error {
	return w.put(ctx, op, w.kv, &w.req, w.keys.pick(op))
}

// put writes one key. Whatever else the request needs is in req.
func (w *writer) put(ctx context.Context, op *bench.Op, kv pb.KVClient, req *pb.PutRequest, number int64) error {
	req.Key, req.Value = w.keys.appendKey(req.Key, number), w.value(0)
	w.send(op, req.Value)
	r, err := kv.Put(ctx, req)
	if err != nil {
		w.failed(err, number)
		return err
	}
	w.acked(op, r.GetHeader().GetRevision(), number)
	w.space.Wrote(number, r.GetHeader().GetRevision(), req.Value)
	return nil
}
