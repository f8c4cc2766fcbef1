package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// duplex is a gRPC stream of requests and responses.
type duplex[Q, R any] interface {
	Send(*Q) error
	Recv() (*R, error)
}

// exchange sends requests and waits for their answers on one long-lived stream. A stream
// that broke, or that was left in the middle of an answer, is replaced at the next
// request. It belongs to one worker.
type exchange[Q, R any] struct {
	open func(ctx context.Context) (duplex[Q, R], error)

	stream duplex[Q, R]
	cancel context.CancelFunc
}

// ask sends a request and reads until a response is the answer. A stream keeps the token that
// it was opened with. If the token has become invalid, the request has not taken effect, and
// ask repeats it on a new stream.
func (x *exchange[Q, R]) ask(ctx context.Context, request *Q, answer func(*R) bool) (*R, error) {
	r, err := x.try(ctx, request, answer)
	if err != nil {
		switch rpctypes.Error(err) {
		case rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision:
			return x.try(ctx, request, answer)
		}
	}
	return r, err
}

func (x *exchange[Q, R]) try(ctx context.Context, request *Q, answer func(*R) bool) (*R, error) {
	if x.stream == nil {
		var streamCtx context.Context
		streamCtx, x.cancel = context.WithCancel(context.Background())
		undo := context.AfterFunc(ctx, x.cancel)
		stream, err := x.open(streamCtx)
		if !undo() || err != nil {
			x.close()
			return nil, openError(ctx, err)
		}
		x.stream = stream
	}
	undo := context.AfterFunc(ctx, x.cancel)
	r, err := x.sendAndRead(request, answer)
	if !undo() || err != nil {
		x.close()
		return r, contextFirst(ctx, err)
	}
	return r, nil
}

func (x *exchange[Q, R]) sendAndRead(request *Q, answer func(*R) bool) (*R, error) {
	// An error of Send only says that the stream has ended; Recv returns the reason.
	_ = x.stream.Send(request)
	for {
		r, err := x.stream.Recv()
		if err != nil || answer(r) {
			return r, err
		}
	}
}

func (x *exchange[Q, R]) close() {
	if x.cancel != nil {
		x.cancel()
	}
	x.stream = nil
}

// openError explains a stream that could not be opened: gRPC lets it wait without an error
// while the connection has as many streams as the server allows.
func openError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no stream could be opened in time: the server may allow no more on a connection "+
			"(--max-concurrent-streams): use more --conns: %w", ctx.Err())
	}
	return contextFirst(ctx, err)
}

// contextFirst returns the error of ctx if it has ended, or else err.
func contextFirst(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// closers are the functions that a workload calls at its end.
type closers struct {
	mu   sync.Mutex
	list []func()
}

func (c *closers) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, f)
}

// closeAll calls all functions, several of them concurrently, because each may take a round
// trip.
func (c *closers) closeAll() {
	c.mu.Lock()
	list := c.list
	c.list = nil
	c.mu.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, leaseWorkers)
	for _, f := range list {
		slots <- struct{}{}
		wg.Go(func() { f(); <-slots })
	}
	wg.Wait()
}
