package workloads

import (
	"context"

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

// request is one unary call of an operation, and where its reply is put.
type request struct {
	method         string
	message, reply proto.Message
}

// script is an operation as a sequence of unary calls, mostly of one. It sends nothing
// by itself, so that it can be followed with a goroutine that waits, or without one.
type script interface {
	// first prepares the operation and returns its first request. With an error, the
	// operation has failed and sends nothing.
	first(op *bench.Op) (*request, error)
	// next takes the outcome of the last request, whose reply is in place where err is
	// nil. It returns the next request; nil when the operation has ended, with its error.
	next(op *bench.Op, err error) (*request, error)
}

// scripted is a worker that follows a script.
type scripted struct {
	script  script
	conn    grpc.ClientConnInterface
	starter lean.Starter // nil where the connection cannot start calls
	checked *checkedConn // nil where answers are not checked
	inquiry *inquiry     // nil likewise
	call    lean.Call
	op      *bench.Op
	current *request
}

var (
	_ bench.Worker        = (*scripted)(nil)
	_ bench.StarterWorker = (*scripted)(nil)
)

func newScripted(conn grpc.ClientConnInterface, s script) *scripted {
	w := &scripted{script: s, conn: conn, starter: lean.StarterOf(conn)}
	if w.checked, _ = conn.(*checkedConn); w.checked != nil {
		w.inquiry = &inquiry{}
	}
	if w.starter != nil {
		w.call.Done = w.answered
	}
	return w
}

// Do implements [bench.Worker].
func (w *scripted) Do(ctx context.Context, op *bench.Op) error {
	r, err := w.script.first(op)
	for err == nil && r != nil {
		r, err = w.script.next(op, w.conn.Invoke(ctx, r.method, r.message, r.reply))
	}
	return err
}

// AsStarter implements [bench.StarterWorker].
func (w *scripted) AsStarter() bench.Starter {
	if w.starter == nil {
		return nil
	}
	return w
}

// Start implements [bench.Starter].
func (w *scripted) Start(op *bench.Op) {
	w.op = op
	r, err := w.script.first(op)
	if err != nil {
		go op.Complete(err) // not within Start
		return
	}
	w.call.Timeout = op.Timeout()
	w.send(r)
}

func (w *scripted) send(r *request) {
	w.current, w.call.Method, w.call.Request = r, r.method, r.message
	if w.checked != nil {
		*w.inquiry = w.checked.begin(r.message)
	}
	w.starter.Start(&w.call)
}

// answered goes on with the script.
func (w *scripted) answered(call *lean.Call) {
	err := call.Err
	if err == nil {
		err = w.current.decode(call.Reply)
	}
	sent, done := call.Sent(), call.Answered()
	w.op.SetTimes(sent, done)
	if w.checked != nil {
		w.inquiry.Sent, w.inquiry.answered = w.checked.checker.Since(sent), w.checked.checker.Since(done)
		w.checked.end(*w.inquiry, w.current.message, w.current.reply, err, call.Connection())
	}
	r, err := w.script.next(w.op, err)
	if r == nil || err != nil {
		w.op.Complete(err)
		return
	}
	if w.call.Timeout = w.op.Left(); w.call.Timeout <= 0 {
		_, err = w.script.next(w.op, status.FromContextError(context.DeadlineExceeded).Err())
		w.op.Complete(err)
		return
	}
	op := *w.op // which is another one as soon as the request is answered
	w.send(r)
	w.starter.Flush()
	if op.Stopped() {
		w.Cancel()
	}
}

// Flush implements [bench.Starter].
func (w *scripted) Flush() { w.starter.Flush() }

// Cancel implements [bench.Starter].
func (w *scripted) Cancel() { w.call.Cancel() }

// decode decodes and checks the reply to a request.
func (r *request) decode(data []byte) error {
	if err := decodeReply(data, r.reply); err != nil {
		return err
	}
	return reply.Check(r.method, r.message, r.reply)
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
