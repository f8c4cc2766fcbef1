package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	os.Exit(m.Run())
}

// Input that cannot be carried out is refused before anything is started.
func TestBadInput(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	for want, change := range map[string]func(s *runner.Spec, c *Config){
		"must be in":                       func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 4 * mb} },
		"in ascending order":               func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 8 * mb} },
		"give a larger --quota":            func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 100_000 * mb} },
		"must be 2.0 MB or more":           func(_ *runner.Spec, c *Config) { c.Sizes = []int64{mb} },
		"--val-size needs a workload":      func(s *runner.Spec, _ *Config) { s.Workload = map[string]string{"val-size": "100"} },
		"leave out --disturb":              func(s *runner.Spec, _ *Config) { s.Disturbances = []results.PlanDisturbance{{Kind: "kill"}} },
		"between 128 and":                  func(_ *runner.Spec, c *Config) { c.ObjectSize = new(int64(20)) },
		"--list-clients":                   func(_ *runner.Spec, c *Config) { c.ListClients = new(-1) },
		"leave out --endpoints":            func(s *runner.Spec, _ *Config) { s.Cluster.Endpoints = []string{"127.0.0.1:1"} },
		"leave out --in-process":           func(s *runner.Spec, _ *Config) { s.Cluster.Start.InProcess = true },
		"leave out --duration and --total": func(s *runner.Spec, _ *Config) { s.Load.Duration = new(time.Second) },
		"--rate must be positive":          func(s *runner.Spec, _ *Config) { s.Load.Rate = new(0.0) },
		"is too small: the key takes": func(s *runner.Spec, c *Config) {
			s.Prefix, c.ObjectSize = "/"+strings.Repeat("x", 200), new(int64(200))
		},
	} {
		s, c := runner.Spec{}, Config{}
		change(&s, &c)
		if _, err := New(s, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	e, err := New(runner.Spec{}, Config{Sizes: []int64{8 * mb, 5_000 * mb}})
	if err != nil {
		t.Fatal(err)
	}
	// 3 members of 6.5 GB, and copies for a defragmentation and a snapshot.
	if disk, memory := e.need(1, 0); disk < 29_500*mb || disk > 32_000*mb || memory < 2_400*mb {
		t.Errorf("5 GB need %d bytes of disk and %d of memory", disk, memory)
	}
}

// The content of the objects is that of the population and of the puts beside it.
func TestObjectValues(t *testing.T) {
	t.Parallel()
	e, err := New(runner.Spec{Workload: map[string]string{"values": "objects:pods"}}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	put := e.First().Plan.Mix[0]
	if put.Workload != "put" || put.Params["values"] != "objects:pods" || e.population(0).Values != "objects:pods" {
		t.Errorf("%+v beside a population of %+v", put, e.population(0))
	}
}

// startSite starts a cluster of one member with some objects.
func startSite(t *testing.T, objects int64) *site {
	t.Helper()
	dir := t.TempDir()
	settings := cluster.DefaultSettings()
	settings.Members, settings.UnsafeNoFsync, settings.DataDir, settings.LogDir = 1, true, dir, dir
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSite(c, "/x/objects/")
	t.Cleanup(func() {
		if err := errors.Join(s.stop(), c.Stop()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p := results.PlanPopulation{Prefix: s.prefix, Keys: objects / 2, KeySize: 48, ValSize: "952"}
	for from := int64(0); from < objects; from, p.Keys = p.Keys, objects {
		if err := workloads.Extend(t.Context(), workloads.Target{Conns: s.conns, Seed: 1}, p, from, func(int64, int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// healthy returns when a member says so over HTTP, asked in vain before.
func healthy(ctx context.Context, endpoint string) time.Time {
	client := http.Client{Timeout: 250 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	for down := false; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		r, err := client.Get("http://" + endpoint + "/health")
		if err != nil {
			down = true
			continue
		}
		_ = r.Body.Close()
		if down && r.StatusCode == http.StatusOK {
			return time.Now()
		}
	}
	return time.Time{}
}

// What steps find agrees with what others see: the size of the file with stat and what the
// member says, its memory with /proc.
func TestAgainstIndependentFigures(t *testing.T) {
	t.Parallel()
	const objects = 4000
	s := startSite(t, objects)
	ctx := t.Context()

	checkStorms(t, s, objects)
	var saved results.ScaleEvent
	if err := snapshot(ctx, s, &saved); err != nil || saved.Bytes < objects*1000 {
		t.Errorf("a snapshot of %d bytes: %v", saved.Bytes, err)
	}
	var defragmented results.ScaleEvent
	if err := defragment(ctx, s, &defragmented, 0); err != nil {
		t.Fatal(err)
	}
	st, err := pb.NewMaintenanceClient(s.conns[0]).Status(ctx, &pb.StatusRequest{})
	// The file grows ahead of what the member uses of it, by 16 MiB at most.
	if err != nil || defragmented.FileAfter < st.DbSize || defragmented.FileAfter > st.DbSize+16<<20 {
		t.Errorf("file of %d bytes, the member says %d: %v", defragmented.FileAfter, st.GetDbSize(), err)
	}
	size, err := exec.Command("stat", "-c", "%s", s.DatabaseFile(0)).Output()
	if err != nil || strings.TrimSpace(string(size)) != strconv.FormatInt(defragmented.FileAfter, 10) {
		t.Errorf("file of %d bytes, stat says %s: %v", defragmented.FileAfter, size, err)
	}
	checkMemory(t, s)

	applied := st.RaftIndex
	var cold results.ScaleEvent
	if err := skippable(results.ScaleColdRestart, restartCold).do(ctx, s, &cold); err != nil ||
		(cold.Redundant == 0) != (cold.Skipped != "") {
		t.Errorf("%+v, %v", cold, err)
	}
	// A member that has made no snapshot reads all entries.
	if cold.Skipped == "" && (cold.Replayed < int64(applied)-1 || cold.Replayed > int64(applied)+10) {
		t.Errorf("%d entries read, the member had %d", cold.Replayed, applied)
	}
}

// checkStorms lists all objects in each way. A way that the member does not have is left out.
func checkStorms(t *testing.T, s *site, objects int64) {
	t.Helper()
	for _, how := range listings() {
		var e results.ScaleEvent
		if err := storm(t.Context(), s, &e, how, 2, objects*1000); err != nil || e.Bytes != 2*objects*1000 {
			t.Errorf("%s: two clients read %d bytes, want %d: %v", how.kind, e.Bytes, 2*objects*1000, err)
		}
	}
	older := listing{kind: "older", list: func(context.Context, pb.KVClient, *pb.RangeRequest) (int64, error) {
		return 0, status.Error(codes.Unimplemented, "unknown method RangeStream")
	}}
	var e results.ScaleEvent
	err := skippable(older.kind, func(ctx context.Context, s *site, e *results.ScaleEvent) error {
		return storm(ctx, s, e, older, 2, objects*1000)
	}).do(t.Context(), s, &e)
	if err != nil || !strings.Contains(e.Skipped, "no RangeStream") {
		t.Errorf("a member without RangeStream: %+v, %v", e, err)
	}
}

// attempts are how often a figure is compared with an independent one before it counts as
// another: either may be late when its process stands still.
const attempts = 8

// checkMemory compares the median of a watch with what /proc says beside it.
func checkMemory(t *testing.T, s *site) {
	t.Helper()
	var median, proc int64
	for range attempts {
		memory, stop := watchMemory(t.Context(), s)
		time.Sleep(3 * memoryEvery)
		proc = residentInStatus(t, s.Members()[0].PID)
		stop()
		median, _ = memory.of(s.Members()[0].Name)
		if off := median - proc; max(off, -off) < proc/20 {
			return
		}
	}
	t.Errorf("resident memory %d, /proc says %d", median, proc)
}

// The time until a member serves again is that of an independent watch of its health, within
// 50 ms.
func TestRecoveryTimes(t *testing.T) {
	t.Parallel()
	const most = 50 * time.Millisecond
	s := startSite(t, 1000)
	for _, step := range []step{{results.ScaleRestart, restart}, {results.ScaleKill, kill}, {results.ScaleClusterRestart, restartAll}} {
		var differences []time.Duration
		for range attempts {
			seen := make(chan time.Time, 1)
			watching := make(chan struct{})
			go func() { close(watching); seen <- healthy(t.Context(), s.Members()[0].Endpoint) }()
			<-watching
			var e results.ScaleEvent
			fault := time.Now()
			if err := step.do(t.Context(), s, &e); err != nil {
				t.Fatal(err)
			}
			if e.Redundant < e.Serving || e.Ended > e.Serving || (e.Ended > 0) != (step.kind != results.ScaleKill) {
				t.Errorf("%s: ended after %v, serving after %v, redundant after %v", step.kind, e.Ended, e.Serving, e.Redundant)
			}
			differences = append(differences, e.Serving-(<-seen).Sub(fault))
			if differences[len(differences)-1].Abs() <= most {
				break
			}
		}
		t.Logf("%s: differences %v", step.kind, differences)
		if differences[len(differences)-1].Abs() > most {
			t.Errorf("%s: the times differ by %v", step.kind, differences)
		}
	}
}

// residentInStatus reads VmRSS.
func residentInStatus(t *testing.T, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, _ := io.ReadAll(f)
	var kilobytes int64
	if _, rest, ok := strings.Cut(string(data), "VmRSS:"); ok {
		_, _ = fmt.Sscan(rest, &kilobytes)
	}
	return kilobytes << 10
}

// A member that does not come back ends the steps with a finding, and does not hang them.
func TestMemberDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := startSite(t, 100)
	q := &sequence{site: s, lead: time.Millisecond, most: 300 * time.Millisecond, recovery: 200 * time.Millisecond, tell: func(string) {}, steps: []step{
		{results.ScaleKill, func(ctx context.Context, s *site, e *results.ScaleEvent) error {
			if err := s.Kill(0); err != nil {
				return err
			}
			return measureRecovery(ctx, s, e, time.Now(), 0)
		}},
		{results.ScaleSnapshot, snapshot},
	}}
	_, err := q.do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a member did not come back") || len(q.events) != 1 || q.events[0].Error == "" {
		t.Errorf("%v, %+v", err, q.events)
	}
}
