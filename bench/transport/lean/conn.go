package lean

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Options configure a connection.
type Options struct {
	// Network is "tcp" or "unix"; empty means "tcp". Address is host:port, or a path.
	Network, Address string
	// Authority is the server's name for the ":authority" field; empty means Address.
	Authority string
	// TLS is the TLS configuration; nil means none.
	TLS *tls.Config
	// Credentials supply the headers of calls; nil means none.
	Credentials Credentials
	// Check checks the reply of a call of Invoke; nil checks nothing.
	Check func(method string, request, reply any) error
	// Streams returns the connection that opens streams. It is called once, when the first one is
	// opened; nil means that streams are refused.
	Streams func() (grpc.ClientConnInterface, error)
	// Yield lets other goroutines run before Invoke writes, so that requests that are made at the
	// same time share a write. It increases the tail latency of paced calls.
	Yield bool
	// Poller reads the connection; nil means a separate goroutine.
	Poller *Poller
	// Keepalive is the time without data from the peer, with calls under way, after which the peer
	// is pinged, and the time that it then has to answer. Zero means 10 s each.
	Keepalive time.Duration
	// Dial makes a connection; nil means that of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Credentials authorize calls. All connections may share them.
type Credentials interface {
	// Header returns the header for a call of a method; nil means none.
	Header(method string) *Header
	// Accepted is called from time to time with the header of a call that was answered.
	Accepted(h *Header)
	// Refused reports whether the error of a call means that its header is no longer valid and
	// that the call had no effect.
	Refused(err error) bool
	// Renew replaces a header that was refused with an error through the connection, unless it
	// has been replaced meanwhile. An error means that there is no new header.
	Renew(ctx context.Context, c grpc.ClientConnInterface, refused *Header, refusal error) error
}

// Conn is a connection. It connects by itself, also after the connection breaks. Calls wait
// for the connection until their deadlines. It may be used by several goroutines.
type Conn struct {
	options Options
	epoch   time.Time // of the times in calls, of which 0 is none

	mu       sync.Mutex
	session  *session // that takes new calls; nil while there is none
	sessions map[*session]struct{}
	waiting  queue // calls without a stream
	due      deadlines
	sweeper  *time.Timer
	armed    time.Duration // when the sweeper checks next; never when it is stopped
	dialing  bool
	dialErr  error
	used     time.Duration // when the latest session began to take calls
	pause    time.Duration // before the next attempt; of the goroutine that dials
	closed   bool
	changed  chan struct{} // closed when there is a session, or the end

	hurry  chan struct{} // ends a pause between attempts
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	streams     sync.Once
	streamConn  grpc.ClientConnInterface
	streamError error
	invocations sync.Pool
}

const never = time.Duration(1<<63 - 1)

// defaultKeepalive is for both times: gRPC does not ping earlier, and etcd refuses pings every
// 5 s or more often (--grpc-keepalive-min-time).
const defaultKeepalive = 10 * time.Second

// New returns a connection, which connects in the background. Close ends it.
func New(o Options) *Conn {
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Authority == "" {
		o.Authority = o.Address
		if o.Network == "unix" {
			o.Authority = "localhost"
		}
	}
	if o.Keepalive == 0 {
		o.Keepalive = defaultKeepalive
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	c := &Conn{
		options: o, epoch: time.Now().Add(-1), sessions: map[*session]struct{}{}, armed: never,
		changed: make(chan struct{}), hurry: make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.sweeper = time.AfterFunc(time.Hour, c.sweep)
	c.sweeper.Stop()
	c.mu.Lock()
	c.connect()
	c.mu.Unlock()
	return c
}

func (c *Conn) now() time.Duration { return time.Since(c.epoch) }

func (c *Conn) timeOf(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return c.epoch.Add(d)
}

// Close closes the connection. Calls under way end with the code Canceled.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.cancel()
	c.sweeper.Stop()
	var ended []ending
	for call := c.due.first; call != nil; call = c.due.first {
		ended = c.abandon(ended, call, errClosed())
	}
	for call := c.waiting.pop(); call != nil; call = c.waiting.pop() {
		ended = c.abandon(ended, call, errClosed()) // without a deadline
	}
	var open []*session
	for s := range c.sessions {
		for call := range s.streams.all {
			ended = c.abandon(ended, call, errClosed()) // without a deadline
		}
		open = append(open, s)
	}
	if c.session == nil {
		close(c.changed)
	}
	c.session = nil
	c.mu.Unlock()
	c.deliver(ended)
	for _, s := range open {
		s.fail(errClosed())
	}
	c.work.Wait()
	return nil
}

func errClosed() error { return status.Error(codes.Canceled, "the connection is closing") }

// Start starts a call, whose handler is called when it ends. The request is sent by the next Flush,
// at the latest when the next reply is read.
func (c *Conn) Start(call *Call) {
	call.moveTo(c)
	c.mu.Lock()
	call.started, call.restarted = true, false
	call.reset()
	call.sent, call.retried, call.canceled = 0, false, false
	if o := c.options.Credentials; o != nil {
		call.header = o.Header(call.Method)
	}
	call.deadline = never
	if now := c.now(); call.Timeout > 0 && call.Timeout < never-now {
		call.deadline = now + call.Timeout
	}
	if c.closed {
		ended := c.abandon(nil, call, errClosed())
		c.mu.Unlock()
		go c.deliver(ended)
		return
	}
	c.watch(call)
	if s := c.session; s != nil && c.waiting.head == nil && s.free() {
		s.open(call)
	} else {
		call.sent = c.now()
		c.waiting.push(call)
	}
	c.mu.Unlock()
}

// Flush writes what calls have left to send. While ended calls are reported, the goroutine
// that reports them writes instead, so that the calls they start share a write.
func (c *Conn) Flush() {
	c.mu.Lock()
	c.flush()
}

// flush sends what is to be sent on any session, including sessions that accept no more calls
// but have some under way. The lock is held, and released.
func (c *Conn) flush() {
	if len(c.sessions) > 1 || c.session == nil {
		for s := range c.sessions {
			if s != c.session && s.pending() {
				s.flush()
				c.mu.Lock()
			}
		}
	}
	if s := c.session; s != nil && s.pending() {
		s.flush()
		return
	}
	c.mu.Unlock()
}

// Cancel ends the call with the code Canceled if it is under way. Cancel then calls its handler.
func (call *Call) Cancel() { call.cancel(errCanceled()) }

func errCanceled() error { return status.Error(codes.Canceled, context.Canceled.Error()) }

func (call *Call) cancel(err error) {
	c := call.lock()
	if c == nil {
		return // never started
	}
	if !call.started {
		call.canceled = status.Code(err) == codes.Canceled // its header may be about to be renewed
		c.mu.Unlock()
		return
	}
	if status.Code(err) == codes.DeadlineExceeded {
		err = c.expired(call)
	}
	ended := c.abandon(nil, call, err)
	c.admit()
	c.flush()
	c.deliver(ended)
}

// watch adds a call to those with a deadline. The lock is held.
func (c *Conn) watch(call *Call) {
	if call.deadline == never {
		return
	}
	c.due.add(call)
	if call.deadline < c.armed {
		c.armed = call.deadline
		c.sweeper.Reset(max(0, call.deadline-c.now()))
	}
}

// sweep ends the calls whose deadline has passed. It checks again when the next one is due,
// but waits at least a hundredth of the timeout of the calls that are due until then.
func (c *Conn) sweep() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	now := c.now()
	var ended []ending
	for call := c.due.first; call != nil && call.deadline <= now; call = c.due.first {
		ended = c.abandon(ended, call, c.expired(call))
	}
	c.armed = never
	for call := c.due.first; call != nil && call.deadline < c.armed; call = call.later {
		c.armed = min(c.armed, max(call.deadline, now+call.Timeout/100))
	}
	if c.armed != never {
		c.sweeper.Reset(c.armed - now)
	}
	c.admit()
	c.flush()
	c.deliver(ended)
}

// expired is the error of a call whose deadline has passed.
func (c *Conn) expired(call *Call) error {
	switch {
	case call.renewal != nil:
		return call.renewal.refusal
	case call.id != 0:
	case c.session == nil && c.dialErr != nil:
		return status.Errorf(codes.DeadlineExceeded, "context deadline exceeded while waiting for a connection to %s: last error: %v",
			c.options.Address, c.dialErr)
	case c.session == nil:
		return status.Errorf(codes.DeadlineExceeded, "context deadline exceeded while waiting for a connection to %s", c.options.Address)
	case c.session.wire.full():
		return status.Errorf(codes.DeadlineExceeded, "context deadline exceeded: %s does not read the %d MiB that it has been sent",
			c.options.Address, c.session.wire.queued.Load()>>20)
	default:
		return status.Errorf(codes.DeadlineExceeded, "context deadline exceeded while waiting for a stream: %s allows %d at a time",
			c.options.Address, c.session.maxStreams)
	}
	return errDeadline()
}

func errDeadline() error {
	return status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())
}

// abandon ends a call, with or without a stream, and resets the stream. It appends the call to
// those that have ended. The lock is held.
func (c *Conn) abandon(ended []ending, call *Call, err error) []ending {
	if call.id != 0 {
		call.session.reset(call)
	} else if call.started {
		c.waiting.remove(call)
	}
	return c.end(ended, call, err, c.now())
}

// end records the end of a call that no longer has a stream. The lock is held.
func (c *Conn) end(ended []ending, call *Call, err error, now time.Duration) []ending {
	if call.deadline != never && (call.earlier != nil || call.later != nil || c.due.first == call) {
		c.due.remove(call)
	}
	if err == nil && now > call.deadline {
		err, call.Reply = errDeadline(), nil
	}
	if call.sent == 0 { // it ended before it was sent
		call.sent = now
	}
	call.started, call.renewal, call.rest, call.answered = false, nil, nil, now
	return append(ended, ending{call, err})
}

// deliver calls the handlers of calls that have ended. The lock is not held.
func (c *Conn) deliver(ended []ending) {
	cred := c.options.Credentials
	for _, e := range ended {
		if cred != nil && e.err != nil && !e.call.restarted && cred.Refused(e.err) {
			c.renew(e.call, e.err)
			continue
		}
		e.call.Handler.Done(e.call, e.err)
	}
}

// A renewal is the wait of one call for a new header after a refusal.
type renewal struct{ refusal error }

// renew sends a call whose header was refused a second time with a new one, or ends it.
// Meanwhile it can end in the same ways as a call that waits for a stream.
func (c *Conn) renew(call *Call, refusal error) {
	c.mu.Lock()
	if c.closed || call.canceled {
		if call.canceled {
			refusal = errCanceled()
		}
		c.mu.Unlock()
		call.Handler.Done(call, refusal)
		return
	}
	r, old := &renewal{refusal}, call.header
	call.renewal, call.started, call.restarted = r, true, true
	ctx, cancel := c.ctx, context.CancelFunc(func() {})
	if call.deadline != never {
		ctx, cancel = context.WithDeadline(c.ctx, c.timeOf(call.deadline))
	}
	c.watch(call)
	c.work.Go(func() {
		err := c.options.Credentials.Renew(ctx, c, old, r.refusal)
		cancel()
		c.renewed(call, r, err)
	})
	c.mu.Unlock()
}

// renewed continues a call after the attempt to renew its header.
func (c *Conn) renewed(call *Call, r *renewal, err error) {
	c.mu.Lock()
	if call.renewal != r { // it has ended, and may have been reused
		c.mu.Unlock()
		return
	}
	if c.closed || err != nil {
		if err = r.refusal; c.closed {
			err = errClosed()
		}
		ended := c.end(nil, call, err, c.now())
		c.mu.Unlock()
		c.deliver(ended)
		return
	}
	call.header = c.options.Credentials.Header(call.Method)
	c.requeue(call)
	c.admit()
	c.flush()
}

// admit assigns streams to calls that wait. The lock is held.
func (c *Conn) admit() {
	for s := c.session; s != nil && c.waiting.head != nil && s.free(); s = c.session {
		s.open(c.waiting.pop())
	}
}

// NewStream implements [grpc.ClientConnInterface].
func (c *Conn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c.streams.Do(func() {
		if c.options.Streams == nil {
			c.streamError = status.Error(codes.Unimplemented, "no streams on this connection")
			return
		}
		if c.streamConn, c.streamError = c.options.Streams(); c.streamError != nil {
			c.streamError = fmt.Errorf("connect to %s for streams: %w", c.options.Address, c.streamError)
		}
	})
	if c.streamError != nil {
		return nil, c.streamError
	}
	return c.streamConn.NewStream(ctx, desc, method, opts...)
}

// Ready waits until there is a connection. It ends a pause after a failed attempt. The error
// is that of ctx.
func (c *Conn) Ready(ctx context.Context) error {
	for {
		c.mu.Lock()
		done, changed := c.session != nil || c.closed, c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case c.hurry <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A Starter is a connection that can start calls: a [Conn], or a wrapper, which may replace
// the handler of a call until the call has ended.
type Starter interface {
	Start(*Call)
	Flush()
}

// StarterOf returns the Starter of the connection; nil if there is none. A wrapper implements
// the method AsStarter.
func StarterOf(c grpc.ClientConnInterface) Starter {
	switch c := c.(type) {
	case Starter:
		return c
	case interface{ AsStarter() Starter }:
		return c.AsStarter()
	}
	return nil
}
