package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/transport"
)

// startSupervised starts one member whose disk is supervised.
func startSupervised(t *testing.T, change func(*cluster.ProcessOptions)) (*cluster.Processes, grpc.ClientConnInterface) {
	t.Helper()
	if err := disk.Check(); err != nil {
		t.Skip(err)
	}
	o := cluster.ProcessOptions{Settings: testSettings(t, 1)}
	o.UnsafeNoFsync = false
	o.Disk = disk.Calls{Syncs: true, Writes: true}
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
	pool, err := transport.Dial(t.Context(), transport.Options{Endpoints: cluster.Endpoints(c), Conns: 1, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return c, pool.Conns()[0]
}

// syncs are the number and the sum of the syncs of the log as etcd measures them.
func syncs(t *testing.T, c cluster.Cluster) (count float64, sum time.Duration) {
	t.Helper()
	return histogram(t, c, logSyncs)
}

// histogram returns the count and the sum of a histogram of seconds of the first member.
func histogram(t *testing.T, c cluster.Cluster, metric string) (count float64, sum time.Duration) {
	t.Helper()
	r, err := http.Get("http://" + c.Members()[0].Endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, _ := strconv.ParseFloat(value, 64)
		switch name {
		case metric + "_count":
			count = v
		case metric + "_sum":
			sum = time.Duration(v * float64(time.Second))
		}
	}
	return count, sum
}

func put(t *testing.T, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte("k")})
	return err
}

// A member measures at least the delay that its syncs are given, from when it is set until
// it is lifted, and after its process was started again; whatever program it is.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cluster.ProcessOptions){
		"built-in": nil,
		"foreign":  func(o *cluster.ProcessOptions) { o.Binary = foreignEtcd(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, conn := startSupervised(t, change)
			const delay = 40 * time.Millisecond
			puts := func(n int) time.Duration {
				count, sum := syncs(t, c)
				for range n {
					if err := put(t, conn); err != nil {
						t.Fatal(err)
					}
				}
				countAfter, sumAfter := syncs(t, c)
				return time.Duration(float64(sumAfter-sum) / (countAfter - count))
			}
			usual := puts(5)
			if _, err := c.SetDisk(0, disk.Conditions{Latency: delay, Delayed: disk.Calls{Syncs: true}}); err != nil {
				t.Fatal(err)
			}
			slow := puts(5)
			t.Logf("a sync takes %v, with a delay of %v %v", usual, delay, slow)
			if slow < delay {
				t.Errorf("a sync takes %v, want %v or more", slow, delay)
			}
			if err := c.Kill(0); err != nil {
				t.Fatal(err)
			}
			if err := c.Kill(0); err == nil || !strings.Contains(err.Error(), "already ended") {
				t.Errorf("killed twice: %v", err)
			}
			if err := c.Pause(0); err == nil || !strings.Contains(err.Error(), "has ended") {
				t.Errorf("paused while down: %v", err)
			}
			if err := c.Start(0); err != nil {
				t.Fatal(err)
			}
			if err := c.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if slow := puts(3); slow < delay {
				t.Errorf("started again, a sync takes %v, want %v or more", slow, delay)
			}
			effect, err := c.SetDisk(0, disk.Conditions{})
			if err != nil || effect.Delayed < 3 || effect.Mean() != delay {
				t.Errorf("effect %+v, %v", effect, err)
			}
		})
	}
}

// A member whose disk fails ends, which is expected, and comes back on its data when the
// disk is well again.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]disk.Calls{"error": {Syncs: true}, "full": {Writes: true}, "full log": {Appends: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, conn := startSupervised(t, func(o *cluster.ProcessOptions) { o.Disk.Appends = failed.Appends })
			if _, err := c.SetDisk(0, disk.Conditions{Failed: failed}); err != nil {
				t.Fatal(err)
			}
			go func() { _ = put(t, conn) }()
			for deadline := time.Now().Add(20 * time.Second); c.Running(0); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the member has not ended")
				}
			}
			if err := c.Died(); err != nil {
				t.Errorf("what was expected counts as died: %v", err)
			}
			if _, err := c.SetDisk(0, disk.Conditions{}); err == nil {
				t.Error("no error for a process that has gone")
			}
			if err := c.Start(0); err != nil {
				t.Fatal(err)
			}
			if err := c.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			use(t, c)
		})
	}
}

// When the keeper is killed while syncs wait, the member goes with it.
func TestKeeperKilledWhileSyncsWait(t *testing.T) {
	t.Parallel()
	c, conn := startSupervised(t, nil)
	pid := c.Members()[0].PID
	keeper := parentOf(t, pid)
	if _, err := c.SetDisk(0, disk.Conditions{Latency: 9 * time.Second, Delayed: disk.Calls{Syncs: true}}); err != nil {
		t.Fatal(err)
	}
	go func() { _ = put(t, conn) }()
	time.Sleep(100 * time.Millisecond)
	if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the member lives")
		}
	}
}

func parentOf(t *testing.T, pid int) (parent int) {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	var state string
	if _, err := fmt.Sscan(rest, &state, &parent); err != nil {
		t.Fatal(err)
	}
	return parent
}
