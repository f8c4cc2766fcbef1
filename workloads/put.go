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
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
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
	return &putWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type putWorkload struct {
	noSetup
	definition putDefinition
	target     Target
	pool       *values.Source
}

func (*putWorkload) Name() string        { return "put" }
func (*putWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "put", Write: true}} }

func (w *putWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return newPutWorker(w.target, client, w.definition.keys, w.pool), nil
}

// Background implements [bench.Backgrounder].
func (w *putWorkload) Background(ctx context.Context) error {
	if w.definition.compact == 0 || w.target.Share.Index > 0 { // one process is enough
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

// putScript is an operation of one Put.
type putScript struct {
	writer
	put putRequest
}

func newPutWorker(t Target, client int, k Keys, pool *values.Source) *scripted {
	p := &putScript{}
	p.init(t, k, pool, ledger.Removal{})
	return newScripted(t.link(client), p)
}

func (p *putScript) first(op *bench.Op) (request, error) {
	return p.put.send(op, &p.writer, p.keys.pick(op)), nil
}

func (p *putScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	return request{}, p.put.answered(op, &p.writer, reply, err)
}

// putRequest writes one key. It is used again and again.
type putRequest struct {
	message pb.PutRequest
	number  int64
}

// send fills in the request for a key and marks it as sent.
func (p *putRequest) send(op *bench.Op, w *writer, number int64) request {
	p.number = number
	p.message.Key, p.message.Value = w.keys.appendKey(p.message.Key, number), w.value(0)
	w.send(op, p.message.Value)
	return request{methodPut, &p.message}
}

// answered notes the outcome, and returns err.
func (p *putRequest) answered(op *bench.Op, w *writer, reply proto.Message, err error) error {
	if err != nil {
		w.failed(err, p.number)
		return err
	}
	revision := reply.(*pb.PutResponse).GetHeader().GetRevision()
	w.acked(op, revision, p.number)
	w.space.Wrote(p.number, revision, p.message.Value)
	return nil
}
