package lean

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The amount of data that the peer may send before it is read, and the size of incomplete
// replies that a connection may hold.
const (
	streamWindow = 4 << 20
	connWindow   = 16 << 20
	maxBuffered  = 1 << 30
)

// defaultWindow is the initial window of a peer (RFC 9113, section 6.9.2).
const defaultWindow = 1<<16 - 1

// maxControl bounds the answers to control frames that wait to be sent.
const maxControl = 10_000

// lazyTime is how long the answer to a ping may wait for other data to be sent: servers ping
// after each piece of data to measure the bandwidth.
const lazyTime = 250 * time.Millisecond

// session is one TCP connection. The connection's lock guards the fields that do not belong to
// the reader alone.
type session struct {
	conn *Conn
	io   net.Conn // with TLS, if any
	wire *wire

	out, spare []byte  // frames to send
	unsent     []*Call // whose requests are complete in out
	flushing   bool
	delivering bool // the reader handles frames, and flushes afterwards
	control    int  // answers to control frames that the wire has not been seen to take
	answers    int  // their bytes
	lazy       *time.Timer
	lazyArmed  bool

	encoder       *encoder
	streams       streams
	next          uint32 // stream identifier
	maxFrame      int
	maxStreams    uint32
	initialWindow int64
	window        int64
	widest        int64 // at least the largest Call.window
	widened       bool  // calls that wait for the windows may go on
	blocked       queue // calls that wait for the window
	draining      bool  // accepts no more calls
	failure       error
	greeted       chan struct{}
	isGreeted     bool

	number    uint64 // of the poller's
	keepalive *time.Timer
	lastRead  time.Duration
	pinged    bool

	// Of the reader.
	buf       []byte
	pos, fill int
	heads     *heads
	block     []byte // of header fragments
	inBlock   uint32 // the stream whose block is incomplete
	blockEnds bool   // the stream with it
	unread    int    // received, and not yet given back to the connection's window
	buffered  int
	ended     []ending
	aliased   []*Call // whose replies lie in buf
	accepted  *Header
}

// readBuffer holds several frames.
const readBuffer = 64 << 10

func newSession(c *Conn, conn net.Conn, w *wire) *session {
	scheme := "http"
	if c.options.TLS != nil {
		scheme = "https"
	}
	s := &session{
		conn: c, io: conn, wire: w, encoder: newEncoder(scheme, c.options.Authority), streams: newStreams(), heads: newHeads(), next: 1,
		maxFrame: maxFrame, maxStreams: maxUint31, initialWindow: defaultWindow, window: defaultWindow,
		greeted: make(chan struct{}), lastRead: c.now(), buf: make([]byte, readBuffer),
	}
	s.lazy = time.AfterFunc(time.Hour, s.flushLate)
	s.lazy.Stop()
	w.roomy = s.goOn
	return s
}

// goOn sends the data that waited for room in the queue of the wire.
func (s *session) goOn() {
	s.conn.mu.Lock()
	s.unblock()
	s.conn.admit()
	s.conn.flush()
}

// greet sends the preface and the settings. The lock is held.
func (s *session) greet() {
	s.keepalive = time.AfterFunc(s.conn.options.Keepalive, s.checkAlive)
	s.out = append(s.out, http2.ClientPreface...)
	settings := appendSetting(nil, http2.SettingEnablePush, 0)
	settings = appendSetting(settings, http2.SettingInitialWindowSize, streamWindow)
	settings = appendSetting(settings, http2.SettingMaxHeaderListSize, maxBlock)
	s.out = append(appendFrameHeader(s.out, len(settings), http2.FrameSettings, 0, 0), settings...)
	s.out = appendWindowUpdate(s.out, 0, connWindow-defaultWindow)
}

// free reports whether the peer allows another stream and reads what it is sent. The lock is
// held.
func (s *session) free() bool { return uint32(s.streams.count) < s.maxStreams && !s.wire.full() }

// checkAlive pings a peer that has sent nothing for a long time while calls are under way, and
// ends the session if the peer does not answer.
func (s *session) checkAlive() {
	c := s.conn
	c.mu.Lock()
	if s.failure != nil {
		c.mu.Unlock()
		return
	}
	silent := c.now() - s.lastRead
	switch {
	case silent < c.options.Keepalive || s.streams.count == 0 && (c.session != s || c.waiting.head == nil):
		s.pinged = false
		s.keepalive.Reset(max(c.options.Keepalive-silent, c.options.Keepalive/10))
	case s.pinged:
		c.mu.Unlock()
		s.fail(fmt.Errorf("the peer has not answered a ping for %v", c.options.Keepalive))
		return
	default:
		s.pinged = true
		s.out = appendPing(s.out, 0, []byte("etcdping"))
		s.keepalive.Reset(c.options.Keepalive)
	}
	s.flush()
}

// close ends the session without an error. The lock is held; the reader does the rest.
func (s *session) close() {
	s.draining = true
	_ = s.wire.Conn.Close()
}

// read is the reader: it handles frames until the connection ends.
func (s *session) read() {
	for {
		if err := s.readOnce(); err != nil {
			s.fail(err)
			return
		}
	}
}

// readsAtOnce is how often one connection is read before a poller turns to others.
const readsAtOnce = 16

// readReady reads the available data after an event of a poller. It reports whether there may
// be more that causes no event: the poller does not know what TLS has already read.
func (s *session) readReady() (more bool) {
	for range readsAtOnce {
		err := s.readOnce()
		if err != nil && !errors.As(err, new(waitError)) {
			s.fail(err)
		}
		if err != nil || s.io == net.Conn(s.wire) {
			return false
		}
	}
	return true
}

// readOnce reads, and handles what it has read.
func (s *session) readOnce() error {
	n, err := s.io.Read(s.buf[s.fill:])
	now := s.conn.now()
	s.fill += n
	if n > 0 {
		if perr := s.handleAll(now); perr != nil {
			return perr
		}
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the peer has closed the connection")
	}
	return err
}

// handleAll handles the complete frames, delivers the calls that they ended, and sends what is
// to be sent.
func (s *session) handleAll(now time.Duration) error {
	c := s.conn
	c.mu.Lock()
	s.lastRead, s.pinged = now, false
	s.pos = 0
	err := s.handleFrames(now)
	if s.widened {
		s.widened = false
		s.unblock()
	}
	if err != nil {
		s.sendGoAway(err)
	}
	s.detach()
	ended, accepted := s.ended, s.accepted
	s.accepted = nil
	c.admit()
	s.delivering = true
	c.mu.Unlock()
	if accepted != nil {
		c.options.Credentials.Accepted(accepted)
	}
	c.deliver(ended)
	clear(ended)
	s.ended = ended[:0]
	s.fill = copy(s.buf, s.buf[s.pos:s.fill])
	c.mu.Lock()
	s.delivering = false
	if len(s.out) > 0 && !s.urgent() {
		s.flushSoon()
	}
	c.flush()
	return err
}

// urgent reports whether there is more to send than answers to control frames. The lock is
// held.
func (s *session) urgent() bool { return len(s.out) > s.answers }

// pending reports whether there is something to send now that the reader will not send. The
// lock is held.
func (s *session) pending() bool { return s.urgent() && !s.delivering }

func (s *session) handleFrames(now time.Duration) error {
	for {
		f, size, err := nextFrame(s.buf[s.pos:s.fill])
		if err != nil || size == 0 {
			return err
		}
		s.pos += size
		if err := s.handle(f, now); err != nil {
			return err
		}
	}
}

// detach copies the replies in the read buffer whose calls are not complete.
func (s *session) detach() {
	for i, call := range s.aliased {
		if call.session == s && call.started {
			call.Reply = append(make([]byte, 0, len(call.Reply)), call.Reply...)
		}
		s.aliased[i] = nil
	}
	s.aliased = s.aliased[:0]
}

// sendGoAway makes the reason why the connection ends the last to be sent. Requests that have not
// left are sent on another connection. The lock is held.
func (s *session) sendGoAway(err error) {
	code := http2.ErrCodeInternal
	var violation connError
	if errors.As(err, &violation) {
		code = violation.code
	}
	clear(s.unsent)
	s.unsent, s.blocked = s.unsent[:0], queue{}
	s.out, s.answers = appendGoAway(s.out[:0], code), 0
	s.conn.retire(s)
}

// fail ends the session. Its calls end with the code Unavailable, except those that were not
// sent, which are sent on another session. The lock is not held.
func (s *session) fail(err error) {
	c := s.conn
	c.mu.Lock()
	if s.failure != nil {
		c.mu.Unlock()
		return
	}
	s.failure, s.draining = err, true
	s.keepalive.Stop()
	s.lazy.Stop()
	delete(c.sessions, s)
	var ended []ending
	reason := status.Errorf(codes.Unavailable, "connection to %s: %v", c.options.Address, err)
	for call := range s.streams.all {
		s.forget(call)
		if !call.left && !c.closed {
			c.requeue(call)
			continue
		}
		ended = c.end(ended, call, reason, c.now())
	}
	c.retire(s)
	if c.session != nil {
		c.admit()
	}
	if !s.isGreeted {
		s.isGreeted = true
		close(s.greeted)
	}
	c.flush()
	if p := c.options.Poller; p != nil {
		p.remove(s)
	}
	_ = s.wire.Close()
	c.deliver(ended)
}

func (s *session) hasFailed() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.failure != nil
}

// requeue makes a call wait for another stream. The lock is held.
func (c *Conn) requeue(call *Call) {
	call.reset()
	c.waiting.push(call)
}
