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
)

// Queue is a gRPC server that looks like a member of etcd and whose capacity is known:
// puts are served, first come first served, by a number of workers, each with
// exponential service times (with Poisson arrivals, M/M/c).
type Queue struct {
	Address string
	server  *grpc.Server

	mu   sync.Mutex
	mean time.Duration
	free []time.Time // when each worker is, in rising order
	rand *rand.Rand
}

// NewQueue starts a server on a free loopback port.
func NewQueue(workers int, mean time.Duration, seed uint64) (*Queue, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start queue: %w", err)
	}
	q := &Queue{Address: l.Addr().String(), server: grpc.NewServer(), mean: mean, free: make([]time.Time, workers), rand: rand.New(rand.NewPCG(seed, 0))}
	pb.RegisterKVServer(q.server, &queueKV{queue: q})
	go func() { _ = q.server.Serve(l) }() // ends with Stop
	return q, nil
}

// Stop closes the server and its connections.
func (q *Queue) Stop() { q.server.Stop() }

// enter says when one that comes now has been served.
func (q *Queue) enter() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	start := time.Now()
	if q.free[0].After(start) {
		start = q.free[0]
	}
	q.free[0] = start.Add(time.Duration(q.rand.ExpFloat64() * float64(q.mean)))
	done := q.free[0]
	slices.SortFunc(q.free, time.Time.Compare)
	return done
}

type queueKV struct {
	pb.UnimplementedKVServer
	queue *Queue
}

func (k *queueKV) Put(ctx context.Context, _ *pb.PutRequest) (*pb.PutResponse, error) {
	t := time.NewTimer(time.Until(k.queue.enter()))
	defer t.Stop()
	select {
	case <-t.C:
		return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: 1}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
