package workloads

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
)

// seenEvent is an event as its watcher was told of it.
type seenEvent struct {
	at   time.Time
	late bool
}

// watchStamped watches a stamping server in virtual time, each event taking the watcher
// some time and each response the reader some, until all events have been processed.
func watchStamped(t *testing.T, server *transporttest.Stamping, processing, delay time.Duration) (seen []seenEvent) {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer()
	pb.RegisterWatchServer(g, server)
	go func() { _ = g.Serve(l) }() // ends with Stop
	defer g.Stop()
	conn, err := grpc.NewClient("passthrough:bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return l.Dial() }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	stream := newWatchStream(conn, func() time.Duration { return time.Since(start) })
	stream.delay = delay
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream.add(&watcher{
		create: &pb.WatchCreateRequest{Key: []byte("k")},
		events: func(_ []*mvccpb.Event, at time.Duration, late bool) {
			time.Sleep(processing)
			seen = append(seen, seenEvent{start.Add(at), late})
			if len(seen) == len(server.Gaps) {
				cancel()
			}
		},
	})
	if err := stream.run(ctx); err != nil {
		t.Fatal(err)
	}
	return seen
}

// The server's own stamps are the oracle: an event's time is that of its arrival, however
// long the events before it take to process.
func TestProcessingDoesNotDelayEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &transporttest.Stamping{Gaps: make([]time.Duration, 200)} // a burst
		for i := range server.Gaps {
			if i%20 == 0 {
				server.Gaps[i] = time.Millisecond
			}
		}
		for i, e := range watchStamped(t, server, 5*time.Millisecond, 0) {
			if lateness := e.at.Sub(server.Sent[i]); lateness != 0 || e.late {
				t.Fatalf("event %d of 200 arrived %v after it was sent, late: %v; want at once", i, lateness, e.late)
			}
		}
	})
}

// What a reader that pauses reads late is counted as late, and nothing else is.
func TestReaderBehindItsStream(t *testing.T) {
	for name, c := range map[string]struct {
		gap, delay time.Duration
		late       bool
	}{
		"a reader that keeps up":     {20 * time.Millisecond, 5 * time.Millisecond, false},
		"a reader that falls behind": {5 * time.Millisecond, 20 * time.Millisecond, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &transporttest.Stamping{Gaps: make([]time.Duration, 50)}
			for i := range server.Gaps {
				server.Gaps[i] = c.gap
			}
			for i, e := range watchStamped(t, server, 0, c.delay) {
				if lateness := e.at.Sub(server.Sent[i]); e.late != c.late || !e.late && lateness != 0 {
					t.Fatalf("%s: event %d was read %v after it was sent, and counted as late: %v", name, i, lateness, e.late)
				}
			}
		})
	}
}
