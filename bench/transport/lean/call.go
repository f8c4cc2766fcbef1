package lean

import (
	"bytes"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
)

// A Call is one unary call. It may be used again when it is done. Request must not be
// changed from Start until then.
type Call struct {
	// Method is the full name, "/package.Service/Method".
	Method  string
	Request proto.Message
	// Timeout is counted from Start and must be positive.
	Timeout time.Duration
	// Metadata is sent with the request, besides the header of the connection's
	// credentials, whose fields of the same name it replaces; nil is none.
	Metadata *Header
	// Handler handles the end of the call.
	Handler Handler

	// Reply is the encoded reply; it is valid until the handler returns.
	Reply []byte

	conn     atomic.Pointer[Conn]
	header   *Header
	deadline time.Duration // on the connection's clock
	sent     time.Duration
	answered time.Duration

	session *session      // that has the stream, or had it when the call ended
	renewal *renewal      // nil unless the call waits for a new header
	rest    *bytes.Buffer // of the request, not yet sent; nil: nothing

	id         uint32 // of the stream; 0 without one
	window     int32  // how much of the request the server allows, less the session's initial window
	unread     uint32 // received, and not yet returned to the stream's window
	want       uint32 // the reply's length
	started    bool   // and not yet ended
	left       bool   // the whole request was handed to the operating system
	restarted  bool   // with a new header
	canceled   bool   // while it was not started
	retried    bool   // after the server refused its stream, which it may do once
	headed     bool   // the response's headers have come
	hasMessage bool   // the reply is complete
	prefixLen  uint8  // how much of what precedes the reply has come

	earlier, later *Call // in the order of deadlines
	next           *Call // in a queue
}

// A Handler handles the end of calls.
type Handler interface {
	// Done is called once when a call has ended, by a goroutine of the connection and never from
	// within Start. It must be short and must not wait, because other replies wait for it. It may
	// start calls, this one included. The error is nil, or a gRPC status error.
	Done(call *Call, err error)
}

// A HandlerFunc is a function as a [Handler].
type HandlerFunc func(call *Call, err error)

// Done implements [Handler].
func (f HandlerFunc) Done(call *Call, err error) { f(call, err) }

// prefixSize is the length of what precedes a message: a flag and the length.
const prefixSize = 5

// Sent is when the request was handed to the operating system. If the request had to wait for
// a connection, a stream or a window, it is when that wait began. It is set when the call
// has ended.
func (c *Call) Sent() time.Time { return c.conn.Load().timeOf(c.sent) }

// Answered is when the last byte of the answer was read, or when the call ended without
// one. It is set when the call has ended.
func (c *Call) Answered() time.Time { return c.conn.Load().timeOf(c.answered) }

// Connection identifies the TCP connection that carried the call last. It is nil for a call that
// was not sent, and equal for calls on the same connection. It is set when the call has
// ended.
func (c *Call) Connection() any {
	if c.session == nil {
		return nil
	}
	return c.session
}

// moveTo assigns a call that is not under way to a connection. It waits for the holder of the
// last connection's lock, who may be cancelling the call.
func (c *Call) moveTo(conn *Conn) {
	last := c.conn.Load()
	if last == conn {
		return
	}
	if last != nil {
		last.mu.Lock()
		defer last.mu.Unlock()
	}
	c.conn.Store(conn)
}

// lock locks the connection to which the call belongs, and returns it; nil where there is
// none.
func (c *Call) lock() *Conn {
	for {
		conn := c.conn.Load()
		if conn == nil {
			return nil
		}
		conn.mu.Lock()
		if c.conn.Load() == conn {
			return conn
		}
		conn.mu.Unlock()
	}
}

// reset prepares the call for a stream.
func (c *Call) reset() {
	c.session, c.renewal, c.id, c.left = nil, nil, 0, false
	c.headed, c.hasMessage, c.prefixLen, c.want = false, false, 0, 0
	c.window, c.rest, c.unread, c.Reply = 0, nil, 0, nil
}

// ending is a call that has ended, with its error, and whose handler is to be called.
type ending struct {
	call *Call
	err  error
}

// queue is a list of calls, first in, first out.
type queue struct{ head, tail *Call }

func (q *queue) push(c *Call) {
	c.next = nil
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

func (q *queue) pop() *Call {
	c := q.head
	if c != nil {
		if q.head = c.next; q.head == nil {
			q.tail = nil
		}
		c.next = nil
	}
	return c
}

// remove removes a call at any position.
func (q *queue) remove(c *Call) {
	var before *Call
	for at := q.head; at != nil; before, at = at, at.next {
		if at != c {
			continue
		}
		if before == nil {
			q.head = c.next
		} else {
			before.next = c.next
		}
		if q.tail == c {
			q.tail = before
		}
		c.next = nil
		return
	}
}

// deadlines holds all calls under way, the earliest deadline first. Most calls have the same
// timeout, so that a new one is added near the end.
type deadlines struct{ first, last *Call }

func (d *deadlines) add(c *Call) {
	at := d.last
	for at != nil && at.deadline > c.deadline {
		at = at.earlier
	}
	c.earlier = at
	if at == nil {
		c.later, d.first = d.first, c
	} else {
		c.later, at.later = at.later, c
	}
	if c.later == nil {
		d.last = c
	} else {
		c.later.earlier = c
	}
}

func (d *deadlines) remove(c *Call) {
	if c.earlier == nil {
		d.first = c.later
	} else {
		c.earlier.later = c.later
	}
	if c.later == nil {
		d.last = c.earlier
	} else {
		c.later.earlier = c.earlier
	}
	c.earlier, c.later = nil, nil
}
