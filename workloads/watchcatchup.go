package workloads

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func watchCatchupEntry() Entry {
	return Entry{
		Name:    "watch-catchup",
		Summary: "watch from an old revision until the watcher has caught up",
		Measures: "An operation is one watcher on a stream of its own. It starts with the request, for a revision " +
			"--past-events events in the past, and ends with the last of those events. " +
			"At the same time, serializable gets at --get-rate show the effect on other clients; their response times count " +
			"from their intended times.",
		Define: func() Definition { return new(watchCatchupDefinition) },
	}
}

type watchCatchupDefinition struct {
	keys    Keys
	values  Values
	history int64
	getRate float64
}

func (d *watchCatchupDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "sequential", 1000)
	d.values.addFlags(fs)
	fs.Int64Var(&d.history, "past-events", 10_000, "events to catch up on")
	fs.Float64Var(&d.getRate, "get-rate", 100, "serializable gets per second at the same time")
}

func (d *watchCatchupDefinition) Validate(prefix string) error {
	switch {
	case d.history < 1 || d.history > maxHistory:
		return fmt.Errorf("--past-events must be between 1 and %d, not %d", int64(maxHistory), d.history)
	case !(d.getRate >= 0) || math.IsInf(d.getRate, 0) || d.getRate > maxGetRate:
		return fmt.Errorf("--get-rate must be between 0 and %d, not %v", maxGetRate, d.getRate)
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

const (
	maxHistory = 100_000_000
	maxGetRate = 100_000
)

func (d *watchCatchupDefinition) New(t Target) (bench.Workload, error) {
	return &watchCatchupWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type watchCatchupWorkload struct {
	noSetup
	definition watchCatchupDefinition
	target     Target
	pool       *values.Source
	sink       *bench.Sink
	// The events to catch up on are at revisions from+1 to to.
	from, to int64
}

// The kinds of the workload.
const (
	catchupWatch = iota
	catchupGet
)

func (*watchCatchupWorkload) Name() string { return "watch-catchup" }
func (*watchCatchupWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "catchup", Counts: []bench.CountName{{Name: "events"}}}, {Name: "get", Arrives: true}}
}

// Setup implements [bench.Workload]: it writes the history, in whole rounds over
// the key space.
func (w *watchCatchupWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	var err error
	if w.from, err = presentRevision(ctx, w.target); err != nil {
		return err
	}
	d := w.definition
	for left := d.history; left > 0; left -= d.keys.Space {
		// Each event has its own revision, as after single puts.
		if err := populateFirst(ctx, w.target, d.keys, min(left, d.keys.Space), 1, w.pool, nil); err != nil {
			return err
		}
		if progress != nil {
			progress(int(d.history-max(0, left-d.keys.Space)), int(d.history))
		}
	}
	if err := settle(ctx, w.target); err != nil {
		return err
	}
	w.to, err = presentRevision(ctx, w.target)
	return err
}

// prepared implements [preparer].
func (w *watchCatchupWorkload) prepared() []int64 { return []int64{w.from, w.to} }

// prepare implements [preparer].
func (w *watchCatchupWorkload) prepare(revisions []int64) error {
	if len(revisions) != 2 {
		return errors.New("two revisions are needed")
	}
	w.from, w.to = revisions[0], revisions[1]
	return nil
}

// Attach implements [bench.Receiver].
func (w *watchCatchupWorkload) Attach(_ context.Context, s *bench.Sink) error {
	w.sink = s
	return nil
}

// Detach implements [bench.Receiver].
func (*watchCatchupWorkload) Detach(context.Context) {}

func (w *watchCatchupWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return &watchCatchupWorker{watchCatchupWorkload: w, client: pb.NewWatchClient(w.target.conn(client))}, nil
}

type watchCatchupWorker struct {
	*watchCatchupWorkload
	client pb.WatchClient
}

// Do implements [bench.Worker].
func (w *watchCatchupWorker) Do(ctx context.Context, op *bench.Op) error {
	ctx, cancel := context.WithCancel(ctx) // cancel ends the stream
	defer cancel()
	prefix := w.target.Prefix
	create := &pb.WatchCreateRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), StartRevision: w.from + 1}
	op.Send()
	stream, err := w.client.Watch(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}})
	for events := int64(0); events < w.definition.history; {
		r, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case r.CompactRevision > 0:
			return fmt.Errorf("the history was compacted up to revision %d", r.CompactRevision)
		case r.Canceled:
			return fmt.Errorf("watch refused: %s", r.CancelReason)
		}
		for _, e := range r.Events {
			if e.Kv.ModRevision > w.to {
				return errMissing
			}
			events++
		}
	}
	op.Done()
	op.Count(0, uint64(w.definition.history))
	return nil
}

// catchupGetters is the largest number of concurrent gets.
const catchupGetters = 64

// Background implements [bench.Backgrounder]: the gets, in an open loop.
func (w *watchCatchupWorkload) Background(ctx context.Context) error {
	if w.definition.getRate == 0 {
		return nil
	}
	type get struct {
		n        uint64
		phase    int
		intended time.Duration
	}
	// Gets in flight at the end have a short time to be answered.
	gets, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(cleanUpTime, cancel) })()
	queue := make(chan get, max(1, int(10*w.definition.getRate)))
	var wg sync.WaitGroup
	for i := range catchupGetters {
		wg.Go(func() {
			kv := pb.NewKVClient(w.target.conn(i))
			keys := newKeyMaker(w.definition.keys, w.target)
			for g := range queue {
				sent := w.sink.Now()
				key := keys.appendKey(nil, int64(g.n%uint64(min(keys.Space, w.definition.history))))
				r, err := kv.Range(gets, &pb.RangeRequest{Key: key, Serializable: true})
				if err == nil && len(r.Kvs) != 1 {
					err = errMissing
				}
				w.recordGet(gets, i, g.phase, bench.Sample{Kind: catchupGet, Intended: g.intended, Sent: sent, Done: w.sink.Now()}, err)
			}
		})
	}
	pacer := bench.ConstantPacer{Rate: w.definition.getRate}
	begin := w.sink.Now()
	for k := uint64(0); ; k++ {
		n := w.target.Share.Number(k)
		intended := begin + pacer.At(n)
		if !sleep(ctx, intended-w.sink.Now()) {
			break
		}
		select {
		case queue <- get{n, w.sink.Phase(), intended}:
		default:
			now := w.sink.Now()
			w.sink.Record(w.sink.Phase(), 0, bench.Sample{Kind: catchupGet, Outcome: bench.Abandoned, Intended: intended, Sent: now, Done: now})
		}
	}
	close(queue)
	wg.Wait()
	return nil
}

func (w *watchCatchupWorkload) recordGet(ctx context.Context, caller, phase int, s bench.Sample, err error) {
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		s.Outcome = bench.Abandoned
	default:
		s.Outcome = bench.Failed
		w.sink.Fail(phase, catchupGet, err)
	}
	w.sink.Record(phase, caller, s)
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
