package cluster_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
)

// aCluster is one member of which nothing runs.
type aCluster struct {
	settings map[string]string
	endpoint string
}

func (c aCluster) Members() []cluster.Member { return []cluster.Member{{Endpoint: c.endpoint}} }
func (aCluster) TLS() *tls.Config            { return nil }
func (c aCluster) Describe() results.Cluster { return results.Cluster{Settings: c.settings} }
func (aCluster) Stop() error                 { return nil }

// sized answers with the state of a member, and ends the test's context after some.
type sized struct {
	grpc.ClientConnInterface
	size, quota int64
	asked       int
	cancel      context.CancelFunc
}

func (s *sized) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	r := reply.(*pb.StatusResponse)
	r.Header, r.DbSize, r.DbSizeQuota = &pb.ResponseHeader{}, s.size, s.quota
	if s.asked++; s.asked == 3 {
		s.cancel()
	}
	return nil
}

// The quota is the one that the member tells, or the one that the cluster was started
// with, or that of its metrics, or etcd's default.
func TestGuardKnowsTheQuota(t *testing.T) {
	t.Parallel()
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "# TYPE etcd_server_quota_backend_bytes gauge\netcd_server_quota_backend_bytes 8.589934592e+09")
	}))
	t.Cleanup(metrics.Close)
	var read atomic.Int64
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if read.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "# TYPE etcd_server_quota_backend_bytes gauge\netcd_server_quota_backend_bytes 1.073741824e+09")
	}))
	t.Cleanup(late.Close)
	const gib = 1 << 30
	for _, c := range []struct {
		name       string
		set        string
		endpoint   string
		told, size int64
		inFlight   int64
		stop       string
	}{
		{name: "set and small", set: "8589934592", size: 3 * gib},
		{name: "set and large", set: "8589934592", size: 7 * gib, stop: "88 % of its quota"},
		{name: "set to etcd's default", set: "0", size: 1900 << 20, stop: "93 % of its quota"},
		{
			name: "with much in flight", set: "1073741824", size: gib / 2, inFlight: gib,
			stop: "50 % of its quota: the run was stopped because the requests in flight",
		},
		{name: "with little in flight", set: "1073741824", size: gib / 2, inFlight: gib / 4},
		{name: "switched off", set: "-1", size: 50 * gib},
		{name: "told", told: 4 * gib, set: "8589934592", size: 3900 << 20, stop: "95 % of its quota"},
		{name: "told and switched off", told: -1, size: 3 * gib},
		{name: "in the metrics and small", endpoint: metrics.URL, size: 3 * gib},
		{name: "in the metrics and large", endpoint: metrics.URL, size: 7 * gib, stop: "88 % of its quota"},
		{name: "in the metrics, which the first check does not get", endpoint: late.URL, size: 1000 << 20, stop: "98 % of its quota"},
		{name: "unknown and small", size: gib},
		{name: "unknown and large", size: 1900 << 20, stop: "93 % of its quota"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			guarded := aCluster{endpoint: "http://127.0.0.1:1"}
			if c.endpoint != "" {
				guarded.endpoint = c.endpoint
			}
			if c.set != "" {
				guarded.settings = map[string]string{"quota-backend-bytes": c.set}
			}
			var stopped error
			conn := &sized{size: c.size, quota: c.told, cancel: cancel}
			cluster.Guard(ctx, guarded, []grpc.ClientConnInterface{conn}, nil, c.inFlight, func(err error) { stopped = err })
			if (stopped != nil) != (c.stop != "") || stopped != nil && !strings.Contains(stopped.Error(), c.stop) {
				t.Errorf("%v, want %q", stopped, c.stop)
			}
		})
	}
}
