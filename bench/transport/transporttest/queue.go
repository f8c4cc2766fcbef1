package transporttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// QueueOptions set the behaviour of a [Queue].
type QueueOptions struct {
	// Workers serve the puts, first come first served, each with exponential service
	// times of that mean (with Poisson arrivals, M/M/c).
	Workers int
	Mean    time.Duration
	Seed    uint64
	// Failing, Hanging and Slow are shares of the puts: refused at once, never answered,
	// and answered later by SlowBy. None of them keeps a worker busy for longer.
	Failing, Hanging, Slow float64
	SlowBy                 time.Duration
}

// QueueCounts are the outcomes of puts. Slow ones are also counted as answered.
type QueueCounts struct{ Answered, Failed, Hung, Slow uint64 }

// Queue is a gRPC server that answers like a member of etcd. Its capacity and its shares of
// failing, hanging and slow puts are known, and it counts them itself.
type Queue struct {
	Address string
	server  *grpc.Server
	options QueueOptions

	mu     sync.Mutex
	free   []time.Time // when each worker is free, in rising order
	rand   *rand.Rand
	counts QueueCounts
}

// NewQueue starts a server on a free loopback port.
func NewQueue(o QueueOptions) (*Queue, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start queue: %w", err)
	}
	q := &Queue{
		Address: l.Addr().String(), server: grpc.NewServer(), options: o,
		free: make([]time.Time, o.Workers), rand: rand.New(rand.NewPCG(o.Seed, 0)),
	}
	pb.RegisterKVServer(q.server, &queueKV{queue: q})
	go func() { _ = q.server.Serve(l) }() // ends with Stop
	return q, nil
}

// Stop closes the server and its connections.
func (q *Queue) Stop() { q.server.Stop() }

// Counts returns the outcomes of the puts so far.
func (q *Queue) Counts() QueueCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts
}

// enter returns the outcome of a put that arrives now, and when it is to be answered.
func (q *Queue) enter() (done time.Time, outcome *uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	draw := q.rand.Float64()
	switch o := q.options; {
	case draw < o.Failing:
		return time.Time{}, &q.counts.Failed
	case draw < o.Failing+o.Hanging:
		return time.Time{}, &q.counts.Hung
	case draw < o.Failing+o.Hanging+o.Slow:
		return q.serve().Add(o.SlowBy), &q.counts.Slow
	}
	return q.serve(), &q.counts.Answered
}

// serve returns when a worker has served a put that arrives now.
func (q *Queue) serve() time.Time {
	start := time.Now()
	if q.free[0].After(start) {
		start = q.free[0]
	}
	q.free[0] = start.Add(time.Duration(q.rand.ExpFloat64() * float64(q.options.Mean)))
	done := q.free[0]
	slices.SortFunc(q.free, time.Time.Compare)
	return done
}

// count counts an outcome.
func (q *Queue) count(outcome *uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*outcome++
	if outcome == &q.counts.Slow {
		q.counts.Answered++
	}
}

type queueKV struct {
	pb.UnimplementedKVServer
	queue *Queue
}

func (k *queueKV) Put(ctx context.Context, _ *pb.PutRequest) (*pb.PutResponse, error) {
	done, outcome := k.queue.enter()
	switch outcome {
	case &k.queue.counts.Failed:
		k.queue.count(outcome)
		return nil, status.Error(codes.ResourceExhausted, "refused, as a share of all")
	case &k.queue.counts.Hung:
		k.queue.count(outcome)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	t := time.NewTimer(time.Until(done))
	defer t.Stop()
	select {
	case <-t.C:
		k.queue.count(outcome)
		return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: 1}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
