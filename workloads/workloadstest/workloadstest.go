// Package workloadstest helps to test workloads on real clusters: it starts
// clusters, connects to them, and compares with what the servers have counted.
package workloadstest

import (
	"context"
	"os"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// StartCluster starts a cluster of member processes without fsync, which stops with
// the test. The test program must run [cluster.MemberMain] when its first argument
// is "member".
func StartCluster(t testing.TB, members int) *cluster.Processes {
	t.Helper()
	return StartClusterWith(t, members, func(s *cluster.Settings) { s.UnsafeNoFsync = true })
}

// StartClusterWith starts a cluster with settings changed by set. It stops with the
// test.
func StartClusterWith(t testing.TB, members int, set func(*cluster.Settings)) *cluster.Processes {
	t.Helper()
	s := cluster.DefaultSettings()
	s.Members = members
	set(&s)
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	return c
}

// TransportVariable is the environment variable that names the transport of Dial, "lean" or
// "grpc".
const TransportVariable = "ETCDBENCH_TEST_TRANSPORT"

// Dial opens connections to the endpoints, in turn. They close with the test.
func Dial(t testing.TB, conns int, endpoints ...string) []grpc.ClientConnInterface {
	t.Helper()
	pool, err := transport.Dial(context.Background(), transport.Options{
		Endpoints: endpoints, Conns: conns, Timeout: 5 * time.Second, Kind: os.Getenv(TransportVariable),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool.Conns()
}

// DeletePrefix deletes every key under a prefix.
func DeletePrefix(t *testing.T, conn grpc.ClientConnInterface, prefix string) {
	t.Helper()
	end := []byte(prefix)
	end[len(end)-1]++
	if _, err := pb.NewKVClient(conn).DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte(prefix), RangeEnd: end}); err != nil {
		t.Fatal(err)
	}
}

// Plan returns a plan of one measured phase.
func Plan(clients int, ph bench.PlanPhase) bench.Plan {
	ph.Name = "measure"
	return bench.Plan{
		Seed: 1, Clients: clients, Conns: 4, Timeout: 10 * time.Second, Drain: 10 * time.Second, Target: results.DefaultTarget,
		Phases: []bench.PlanPhase{ph},
	}
}
