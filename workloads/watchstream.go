package workloads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// watcher is one watch on a stream.
type watcher struct {
	create *pb.WatchCreateRequest
	// member is the ID of the member that sent the last events.
	member uint64
	// events is called with the events of a response, whose fragments were joined, the time at
	// which its last part arrived, and whether it may have waited for the stream's reader.
	events func(events []*mvccpb.Event, at time.Duration, late bool)
	// lost is called when the server has compacted history that the watcher had not received.
	// The watcher continues from the given revision.
	lost func(revision int64)

	next      int64 // the revision from which it continues after a broken connection
	created   bool
	fragments []*mvccpb.Event
}

// watchStream is one gRPC stream with its watchers. When the connection breaks, it reconnects,
// and every watcher continues from its last revision.
type watchStream struct {
	client        pb.WatchClient
	requireLeader bool
	watchers      []*watcher // watcher i has ID i+1
	now           func() time.Duration
	// delay is the pause of the stream's reader after each response.
	delay time.Duration
	// held is the number of bytes that all streams together have read and not processed.
	held *atomic.Int64

	// ready is closed when every watcher has been created for the first time.
	ready   chan struct{}
	missing int
	// reconnects counts streams after the first.
	reconnects atomic.Uint64
	// progress is the highest revision up to which the server has reported that everything was
	// delivered.
	progress atomic.Int64

	sendMu sync.Mutex
	open   pb.Watch_WatchClient
}

func newWatchStream(conn grpc.ClientConnInterface, now func() time.Duration) *watchStream {
	return &watchStream{client: pb.NewWatchClient(conn), now: now, held: new(atomic.Int64), ready: make(chan struct{})}
}

func (s *watchStream) add(w *watcher) {
	w.create.WatchId = int64(len(s.watchers) + 1)
	w.next = w.create.StartRevision
	s.watchers = append(s.watchers, w)
	s.missing++
}

// reconnectPause is the time before a stream reconnects.
const reconnectPause = 20 * time.Millisecond

// run watches until ctx ends, or until the server refuses a watcher.
func (s *watchStream) run(ctx context.Context) error {
	if s.requireLeader {
		ctx = clientv3.WithRequireLeader(ctx)
	}
	for {
		err := s.once(ctx)
		var refusal *refusedError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refusal):
			return err
		}
		s.reconnects.Add(1)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reconnectPause):
		}
	}
}

// refusedError is the error of a watcher that the server has refused.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return "watch refused: " + e.reason }

// once opens the stream, creates its watchers and reads until the stream breaks. It processes
// the responses concurrently with the reading, all of them before it returns.
func (s *watchStream) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := newArrivals(s.now)
	stream, err := s.client.Watch(ctx, grpc.ForceCodecV2(read))
	if err != nil {
		return err
	}
	read.begin()
	s.setOpen(stream)
	defer s.setOpen(nil)
	sent := make(chan error, 1)
	requests := s.createRequests()
	go func() { sent <- s.sendAll(stream, requests) }()
	defer func() { cancel(); <-sent }()
	box, processed := newInbox(s.held), make(chan error, 1)
	go func() { processed <- box.each(s.handle, cancel) }()
	err = s.readInto(ctx, box, stream, read)
	box.close()
	return cmp.Or(<-processed, err)
}

// readInto reads until the stream breaks.
func (s *watchStream) readInto(ctx context.Context, box *inbox, stream pb.Watch_WatchClient, read *arrivals) error {
	for {
		read.ask()
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		box.put(ctx, read.read(r))
		if s.delay > 0 {
			sleep(ctx, s.delay)
		}
	}
}

// createRequests returns requests that create every watcher from its next revision.
func (s *watchStream) createRequests() []*pb.WatchRequest {
	var requests []*pb.WatchRequest
	for _, w := range s.watchers {
		req := &pb.WatchCreateRequest{
			Key: w.create.Key, RangeEnd: w.create.RangeEnd, StartRevision: w.next, ProgressNotify: w.create.ProgressNotify,
			Filters: w.create.Filters, PrevKv: w.create.PrevKv, WatchId: w.create.WatchId, Fragment: w.create.Fragment,
		}
		requests = append(requests, &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: req}})
	}
	return requests
}

func (s *watchStream) sendAll(stream pb.Watch_WatchClient, requests []*pb.WatchRequest) error {
	for _, r := range requests {
		if err := s.send(stream, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *watchStream) send(stream pb.Watch_WatchClient, r *pb.WatchRequest) error {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	return stream.Send(r)
}

func (s *watchStream) setOpen(stream pb.Watch_WatchClient) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.open = stream
}

// askProgress requests the progress of the stream. The server answers when it has sent all
// events to every watcher.
func (s *watchStream) askProgress() {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if s.open != nil {
		_ = s.open.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
	}
}

// progressID is the watch ID in the answer to a progress request.
const progressID = -1

// handle processes one response.
func (s *watchStream) handle(m received) error {
	r := m.response
	if r.WatchId == progressID && !r.Created && !r.Canceled {
		s.progress.Store(max(s.progress.Load(), r.Header.GetRevision()))
		return nil
	}
	if r.WatchId < 1 || r.WatchId > int64(len(s.watchers)) {
		return &refusedError{fmt.Sprintf("unknown watch ID %d: %s", r.WatchId, r.CancelReason)}
	}
	w := s.watchers[r.WatchId-1]
	switch {
	case r.CompactRevision > 0:
		w.next = max(w.next, r.CompactRevision)
		if w.lost != nil {
			w.lost(w.next)
		}
		return errors.New("compacted") // the stream reconnects and continues from there
	case r.Canceled:
		return &refusedError{r.CancelReason}
	case r.Created:
		w.fragments = w.fragments[:0]
		if w.next == 0 {
			w.next = r.Header.GetRevision() + 1
		}
		if !w.created {
			w.created = true
			if s.missing--; s.missing == 0 {
				close(s.ready)
			}
		}
		return nil
	}
	events := r.Events
	if r.Fragment || len(w.fragments) > 0 {
		w.fragments = append(w.fragments, r.Events...)
		if r.Fragment {
			return nil
		}
		events, w.fragments = w.fragments, nil
	}
	if len(events) > 0 {
		w.next, w.member = events[len(events)-1].Kv.ModRevision+1, r.Header.GetMemberId()
		w.events(events, m.at, m.late)
	}
	return nil
}

// watchStreams are streams that run together.
type watchStreams struct {
	streams []*watchStream
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	failed  chan error
}

// openTime is the time that all streams together have to open and to create their watchers.
const openTime = 10 * time.Second

// startStreams runs the streams and returns when every watcher has been created.
func startStreams(ctx context.Context, streams []*watchStream, conns int) (*watchStreams, error) {
	all := &watchStreams{streams: streams, failed: make(chan error, len(streams))}
	var run context.Context
	run, all.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var held atomic.Int64
	for _, s := range streams {
		s.held = &held
		all.wg.Go(func() {
			if err := s.run(run); err != nil {
				all.failed <- err
			}
		})
	}
	timeout := time.NewTimer(openTime)
	defer timeout.Stop()
	for opened, s := range streams {
		select {
		case <-s.ready:
			continue
		case err := <-all.failed:
			all.stop()
			return nil, err
		case <-ctx.Done():
			all.stop()
			return nil, context.Cause(ctx)
		case <-timeout.C:
			all.stop()
			return nil, tooManyStreams(opened, len(streams), conns)
		}
	}
	return all, nil
}

// tooManyStreams returns the error of streams that were not opened: gRPC delays a stream
// silently while the connection has as many streams as the server allows.
func tooManyStreams(opened, streams, conns int) error {
	return fmt.Errorf("only %d of %d watch streams opened on %d connections within %v: "+
		"the server may allow no more streams on a connection (--max-concurrent-streams): use more --conns or fewer streams",
		opened, streams, conns, openTime)
}

// stop ends the streams and waits for them.
func (a *watchStreams) stop() {
	if a != nil {
		a.cancel()
		a.wg.Wait()
	}
}

// catchUp waits until every stream has delivered all events up to a revision, or until ctx
// ends.
func (a *watchStreams) catchUp(ctx context.Context, revision int64) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		behind := 0
		for _, s := range a.streams {
			if s.progress.Load() < revision {
				behind++
				s.askProgress()
			}
		}
		if behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d watch streams were still behind", behind, len(a.streams))
		case <-t.C:
		}
	}
}
