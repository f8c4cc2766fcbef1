package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

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
		"must rise":                        func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 4 * mb} },
		"must rise from one":               func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 8 * mb} },
		"give a larger --quota":            func(_ *runner.Spec, c *Config) { c.Sizes = []int64{8 * mb, 100_000 * mb} },
		"must be 2.0 MB or more":           func(_ *runner.Spec, c *Config) { c.Sizes = []int64{mb} },
		"between 128 and":                  func(_ *runner.Spec, c *Config) { c.ObjectSize = new(int64(20)) },
		"--list-clients":                   func(_ *runner.Spec, c *Config) { c.ListClients = new(-1) },
		"leave out --endpoints":            func(s *runner.Spec, _ *Config) { s.Cluster.Endpoints = []string{"127.0.0.1:1"} },
		"leave out --in-process":           func(s *runner.Spec, _ *Config) { s.Cluster.Start.InProcess = true },
		"leave out --duration and --total": func(s *runner.Spec, _ *Config) { s.Load.Duration = new(time.Second) },
		"--rate must be positive":          func(s *runner.Spec, _ *Config) { s.Load.Rate = new(0.0) },
		"leaves no room for a value": func(s *runner.Spec, c *Config) {
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
		if err := s.stop(); err != nil {
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

// What steps find agrees with what others see: the size of the file with what the member
// says, its memory with /proc, the time of a recovery with a watch of its health.
func TestAgainstIndependentFigures(t *testing.T) {
	t.Parallel()
	const objects = 4000
	s := startSite(t, objects)
	ctx := t.Context()
	member := s.Members()[0]

	var listed results.ScaleEvent
	if err := storm(ctx, s, &listed, 2, objects*1000, 500); err != nil || listed.Bytes != 2*objects*1000 {
		t.Errorf("two clients read %d bytes, want %d: %v", listed.Bytes, 2*objects*1000, err)
	}
	var saved results.ScaleEvent
	if err := snapshot(ctx, s, &saved); err != nil || saved.Bytes < objects*1000 {
		t.Errorf("a snapshot of %d bytes: %v", saved.Bytes, err)
	}
	var defragmented results.ScaleEvent
	if err := defragment(ctx, s, &defragmented, 0); err != nil {
		t.Fatal(err)
	}
	status, err := pb.NewMaintenanceClient(s.conns[0]).Status(ctx, &pb.StatusRequest{})
	// The file grows ahead of what the member uses of it, by 16 MiB at most.
	if err != nil || defragmented.FileAfter < status.DbSize || defragmented.FileAfter > status.DbSize+16<<20 {
		t.Errorf("file of %d bytes, the member says %d: %v", defragmented.FileAfter, status.GetDbSize(), err)
	}

	memory, stop := watchMemory(ctx, s)
	time.Sleep(3 * memoryEvery)
	stop()
	median, _ := memory.of(member.Name)
	if proc := residentInStatus(t, member.PID); median < proc/2 || median > 2*proc {
		t.Errorf("resident memory %d, /proc says %d", median, proc)
	}

	applied := status.RaftIndex
	var cold results.ScaleEvent
	if err := skippable(results.ScaleColdRestart, restartCold).do(ctx, s, &cold); err != nil ||
		(cold.Redundant == 0) != (cold.Skipped != "") {
		t.Errorf("%+v, %v", cold, err)
	}
	// A member that has made no snapshot reads all entries.
	if cold.Skipped == "" && (cold.Replayed < int64(applied)-1 || cold.Replayed > int64(applied)+10) {
		t.Errorf("%d entries read, the member had %d", cold.Replayed, applied)
	}
	begin, seen := time.Now(), make(chan time.Time, 1)
	go func() { seen <- healthy(ctx, member.Endpoint) }()
	time.Sleep(20 * time.Millisecond)
	fault := time.Now()
	var killed results.ScaleEvent
	if err := kill(ctx, s, &killed); err != nil {
		t.Fatal(err)
	}
	independent := (<-seen).Sub(fault)
	difference := killed.Serving - independent
	t.Logf("serving after %v, healthy after %v, of %v", killed.Serving, independent, time.Since(begin))
	if difference.Abs() > 500*time.Millisecond { // of which a frozen process may take 300
		t.Errorf("serving after %v, healthy after %v", killed.Serving, independent)
	}
	if killed.Redundant < killed.Serving {
		t.Errorf("redundant after %v, serving after %v", killed.Redundant, killed.Serving)
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
	q := &sequence{site: s, lead: time.Millisecond, most: 300 * time.Millisecond, back: 200 * time.Millisecond, tell: func(string) {}, steps: []step{
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
