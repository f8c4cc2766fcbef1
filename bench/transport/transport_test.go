package transport

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckEndpoint(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"127.0.0.1:2379": true, "http://host:2379": true, "https://[::1]:2379": true, "[::1]:2379": true, "etcd.example:2379": true,
		"": false, "host": false, ":2379": false, "host:": false, "ftp://host:1": false, "http://u:p@host:1": false, "http://host": false, "a b:1": false, "://": false,
	} {
		if err := CheckEndpoint(endpoint); (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func FuzzCheckEndpoint(f *testing.F) {
	f.Add("http://u:p@host:1")
	f.Fuzz(func(t *testing.T, endpoint string) { _ = CheckEndpoint(endpoint) })
}

// Connections are spread over the endpoints in turn.
func TestConnectionsAreSpread(t *testing.T) {
	var servers []*transporttest.Noop
	var endpoints []string
	for range 3 {
		n, err := transporttest.NewNoop()
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		servers = append(servers, n)
		endpoints = append(endpoints, n.Address)
	}
	pool, err := Dial(t.Context(), Options{Endpoints: endpoints, Conns: 6, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, c := range pool.Conns() {
		if _, err := pb.NewKVClient(c).Put(t.Context(), &pb.PutRequest{Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range servers {
		if n := s.Puts.Load(); n != 2 {
			t.Errorf("endpoint %d got %d of 6 puts, want 2", i, n)
		}
	}
}

// A request waits for an endpoint that is away, for as long as it may; it is not
// tried twice.
func TestRequestsWaitForTheirEndpoint(t *testing.T) {
	pool, err := Dial(t.Context(), Options{Endpoints: []string{"127.0.0.1:1"}, Conns: 1, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := pb.NewKVClient(pool.Conns()[0]).Put(ctx, &pb.PutRequest{}); err == nil {
		t.Error("a put to nobody was acknowledged")
	}
	if took := time.Since(start); took < 250*time.Millisecond || took > 5*time.Second {
		t.Errorf("it gave up after %v, want 300 ms", took)
	}
}

func TestProxyFreezes(t *testing.T) {
	n, err := transporttest.NewNoop()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	proxy, err := transporttest.NewProxy(n.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	pool, err := Dial(t.Context(), Options{Endpoints: []string{proxy.Address}, Conns: 1, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	kv := pb.NewKVClient(pool.Conns()[0])
	if _, err := kv.Put(t.Context(), &pb.PutRequest{}); err != nil {
		t.Fatal(err)
	}
	proxy.Freeze(400 * time.Millisecond)
	start := time.Now()
	if _, err := kv.Put(t.Context(), &pb.PutRequest{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 390*time.Millisecond {
		t.Errorf("a put through a frozen proxy took %v", took)
	}
}
