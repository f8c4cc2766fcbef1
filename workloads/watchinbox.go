package workloads

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// received is a response as it was read from its stream.
type received struct {
	response *pb.WatchResponse
	at       time.Duration
	// late means that it may have waited for the reader.
	late  bool
	bytes int
}

// lateReading is the longest time that a response may wait for its reader without counting as
// read late. It is the limit of the send lag.
const lateReading = time.Millisecond

// emptyAfter is the time after which a read that still waits shows that the stream was empty;
// data that has arrived is read sooner.
const emptyAfter = 100 * time.Microsecond

// arrivals decodes the responses of one stream, and records when each was complete: the time to
// decode is not the server's time.
type arrivals struct {
	encoding.CodecV2
	now func() time.Duration

	// last is the response that was read last, if done is true.
	last received
	done bool
	// asked is when the reader requested it. behind is the longest time that it may have
	// waited.
	asked, behind time.Duration
}

func newArrivals(now func() time.Duration) *arrivals {
	return &arrivals{CodecV2: encoding.GetCodecV2(proto.Name), now: now}
}

// Name implements [encoding.CodecV2]. Without a name, requests have the content type
// that they have without this codec.
func (*arrivals) Name() string { return "" }

// Unmarshal implements [encoding.CodecV2].
func (a *arrivals) Unmarshal(data mem.BufferSlice, v any) error {
	a.note(data.Len())
	return a.CodecV2.Unmarshal(data, v)
}

// begin is called when the stream is open.
func (a *arrivals) begin() { a.last.at = a.now() }

// ask is called before the reader reads. The reader was busy for the whole time since the last
// response.
func (a *arrivals) ask() {
	a.asked, a.done = a.now(), false
	a.behind += a.asked - a.last.at
}

// note is called when a response is complete.
func (a *arrivals) note(bytes int) {
	at := a.now()
	if waited := at - a.asked; waited >= emptyAfter {
		a.behind = 0
	} else {
		a.behind = max(0, a.behind-waited)
	}
	a.last, a.done = received{at: at, late: a.behind > lateReading, bytes: bytes}, true
}

// read returns the response that was read.
func (a *arrivals) read(r *pb.WatchResponse) received {
	if !a.done { // it was not decoded by this codec
		a.note(0)
	}
	m := a.last
	m.response = r
	return m
}

// maxUnprocessed bounds the responses, in bytes as they were sent, that the streams of a
// workload have read and not processed.
const maxUnprocessed = 64 << 20

// inbox holds what a stream's reader has read and its watchers have not processed, so
// that the reader does not wait while there is room.
type inbox struct {
	held           *atomic.Int64 // bytes in the inboxes of all streams
	changed, taken chan struct{} // of capacity 1

	mu     sync.Mutex
	list   []received
	closed bool
}

func newInbox(held *atomic.Int64) *inbox {
	return &inbox{held: held, changed: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds a response. It waits while too many bytes are held and the previous response was not
// processed.
func (b *inbox) put(ctx context.Context, m received) {
	b.mu.Lock()
	b.list = append(b.list, m)
	b.mu.Unlock()
	b.held.Add(int64(m.bytes))
	signal(b.changed)
	for b.held.Load() > maxUnprocessed && !b.isEmpty() && ctx.Err() == nil {
		select {
		case <-b.taken:
		case <-ctx.Done():
		}
	}
}

func (b *inbox) isEmpty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list) == 0
}

// close is called after the last put.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	signal(b.changed)
}

// take waits for responses and returns all that have arrived, or none if the inbox is closed
// and empty.
func (b *inbox) take(reuse []received) []received {
	for {
		b.mu.Lock()
		batch, closed := b.list, b.closed
		if len(batch) > 0 {
			b.list = reuse[:0]
		}
		b.mu.Unlock()
		if len(batch) > 0 || closed {
			signal(b.taken)
			return batch
		}
		<-b.changed
	}
}

// each processes the responses in order until the inbox is closed and empty. After an error, it
// calls failed, discards the other responses and waits for the end.
func (b *inbox) each(process func(m received) error, failed func()) (err error) {
	var batch []received
	for {
		if batch = b.take(batch); len(batch) == 0 {
			return err
		}
		for i, m := range batch {
			if err == nil {
				if err = process(m); err != nil {
					failed()
				}
			}
			b.held.Add(int64(-m.bytes))
			batch[i] = received{}
		}
	}
}
