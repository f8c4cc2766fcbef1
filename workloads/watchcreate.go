package workloads

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etcdbench/etcdbench/bench"
)

func watchCreateEntry() Entry {
	return Entry{
		Name:    "watch-create",
		Summary: "create watchers, one after the other",
		Measures: "An operation is one watcher created on the client's stream, up to the server's acknowledgement; " +
			"the watcher is canceled after that, outside the measured time.",
		Define: func() Definition { return new(watchCreateDefinition) },
	}
}

type watchCreateDefinition struct {
	keys Keys
	watchOptions
}

func (d *watchCreateDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.watchOptions.addFlags(fs)
}

func (d *watchCreateDefinition) Validate(prefix string) error { return d.keys.validate(prefix) }

func (*watchCreateDefinition) readsOnly() bool { return true }

func (d *watchCreateDefinition) New(t Target) (bench.Workload, error) {
	return &watchCreateWorkload{definition: *d, target: t}, nil
}

type watchCreateWorkload struct {
	noSetup
	definition watchCreateDefinition
	target     Target
	streams    closers
}

func (*watchCreateWorkload) Name() string        { return "watch-create" }
func (*watchCreateWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "watch-create"}} }

// Teardown implements [bench.Workload].
func (w *watchCreateWorkload) Teardown(context.Context) error {
	w.streams.closeAll()
	return nil
}

func (w *watchCreateWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	c := &watchCreateWorker{
		definition: w.definition, keys: newKeyMaker(w.definition.keys, w.target),
		watch: exchange[pb.WatchRequest, pb.WatchResponse]{open: func(ctx context.Context) (duplex[pb.WatchRequest, pb.WatchResponse], error) {
			return pb.NewWatchClient(w.target.conn(client)).Watch(ctx)
		}},
	}
	w.streams.add(c.watch.close)
	return c, nil
}

type watchCreateWorker struct {
	definition watchCreateDefinition
	keys       *keyMaker
	key        []byte
	watch      exchange[pb.WatchRequest, pb.WatchResponse]
}

// Do implements [bench.Worker].
func (w *watchCreateWorker) Do(ctx context.Context, op *bench.Op) error {
	w.key = w.keys.appendKey(w.key, w.keys.pick(op))
	create := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: w.definition.request(w.key, nil)}}
	op.Send()
	created := func(r *pb.WatchResponse) bool { return r.Created }
	r, err := w.watch.ask(ctx, create, created)
	if err == nil && r.Canceled && tokenEnded(r.CancelReason) {
		// The stream keeps the token that it was opened with.
		w.watch.close()
		r, err = w.watch.ask(ctx, create, created)
	}
	switch {
	case err != nil:
		return err
	case r.Canceled:
		return fmt.Errorf("watch refused: %s", r.CancelReason)
	}
	op.Done()
	id := r.WatchId
	cancel := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}}
	// Should this fail, the stream is closed, and the watcher with it.
	_, _ = w.watch.ask(ctx, cancel, func(r *pb.WatchResponse) bool { return r.Canceled && r.WatchId == id })
	return nil
}

// tokenEnded reports whether a watcher was refused because the token of its stream is
// no longer good.
func tokenEnded(reason string) bool {
	return reason == rpctypes.ErrGRPCInvalidAuthToken.Error() || reason == rpctypes.ErrGRPCAuthOldRevision.Error()
}
