package workloads

import (
	"context"
	"sync"

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

// method is a unary method, and the messages into which its replies are decoded: all clients
// share them, because a reply is looked at before the next one.
type method struct {
	name    string
	replies sync.Pool
}

// methodOf returns the method of a name, whose replies are of type R, for all workers of
// a run.
func methodOf[R any, M interface {
	*R
	proto.Message
}](t Target, name string) *method {
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	m := t.shared.methods[name]
	if m == nil {
		if t.shared.methods == nil {
			t.shared.methods = map[string]*method{}
		}
		m = &method{name: name, replies: sync.Pool{New: func() any { return M(new(R)) }}}
		t.shared.methods[name] = m
	}
	return m
}

// request is one unary call of an operation. The zero value is none.
type request struct {
	method  *method
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
	conn   grpc.ClientConnInterface
}

var (
	_ bench.Worker        = (*scripted)(nil)
	_ bench.StarterWorker = (*scripted)(nil)
	_ bench.Starter       = (*startedScript)(nil)
)

func newScripted(conn grpc.ClientConnInterface, s script) *scripted { return &scripted{s, conn} }

// Do implements [bench.Worker].
func (w *scripted) Do(ctx context.Context, op *bench.Op) error {
	r, err := w.script.first(op)
	if err != nil {
		return err
	}
	return follow(ctx, w.conn, w.script, op, r)
}

// follow sends an operation's request, and those that come after it.
func follow(ctx context.Context, conn grpc.ClientConnInterface, s script, op *bench.Op, r request) (err error) {
	for err == nil && r.method != nil {
		m, reply := r.method, r.method.replies.Get().(proto.Message)
		err = conn.Invoke(ctx, m.name, r.message, reply)
		r, err = s.next(op, reply, err)
		m.replies.Put(reply)
	}
	return err
}

// AsStarter implements [bench.StarterWorker].
func (w *scripted) AsStarter() bench.Starter {
	starter := lean.StarterOf(w.conn)
	if starter == nil {
		return nil
	}
	s := &startedScript{script: w.script, starter: starter}
	if c, ok := w.conn.(*checkedConn); ok {
		s.checked = &startedCheck{conn: c}
	}
	s.call.Done = s.answered
	return s
}

// startedScript follows a script without a goroutine.
type startedScript struct {
	script  script
	starter lean.Starter
	checked *startedCheck // nil where answers are not checked
	op      *bench.Op
	method  *method // of the request under way
	call    lean.Call
}

// startedCheck checks the answers of one client.
type startedCheck struct {
	conn *checkedConn
	inquiry
}

// Start implements [bench.Starter].
func (s *startedScript) Start(op *bench.Op) {
	s.op = op
	r, err := s.script.first(op)
	if err != nil {
		go op.Complete(err) // not within Start
		return
	}
	s.call.Timeout = op.Timeout()
	s.send(r)
}

func (s *startedScript) send(r request) {
	s.method, s.call.Method, s.call.Request = r.method, r.method.name, r.message
	if c := s.checked; c != nil {
		c.inquiry = c.conn.begin(r.message)
	}
	s.starter.Start(&s.call)
}

// answered goes on with the script.
func (s *startedScript) answered(call *lean.Call) {
	m, reply := s.method, s.method.replies.Get().(proto.Message)
	r, err := s.script.next(s.op, reply, s.outcome(reply))
	m.replies.Put(reply)
	if r.method == nil || err != nil {
		s.op.Complete(err)
		return
	}
	if call.Timeout = s.op.Left(); call.Timeout <= 0 {
		_, err = s.script.next(s.op, nil, status.FromContextError(context.DeadlineExceeded).Err())
		s.op.Complete(err)
		return
	}
	op := *s.op // which is another one as soon as the request is answered
	s.send(r)
	s.starter.Flush()
	if op.Stopped() {
		s.Cancel()
	}
}

// outcome decodes and checks the reply of the call, and returns the call's error.
func (s *startedScript) outcome(into proto.Message) error {
	call, err := &s.call, s.call.Err
	if err == nil {
		err = decodeReply(call.Reply, into)
	}
	if err == nil {
		err = reply.Check(call.Method, call.Request, into)
	}
	sent, done := call.Sent(), call.Answered()
	s.op.SetTimes(sent, done)
	if c := s.checked; c != nil {
		c.Sent, c.answered = c.conn.checker.Since(sent), c.conn.checker.Since(done)
		c.conn.end(c.inquiry, call.Request, into, err, call.Connection())
	}
	return err
}

// Flush implements [bench.Starter].
func (s *startedScript) Flush() { s.starter.Flush() }

// Cancel implements [bench.Starter].
func (s *startedScript) Cancel() { s.call.Cancel() }

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
