package transport_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/transport"
)

// repeater answers each second watch of a stream with the identifier of the first, and ends
// the stream then.
type repeater struct {
	pb.UnimplementedWatchServer
	ended atomic.Int64
}

func (r *repeater) Watch(s pb.Watch_WatchServer) error {
	for range 2 {
		if _, err := s.Recv(); err != nil {
			return err
		}
		if err := s.Send(&pb.WatchResponse{Header: &pb.ResponseHeader{Revision: 1}, WatchId: 7, Created: true}); err != nil {
			return err
		}
	}
	r.ended.Add(1)
	return status.Error(codes.Unavailable, "the end of the stream")
}

// canceler cancels the first watch of a stream and gives the second its identifier, and ends the
// stream then.
type canceler struct {
	pb.UnimplementedWatchServer
	ended atomic.Int64
}

func (c *canceler) Watch(s pb.Watch_WatchServer) error {
	for _, answers := range [][]*pb.WatchResponse{{{Created: true}}, {{Canceled: true}, {Created: true}}} {
		if _, err := s.Recv(); err != nil {
			return err
		}
		for _, a := range answers {
			a.Header, a.WatchId = &pb.ResponseHeader{Revision: 1}, 7
			if err := s.Send(a); err != nil {
				return err
			}
		}
	}
	c.ended.Add(1)
	return status.Error(codes.Unavailable, "the end of the stream")
}

// The channels of watches close with their contexts also where a member gives two watches of
// a stream the same identifier, which clientv3 would never close.
func TestRepeatedWatchID(t *testing.T) {
	t.Parallel()
	t.Run("in use", func(t *testing.T) {
		server := &repeater{}
		endWatches(t, server, server.ended.Load)
	})
	// clientv3 chooses among what is ready, so that the watch is not lost each time.
	for n := range 20 {
		t.Run(fmt.Sprint("canceled ", n), func(t *testing.T) {
			server := &canceler{}
			endWatches(t, server, server.ended.Load)
		})
	}
}

// endWatches makes two watches of one stream, whose context ends when the first stream has ended,
// and waits for the end of their channels.
func endWatches(t *testing.T, watches pb.WatchServer, ended func() int64) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterWatchServer(server, watches)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	pool, err := transport.Dial(t.Context(), transport.Options{Endpoints: []string{listener.Addr().String()}, Conns: 1, Kind: "grpc"})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	client := clientv3.NewCtxClient(t.Context())
	client.Watcher = clientv3.NewWatchFromWatchClient(pb.NewWatchClient(pool.Conns()[0]), client)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	channels := []clientv3.WatchChan{client.Watch(ctx, "a"), client.Watch(ctx, "b")}
	for ended() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the streams are made anew meanwhile
	cancel()
	for i, c := range channels {
		timeout := time.After(20 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-c:
			case <-timeout:
				t.Fatalf("the channel of watch %d is open 20 s after its context has ended", i)
			}
		}
	}
}
