package runner

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
)

// An agent keeps its load away from the member that the coordinator names, wherever that is
// in its own order, and sends to all when it reconnects. A member that it does not use is
// none to avoid.
func TestAgentsAvoidMembers(t *testing.T) {
	t.Parallel()
	var servers []*transporttest.Noop
	var endpoints []string
	s := &session{steer: &transport.Steer{}}
	for range 3 {
		n, err := transporttest.NewNoop()
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		servers, endpoints = append(servers, n), append(endpoints, n.Address)
	}
	endpoints = rotate(endpoints, 1)
	var err error
	if s.load, err = transport.Dial(t.Context(), transport.Options{Endpoints: endpoints, Conns: 6, Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	defer s.load.Close()
	steering, followed := make(chan Steering), make(chan struct{})
	go s.follow(t.Context(), ShareOptions{Steering: steering, Steered: func(context.Context) { followed <- struct{}{} }})
	for _, c := range []struct {
		to   Steering
		want [3]uint64
	}{
		{Steering{Avoid: servers[0].Address}, [3]uint64{0, 4, 2}},
		{Steering{Avoid: servers[2].Address}, [3]uint64{4, 2, 0}},
		{Steering{Reconnect: true}, [3]uint64{2, 2, 2}},
		{Steering{Avoid: "127.0.0.1:1"}, [3]uint64{2, 2, 2}},
	} {
		steering <- c.to
		<-followed
		var got [3]uint64
		for i, n := range servers {
			got[i] = n.Puts.Load()
		}
		for _, conn := range s.loadConns() {
			if _, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("k")}); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range servers {
			got[i] = n.Puts.Load() - got[i]
		}
		if got != c.want {
			t.Errorf("%+v: requests %v, want %v", c.to, got, c.want)
		}
	}
}
