package workloads

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/bench/transport/reply"
)

// method is a unary method of etcd. The zero value is none.
type method int

const (
	methodPut method = iota + 1
	methodRange
	methodDeleteRange
	methodTxn
	methodCompact
	methodLeaseGrant
	methodLeaseRevoke
	methodKeepAlive
	methodCount
)

// name returns the full name of a method.
func (m method) name() string {
	switch m {
	case methodPut:
		return pb.KV_Put_FullMethodName
	case methodRange:
		return pb.KV_Range_FullMethodName
	case methodDeleteRange:
		return pb.KV_DeleteRange_FullMethodName
	case methodTxn:
		return pb.KV_Txn_FullMethodName
	case methodCompact:
		return pb.KV_Compact_FullMethodName
	case methodLeaseGrant:
		return pb.Lease_LeaseGrant_FullMethodName
	case methodLeaseRevoke:
		return pb.Lease_LeaseRevoke_FullMethodName
	case methodKeepAlive:
		return pb.Lease_LeaseKeepAlive_FullMethodName
	}
	return ""
}

// newReply returns a new message for replies to a method.
func (m method) newReply() proto.Message {
	switch m {
	case methodPut:
		return &pb.PutResponse{}
	case methodRange:
		return &pb.RangeResponse{}
	case methodDeleteRange:
		return &pb.DeleteRangeResponse{}
	case methodTxn:
		return &pb.TxnResponse{}
	case methodCompact:
		return &pb.CompactionResponse{}
	case methodLeaseGrant:
		return &pb.LeaseGrantResponse{}
	case methodLeaseRevoke:
		return &pb.LeaseRevokeResponse{}
	case methodKeepAlive:
		return &pb.LeaseKeepAliveResponse{}
	}
	return nil
}

// link is a connection, and what the scripts of all clients that use it share.
type link struct {
	conn    grpc.ClientConnInterface
	starter lean.Starter // nil where the connection cannot start calls
	checked *checkedConn // nil where answers are not checked
	calls   sync.Pool    // of calls that are not under way
	// replies are the messages into which replies are decoded, by method. All
	// clients share them, because each reply is read before the next one is decoded.
	replies [methodCount]sync.Pool
}

// reply returns a message for a reply to a method, which done takes back.
func (l *link) reply(m method) proto.Message {
	if r, ok := l.replies[m].Get().(proto.Message); ok {
		return r
	}
	return m.newReply()
}

func (l *link) done(m method, reply proto.Message) { l.replies[m].Put(reply) }

// link returns the link of a client.
func (t Target) link(client int) *link {
	conn := &t.Conns[client%len(t.Conns)]
	return once(t.shared, &t.shared.links, conn, func() *link {
		l := &link{conn: *conn, starter: lean.StarterOf(*conn), calls: sync.Pool{New: func() any { return &startedCall{} }}}
		l.checked, _ = l.conn.(*checkedConn)
		return l
	})
}

// request is one unary call of an operation. The zero value is none.
type request struct {
	method  method
	message proto.Message
}

// script is an operation as a sequence of unary calls, mostly of one. It sends nothing
// by itself, so that it can be followed with a goroutine that waits, or without one.
type script interface {
	// first prepares the operation and returns its first request. With an error, the
	// operation has failed and sends nothing.
	first(op *bench.Op) (request, error)
	// next takes the outcome of the last request. The reply, which is undefined where err is
	// not nil, is good until it returns. It returns the next request; none when the
	// operation has ended, with its error.
	next(op *bench.Op, reply proto.Message, err error) (request, error)
}

// scripted is a worker that follows a script.
type scripted struct {
	script script
	link   *link
}

var (
	_ bench.Worker        = (*scripted)(nil)
	_ bench.StarterWorker = (*scripted)(nil)
	_ bench.Starter       = (*startedScript)(nil)
	_ lean.Handler        = (*startedScript)(nil)
)

func newScripted(l *link, s script) *scripted { return &scripted{s, l} }

// Do implements [bench.Worker].
func (w *scripted) Do(ctx context.Context, op *bench.Op) error {
	r, err := w.script.first(op)
	if err != nil {
		return err
	}
	return w.link.follow(ctx, w.script, op, r)
}

// follow sends an operation's request, and those that come after it.
func (l *link) follow(ctx context.Context, s script, op *bench.Op, r request) (err error) {
	for err == nil && r.method != 0 {
		m, reply := r.method, l.reply(r.method)
		err = l.conn.Invoke(ctx, m.name(), r.message, reply)
		r, err = s.next(op, reply, err)
		l.done(m, reply)
	}
	return err
}

// AsStarter implements [bench.StarterWorker].
func (w *scripted) AsStarter() bench.Starter {
	if w.link.starter == nil {
		return nil
	}
	return &startedScript{script: w.script, link: w.link}
}

// startedScript follows a script without a goroutine.
type startedScript struct {
	script script
	link   *link
	op     *bench.Op
	method method                      // of the latest request
	call   atomic.Pointer[startedCall] // the one under way; nil: none
}

// startedCall is a call under way, or one to be used again.
type startedCall struct {
	lean.Call
	inquiry *inquiry // nil where no answer was checked yet
}

// Start implements [bench.Starter].
func (s *startedScript) Start(op *bench.Op) {
	s.op = op
	r, err := s.script.first(op)
	if err != nil {
		go op.Complete(err) // not within Start
		return
	}
	s.send(r, op.Timeout())
}

func (s *startedScript) send(r request, timeout time.Duration) {
	c := s.link.calls.Get().(*startedCall)
	s.method, c.Handler, c.Method, c.Request, c.Timeout = r.method, s, r.method.name(), r.message, timeout
	if s.link.checked != nil {
		if c.inquiry == nil {
			c.inquiry = &inquiry{}
		}
		*c.inquiry = s.link.checked.begin(r.message)
	}
	s.call.Store(c)
	s.link.starter.Start(&c.Call)
}

// Done implements [lean.Handler]. It goes on with the script.
func (s *startedScript) Done(_ *lean.Call, err error) {
	c := s.call.Load()
	m, reply := s.method, s.link.reply(s.method)
	err = s.outcome(c, reply, err)
	c.Handler, c.Request, c.Reply = nil, nil, nil
	s.call.Store(nil)
	s.link.calls.Put(c)
	r, err := s.script.next(s.op, reply, err)
	s.link.done(m, reply)
	if r.method == 0 || err != nil {
		s.op.Complete(err)
		return
	}
	left := s.op.Left()
	if left <= 0 {
		_, err = s.script.next(s.op, nil, status.FromContextError(context.DeadlineExceeded).Err())
		s.op.Complete(err)
		return
	}
	op := *s.op // which is another one as soon as the request is answered
	s.send(r, left)
	s.link.starter.Flush()
	if op.Stopped() {
		s.Cancel()
	}
}

// outcome decodes and checks the reply of a call, unless the call has ended with an error. It
// returns the error.
func (s *startedScript) outcome(c *startedCall, into proto.Message, err error) error {
	if err == nil {
		err = decodeReply(c.Reply, into)
	}
	if err == nil {
		err = reply.Check(c.Method, c.Request, into)
	}
	sent, done := c.Sent(), c.Answered()
	s.op.SetTimes(sent, done)
	if checked := s.link.checked; checked != nil {
		c.inquiry.Sent, c.inquiry.answered = checked.checker.Since(sent), checked.checker.Since(done)
		checked.end(*c.inquiry, c.Request, into, err, c.Connection())
	}
	return err
}

// Flush implements [bench.Starter].
func (s *startedScript) Flush() { s.link.starter.Flush() }

// Cancel implements [bench.Starter]. It comes when the run gives up all operations, so that
// it does no harm where the call is already another client's.
func (s *startedScript) Cancel() {
	if c := s.call.Load(); c != nil {
		c.Cancel()
	}
}

// decodeReply decodes a reply. That of a put is decoded without an allocation.
func decodeReply(data []byte, into proto.Message) error {
	if put, ok := into.(*pb.PutResponse); ok && decodePut(data, put) {
		return nil
	}
	if err := proto.Unmarshal(data, into); err != nil {
		return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
	}
	return nil
}

// decodePut decodes a put's reply that holds nothing but its header.
func decodePut(data []byte, into *pb.PutResponse) bool {
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 || number != 1 || kind != protowire.BytesType {
		return false
	}
	header, m := protowire.ConsumeBytes(data[n:])
	if m < 0 || n+m != len(data) {
		return false
	}
	into.PrevKv = nil
	if into.Header == nil {
		into.Header = &pb.ResponseHeader{}
	}
	return decodeHeader(header, into.Header)
}

// decodeHeader decodes a header that holds nothing but its four numbers.
func decodeHeader(data []byte, into *pb.ResponseHeader) bool {
	var values [5]uint64 // by field number
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 || kind != protowire.VarintType || int(number) >= len(values) {
			return false
		}
		value, m := protowire.ConsumeVarint(data[n:])
		if m < 0 {
			return false
		}
		values[number], data = value, data[n+m:]
	}
	into.ClusterId, into.MemberId, into.Revision, into.RaftTerm = values[1], values[2], int64(values[3]), values[4]
	return true
}
