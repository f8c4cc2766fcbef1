package cluster_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/bench/transport"
)

// startWith starts three members with a network between them.
func startWith(t *testing.T, n cluster.Network, change func(*cluster.ProcessOptions)) (*cluster.Processes, []grpc.ClientConnInterface) {
	t.Helper()
	o := cluster.ProcessOptions{Settings: testSettings(t, 3)}
	o.Network = &n
	if change != nil {
		change(&o)
	}
	c, err := cluster.StartProcesses(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		isEmpty(t, o.DataDir)
	})
	pool, err := transport.Dial(t.Context(), transport.Options{Endpoints: cluster.Endpoints(c), Conns: 3, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return c, pool.Conns()
}

// medianPut is how long a put through a member takes.
func medianPut(t *testing.T, conn grpc.ClientConnInterface) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 9 {
		begin := time.Now()
		if _, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// A put through the leader takes one round trip to the nearer follower, one through
// a follower its own way to the leader besides.
func TestNetwork(t *testing.T) {
	c, conns := startWith(t, cluster.Network{Zones: []string{"a", "b", "c"}, ZoneRTTs: []string{"a-b=40ms", "a-c=80ms", "b-c=80ms"}}, nil)
	leader, err := cluster.Leader(t.Context(), conns, -1)
	if err != nil {
		t.Fatal(err)
	}
	// The third member is 80 ms from both others, which are 40 ms apart.
	least := 40 * time.Millisecond
	if leader == 2 {
		least = 80 * time.Millisecond
	}
	if got := medianPut(t, conns[leader]); got < least || got > least+35*time.Millisecond {
		t.Errorf("a put through the leader, member %d, took %v, want %v and a little", leader, got, least)
	}
	if got := medianPut(t, conns[(leader+1)%3]); got < 2*40*time.Millisecond {
		t.Errorf("a put through a follower took %v", got)
	}
	d := c.Describe()
	if d.Settings["network:zone-rtts"] != "a-b=40ms,a-c=80ms,b-c=80ms" {
		t.Errorf("described as %v", d.Settings)
	}
}

// newLeader waits until another member than old leads.
func newLeader(t *testing.T, conns []grpc.ClientConnInterface, old int) int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		leader, err := cluster.Leader(ctx, conns, old)
		cancel()
		if err == nil {
			return leader
		}
	}
	t.Fatal("nobody leads")
	return 0
}

// Whatever befalls the leader, another one follows, and all are well afterwards.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cluster.ProcessOptions){
		"built-in": nil,
		"foreign":  func(o *cluster.ProcessOptions) { o.Binary = foreignEtcd(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, conns := startWith(t, cluster.Network{}, func(o *cluster.ProcessOptions) {
				o.HeartbeatInterval, o.ElectionTimeout = 50*time.Millisecond, 500*time.Millisecond
				if change != nil {
					change(o)
				}
			})
			fault := func(what string, do, undo func(member int) error) {
				old, err := cluster.Leader(t.Context(), conns, -1)
				if err != nil {
					t.Fatal(err)
				}
				if err := do(old); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				newLeader(t, conns, old)
				if err := undo(old); err != nil {
					t.Fatalf("after %s: %v", what, err)
				}
				if err := c.Ready(t.Context()); err != nil {
					t.Fatalf("after %s: %v", what, err)
				}
				use(t, c)
			}
			fault("kill", func(m int) error {
				pid := c.Members()[m].PID
				err := c.Kill(m)
				if alive(pid) {
					t.Errorf("process %d lives", pid)
				}
				if died := c.Died(); died != nil {
					t.Errorf("what we killed counts as died: %v", died)
				}
				newLeader(t, conns, m)
				if err := c.Ready(t.Context()); err != nil {
					t.Errorf("the others, while one is down: %v", err)
				}
				return err
			}, c.Start)
			if err := c.Start(0); err == nil {
				t.Error("a member that runs was started")
			}
			fault("pause", c.Pause, c.Resume)
			for what, ways := range map[string]link.Ways{"cut": {In: true, Out: true}, "cut outwards": {Out: true}} {
				var undo func()
				fault(what, func(m int) (err error) {
					undo, err = c.SetLink(m, -1, ways, link.Conditions{Down: true})
					return err
				}, func(int) error { undo(); return nil })
			}
			fault("stop", c.Terminate, c.Start)
		})
	}
}

// Where a round trip takes longer than the election timeout, nobody can be elected:
// an error that says so, after the time that was given.
func TestNetworkTooSlowForElections(t *testing.T) {
	t.Parallel()
	o := cluster.ProcessOptions{Settings: testSettings(t, 3)}
	o.Network = &cluster.Network{RTT: time.Second}
	o.HeartbeatInterval, o.ElectionTimeout, o.StartTimeout = 20*time.Millisecond, 200*time.Millisecond, 5*time.Second
	_, err := cluster.StartProcesses(t.Context(), o)
	if !errors.Is(err, cluster.ErrNotReady) || !strings.Contains(err.Error(), "it may have no leader") {
		t.Errorf("error %v", err)
	}
	isEmpty(t, o.DataDir)
}

// A member whose data are lost does not come back, and the error says which and shows
// why; the others go on.
func TestMemberDoesNotComeBack(t *testing.T) {
	t.Parallel()
	var data string
	c, conns := startWith(t, cluster.Network{}, func(o *cluster.ProcessOptions) { data = o.DataDir })
	leader, err := cluster.Leader(t.Context(), conns, -1)
	if err != nil {
		t.Fatal(err)
	}
	victim := (leader + 1) % 3
	name := c.Members()[victim].Name
	if err := c.Kill(victim); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(data, name, "member", "wal", "*.wal"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	if err := os.WriteFile(segments[0], []byte("this is no log"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(victim); err != nil {
		t.Fatal(err)
	}
	err = c.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "member "+name) || !strings.Contains(err.Error(), "the last lines of its log") {
		t.Errorf("error %v", err)
	}
	if got := medianPut(t, conns[leader]); got <= 0 {
		t.Errorf("a put took %v", got)
	}
}
