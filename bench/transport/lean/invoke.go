package lean

import (
	"context"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Lazy is implemented by contexts whose Done channel is expensive and that end by themselves
// only at their deadline. A call watches the deadline itself, and waits for the parent's Done.
type Lazy interface {
	context.Context
	Parent() context.Context
}

// invocation is a call that a goroutine waits for.
type invocation struct {
	call  Call
	reply []byte
	done  chan error
}

func newInvocation() *invocation {
	i := &invocation{done: make(chan error, 1)}
	i.call.Handler = i
	return i
}

// Done implements [Handler].
func (i *invocation) Done(call *Call, err error) {
	if err == nil {
		i.reply = append(i.reply[:0], call.Reply...)
	}
	i.done <- err
}

// maxKeptReply is the largest buffer for a reply that is kept for other calls.
const maxKeptReply = 64 << 10

// Invoke implements [grpc.ClientConnInterface]. It waits for a connection. The request and the
// reply must be protobuf messages. The outgoing metadata of the context is sent with the
// request. Call options are ignored.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	request, ok1 := args.(proto.Message)
	into, ok2 := reply.(proto.Message)
	if !ok1 || !ok2 {
		return status.Errorf(codes.Internal, "%s: %T and %T are not protobuf messages", method, args, reply)
	}
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	timeout := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok {
		if timeout = time.Until(deadline); timeout <= 0 {
			return errDeadline()
		}
	}
	md, err := outgoing(ctx)
	if err != nil {
		return err
	}
	i, _ := c.invocations.Get().(*invocation)
	if i == nil {
		i = newInvocation()
	}
	i.call.Method, i.call.Request, i.call.Timeout, i.call.Metadata = method, request, timeout, md
	c.Start(&i.call)
	if c.options.Yield {
		runtime.Gosched()
	}
	c.Flush()
	err = i.wait(ctx)
	if err == nil {
		if uerr := proto.Unmarshal(i.reply, into); uerr != nil {
			err = status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", uerr)
		} else if c.options.Check != nil {
			err = c.options.Check(method, request, into)
		}
	}
	if cap(i.reply) > maxKeptReply {
		i.reply = nil
	}
	i.call.Request, i.call.Metadata, i.call.Reply = nil, nil, nil
	c.invocations.Put(i)
	return err
}

// wait waits for the end of the call, and ends it with ctx. It returns the call's error.
func (i *invocation) wait(ctx context.Context) error {
	if lazy, ok := ctx.(Lazy); ok {
		ctx = lazy.Parent()
	}
	select {
	case err := <-i.done:
		return err
	case <-ctx.Done():
		i.call.cancel(status.FromContextError(ctx.Err()).Err())
		return <-i.done
	}
}
