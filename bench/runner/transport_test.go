package runner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
)

// The load travels as the specification says, its plan names the transport, and another
// one is refused.
func TestTransport(t *testing.T) {
	settings := cluster.DefaultSettings()
	settings.Members, settings.UnsafeNoFsync, settings.DataDir, settings.LogDir = 1, true, t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	for _, test := range []struct {
		given      *string
		want, conn string
	}{
		{nil, results.TransportLean, "*lean.Conn"},
		{new(TransportAuto), results.TransportLean, "*lean.Conn"},
		{new("lean"), results.TransportLean, "*lean.Conn"},
		{new("grpc"), results.TransportGRPC, "*grpc.ClientConn"},
	} {
		var spec Spec
		spec.Load.Transport, spec.Cluster.Endpoints = test.given, cluster.Endpoints(c)
		r, err := spec.Resolve("")
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.openSession(t.Context(), t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if conn := fmt.Sprintf("%T", s.load.Conns()[0]); r.Plan.Transport != test.want || conn != test.conn {
			t.Errorf("transport %s, connections %s, want %s, %s", r.Plan.Transport, conn, test.want, test.conn)
		}
		if err := s.close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{"", "http", "GRPC"} {
		var spec Spec
		spec.Load.Transport = &text
		if _, err := spec.Resolve(""); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("--transport must be auto, lean or grpc, not %q", text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
