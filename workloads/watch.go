package workloads

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func watchEntry() Entry {
	return Entry{
		Name:    "watch",
		Summary: "put keys that watchers receive",
		Measures: "An operation is one Put; each event that a watcher receives is also an operation. The response time of an " +
			"event counts from the put's intended time, its service time from when the put was sent. Both end when the event " +
			"arrives. event-since-ack counts from the put's acknowledgement; it is negative if the event " +
			"arrived first.",
		Active: true,
		Define: func() Definition { return new(watchDefinition) },
	}
}

type watchDefinition struct {
	keys    Keys
	values  Values
	streams int
	each    int
	span    string
	watchOptions
	requireLeader bool
	delay         time.Duration

	width int64 // keys that one watcher watches
}

// watchOptions are the options of the watchers of several workloads.
type watchOptions struct {
	prevKV, progress, fragment, noPut, noDelete bool
}

func (o *watchOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.prevKV, "prev-kv", false, "include the previous value in events")
	fs.BoolVar(&o.progress, "progress-notify", false, "let the server send its revision to idle watchers")
	fs.BoolVar(&o.fragment, "fragment", false, "let the server split large responses")
	fs.BoolVar(&o.noPut, "filter-put", false, "let the server leave out the events of puts")
	fs.BoolVar(&o.noDelete, "filter-delete", false, "let the server leave out the events of deletes")
}

func (o *watchOptions) request(key, end []byte) *pb.WatchCreateRequest {
	r := &pb.WatchCreateRequest{Key: key, RangeEnd: end, PrevKv: o.prevKV, ProgressNotify: o.progress, Fragment: o.fragment}
	if o.noPut {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NOPUT)
	}
	if o.noDelete {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NODELETE)
	}
	return r
}

// maxWatchers bounds the watchers of one run. Each takes some hundred bytes
// here and more in the server.
const maxWatchers = 1_000_000

func (d *watchDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", 100)
	d.values.addFlags(fs)
	fs.IntVar(&d.streams, "streams", 10, "gRPC streams of watchers, spread over the connections in turn")
	fs.IntVar(&d.each, "watch-per-stream", 10, "watchers on each stream")
	fs.StringVar(&d.span, "watch-span", "key",
		"range of a watcher: key, prefix, or a number of neighbouring keys; watchers are assigned to the keys in turn")
	addChoices(fs, "watch-span", "key", "prefix")
	d.watchOptions.addFlags(fs)
	fs.BoolVar(&d.requireLeader, "require-leader", false, "end watches while there is no leader")
	fs.DurationVar(&d.delay, "watcher-delay", 0,
		"pause of a stream's reader after each response, which simulates slow watchers; event times include it")
}

func (d *watchDefinition) Validate(prefix string) error {
	switch {
	case d.streams < 1 || d.each < 1:
		return errors.New("--streams and --watch-per-stream must be at least 1")
	case d.streams > maxWatchers || d.each > maxWatchers || d.streams*d.each > maxWatchers:
		return fmt.Errorf("--streams times --watch-per-stream must not be above %d watchers", maxWatchers)
	case d.delay < 0:
		return errors.New("--watcher-delay must not be negative")
	case d.noPut && d.noDelete:
		return errors.New("--filter-put and --filter-delete together leave nothing to watch")
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	switch d.span {
	case "key":
		d.width = 1
	case "prefix":
		d.width = d.keys.Space
	default:
		n, err := strconv.ParseInt(d.span, 10, 64)
		if err != nil || n < 1 || n > d.keys.Space {
			return fmt.Errorf("--watch-span %q is neither key nor prefix nor a number of keys from 1 to --key-space-size %d", d.span,
				d.keys.Space)
		}
		d.width = n
	}
	if err := d.values.validate(d.keys.Size); err != nil {
		return err
	}
	if d.values.choice.Low < ledger.StampSize {
		return fmt.Errorf("--val-size must be at least %d bytes for watch: values carry the times that latencies count from",
			ledger.StampSize)
	}
	return nil
}

func (d *watchDefinition) New(t Target) (bench.Workload, error) {
	return &watchWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

// The kinds of the workload, and the counts of an event.
const (
	watchPut = iota
	watchEvent
	watchBeforeAck
	watchAfterAck
)

const (
	eventsCoalesced = iota
	eventsMissed
	eventsDuplicated
	eventsDisordered
	eventsUnmatched
	eventsCompacted
	eventsReadLate
)

func (*watchWorkload) Name() string { return "watch" }
func (*watchWorkload) Kinds() []bench.Kind {
	return []bench.Kind{
		{Name: "put", Write: true},
		{Name: "event", Arrives: true, Counts: []bench.CountName{
			{Name: "coalesced"}, {Name: "missed"}, {Name: "duplicated"}, {Name: "out-of-order"}, {Name: "unmatched"}, {Name: "compacted"},
			{Name: results.CountReadLate},
		}},
		{Name: "event-before-ack", Arrives: true, Of: "event-since-ack", Sign: -1},
		{Name: "event-after-ack", Arrives: true, Of: "event-since-ack", Sign: 1},
	}
}

type watchWorkload struct {
	noSetup
	definition watchDefinition
	target     Target
	pool       *values.Source

	sink      *bench.Sink
	streams   *watchStreams
	observers []*eventObserver
	baseline  *versions
	// caughtUp is the reason why the last events of the watchers are incomplete.
	caughtUp error
	checked  bool

	mu         sync.Mutex
	violations results.Proof
}

func (w *watchWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return newPutWorker(w.target, client, w.definition.keys, w.pool), nil
}

// Attach implements [bench.Receiver]: it opens the streams.
func (w *watchWorkload) Attach(ctx context.Context, s *bench.Sink) error {
	d := w.definition
	w.sink, w.observers, w.violations, w.checked = s, nil, results.Proof{}, false
	maker := newKeyMaker(d.keys, w.target)
	var err error
	if w.baseline, err = readVersions(ctx, w.target, maker, 0, trackedEvery(d)); err != nil {
		return err
	}
	var streams []*watchStream
	for n := range w.target.numbers(int64(d.streams)) {
		i := int(n)
		stream := newWatchStream(w.target.stream(len(streams)), s.Now)
		stream.requireLeader, stream.delay = d.requireLeader, d.delay
		for j := range d.each {
			o := newEventObserver(w, i, j, maker)
			watcher := &watcher{events: o.events, lost: o.lost}
			o.watcher = watcher
			watcher.create = d.request(o.keyRange(maker))
			watcher.create.StartRevision = w.baseline.revision + 1
			stream.add(watcher)
			w.observers = append(w.observers, o)
		}
		streams = append(streams, stream)
	}
	w.streams, err = startStreams(ctx, streams, len(w.target.Conns))
	return err
}

// Detach implements [bench.Receiver]: it waits for the last events.
func (w *watchWorkload) Detach(ctx context.Context) {
	if w.streams == nil {
		return
	}
	final, err := readVersions(ctx, w.target.reachable(ctx), newKeyMaker(w.definition.keys, w.target), 0, w.baseline.every)
	if err == nil {
		err = w.streams.catchUp(ctx, final.revision)
	}
	w.streams.stop()
	if w.caughtUp = err; err != nil {
		return
	}
	for _, o := range w.observers {
		o.compareWith(final)
	}
	w.checked = true
}

// violate keeps what a watcher should not have seen.
func (w *watchWorkload) violate(v results.Violation) {
	v.Check = "watchers"
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations.Violate(v)
}

// verify implements verifier.
func (w *watchWorkload) verify(_ context.Context, proof *results.Proof) {
	check := results.Check{Name: "watchers", Of: uint64(len(w.observers))}
	var reconnects uint64
	if w.streams != nil {
		for _, s := range w.streams.streams {
			reconnects += s.reconnects.Load()
		}
	}
	switch {
	case w.caughtUp != nil:
		check.Skipped = fmt.Sprintf("the last events did not arrive: %v", w.caughtUp)
	case w.checked:
		check.Checked = check.Of
		check.Note = "each event once and in order"
		if w.baseline.every > 1 {
			check.Note += fmt.Sprintf(", one key in %d followed", w.baseline.every)
		}
		if reconnects > 0 {
			check.Note += fmt.Sprintf(", %d reconnections", reconnects)
		}
	default:
		check.Skipped = "the watchers were not started"
	}
	proof.Checks = append(proof.Checks, check)
	for i := range w.violations.Violations {
		w.target.shared.checker.ExplainEvent(&w.violations.Violations[i])
	}
	proof.Merge(w.violations)
}
