package transport

import (
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
)

func TestSteer(t *testing.T) {
	var servers []*transporttest.Noop
	var endpoints []string
	for range 3 {
		n, err := transporttest.NewNoop()
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		servers, endpoints = append(servers, n), append(endpoints, n.Address)
	}
	// The last connection has no neighbour of its own round.
	pool, err := Dial(t.Context(), Options{Endpoints: endpoints, Conns: 7, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var steer Steer
	conns := pool.Steered(&steer)
	puts := func() (counts [3]uint64) {
		for i, s := range servers {
			counts[i] = s.Puts.Load()
		}
		for _, c := range conns {
			if _, err := pb.NewKVClient(c).Put(t.Context(), &pb.PutRequest{Key: []byte("k")}); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range servers {
			counts[i] = s.Puts.Load() - counts[i]
		}
		return counts
	}
	// The server has no watches, but says so itself.
	streams := func() (counts [3]uint64) {
		for _, c := range conns {
			var from peer.Peer
			stream, err := pb.NewWatchClient(c).Watch(t.Context(), grpc.Peer(&from))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); status.Code(err) != codes.Unimplemented {
				t.Fatal(err)
			}
			counts[slices.Index(endpoints, from.Addr.String())]++
		}
		return counts
	}
	if got := puts(); got != [3]uint64{3, 2, 2} {
		t.Errorf("without a fault: %v", got)
	}
	for avoided, endpoint := range endpoints {
		steer.Avoid(endpoint)
		if got := puts(); got[avoided] != 0 || got[0]+got[1]+got[2] != 7 {
			t.Errorf("avoiding %d: %v", avoided, got)
		}
		if got := streams(); got[avoided] != 0 || got[0]+got[1]+got[2] != 7 {
			t.Errorf("streams avoiding %d: %v", avoided, got)
		}
	}
	steer.Avoid("127.0.0.1:1")
	if got := puts(); got != [3]uint64{3, 2, 2} {
		t.Errorf("avoiding none of them: %v", got)
	}
	steer.Clear()
	if got := puts(); got != [3]uint64{3, 2, 2} {
		t.Errorf("afterwards: %v", got)
	}
	if got := streams(); got != [3]uint64{3, 2, 2} {
		t.Errorf("streams afterwards: %v", got)
	}
}
