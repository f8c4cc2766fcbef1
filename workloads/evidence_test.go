package workloads_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// intervals keeps what the members said in each interval.
type intervals struct{ members [][]results.Reading }

func (*intervals) Start(*results.Run) error { return nil }
func (o *intervals) Interval(i *results.Interval) error {
	o.members = append(o.members, i.Members)
	return nil
}
func (*intervals) Finish(*results.Run) error { return nil }

// The members' own counters grow by what we say we did, to the operation; every
// interval has its readings, and every operation its cost.
func TestServerCountsAgree(t *testing.T) {
	c := workloadstest.StartCluster(t, 3)
	w := newWorkload(t, "put", workloads.Target{Conns: workloadstest.Dial(t, 6, cluster.Endpoints(c)...), Prefix: "/evidence/", Seed: 1}, nil)
	seen := &intervals{}
	p := workloadstest.Plan(8, bench.PlanPhase{Duration: 3 * time.Second, Load: bench.Load{Rate: 500}})
	p.Phases = append([]bench.PlanPhase{{Name: "warmup", Duration: time.Second, Warmup: true, Load: bench.Load{Rate: 500}}}, p.Phases...)
	run, err := bench.Run(t.Context(), p, w, bench.Options{Sampler: cluster.NewSampler(c), Observers: []bench.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	var completed, measured uint64
	for _, o := range run.Operations {
		completed += o.Completed
		if o.Phase == "measure" {
			measured = o.Acknowledged()
		}
	}
	most := 0.0
	for _, m := range run.Server.Members {
		// A follower may be a few entries behind when the last put is answered.
		most = max(most, m.Growth["puts"])
		if m.Growth["puts"] < float64(completed)-50 || m.Missed > 0 || m.Readings < 5 || m.Last["db_size"] == 0 {
			t.Errorf("%s: %v puts of %d, %d readings, %d missed, database of %v bytes", m.Member, m.Growth["puts"], completed, m.Readings, m.Missed, m.Last["db_size"])
		}
		if h := m.Times[results.HistogramCommit]; h.Count == 0 || h.P99[1] != 0 && h.P99[1] <= h.P99[0] {
			t.Errorf("%s: commit times %+v", m.Member, h)
		}
	}
	if most != float64(completed) {
		t.Errorf("the members counted %v puts, we %d", most, completed)
	}
	// The first interval has nobody's answer yet, the last, the drain, is over at once.
	for i, members := range seen.members[1 : len(seen.members)-1] {
		if len(members) != 3 {
			t.Errorf("interval %d has %d readings", i+1, len(members))
		}
	}
	costs := map[string]results.Cost{}
	for _, c := range run.Server.Cost {
		costs[c.Phase+" "+c.Member] = c
	}
	total, ok := costs["measure "]
	// What a slow machine answers after the phase, or not at all, is not the phase's; what it
	// has left of the warm-up is.
	if !ok || len(costs) != 4 || measured == 0 || total.Operations != measured {
		t.Fatalf("costs of %d puts: %+v", measured, run.Server.Cost)
	}
	for _, f := range results.CostFigures() {
		sum := costs["measure m1"].Figures[f.Name] + costs["measure m2"].Figures[f.Name] + costs["measure m3"].Figures[f.Name]
		if got, ok := total.Figures[f.Name]; !ok || got < 0.999*sum || got > 1.001*sum {
			t.Errorf("%s: %v for all, %v added up (known: %v)", f.Name, got, sum, ok)
		}
	}
	// Each put is written to three logs, its 256 bytes of value in each; without
	// fsync, a member may hold back 128 KiB of what the counter will show.
	if wal := total.Figures["wal_bytes"]; wal < 3*(304-(128<<10)/float64(total.Operations)) || wal > 3*3000 {
		t.Errorf("%v bytes of log for a put", wal)
	}
	if total.Figures["allocs"] < 10 || total.Figures["cpu"] <= 0 {
		t.Errorf("figures %v", total.Figures)
	}
}

// A member that stops answering leaves gaps, not a failed run, and no cost is
// told for the whole of which a part is missing.
func TestServerGap(t *testing.T) {
	c := workloadstest.StartCluster(t, 3)
	w := newWorkload(t, "put", workloads.Target{Conns: workloadstest.Dial(t, 1, cluster.Endpoints(c)[:1]...), Prefix: "/gap/", Seed: 1}, nil)
	time.AfterFunc(1500*time.Millisecond, func() {
		if proc, err := os.FindProcess(c.Members()[2].PID); err == nil {
			_ = proc.Kill()
		}
	})
	run, err := bench.Run(t.Context(), workloadstest.Plan(2, bench.PlanPhase{Duration: 4 * time.Second}), w, bench.Options{Sampler: cluster.NewSampler(c)})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range run.Server.Members {
		if dead := i == 2; dead != (m.Missed > 0) || dead != (m.Growth == nil) {
			t.Errorf("%s: missed %d of %d, growth %v", m.Member, m.Missed, m.Readings, m.Growth)
		}
	}
	for _, c := range run.Server.Cost {
		if c.Member == "" || c.Member == "m3" {
			t.Errorf("a cost without all of its parts: %+v", c)
		}
	}
}

// Where nobody serves metrics, the run says so.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	w := newWorkload(t, "put", workloads.Target{Conns: workloadstest.Dial(t, 1, cluster.Endpoints(c)...), Prefix: "/dark/", Seed: 1}, nil)
	run, err := bench.Run(t.Context(), workloadstest.Plan(2, bench.PlanPhase{Total: 10}), w, bench.Options{Sampler: cluster.NewSampler(c, "127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Warnings) != 1 || run.Warnings[0].Code != "no-metrics" || !strings.Contains(run.Warnings[0].Message, "--metrics-endpoints") {
		t.Errorf("warnings %v", run.Warnings)
	}
}

// kept keeps the intervals in memory.
type kept struct{ list []*results.Interval }

func (*kept) Start(*results.Run) error             { return nil }
func (o *kept) Interval(i *results.Interval) error { o.list = append(o.list, i); return nil }
func (*kept) Finish(*results.Run) error            { return nil }
func (o *kept) each(fn func(*results.Interval) error) error {
	for _, i := range o.list {
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}

var causes = flag.Bool("causes", false, "let TestCausesMadeOnPurpose run, for most of a minute")

// Causes that are made on purpose are named first. (That a quiet run names none is
// tested without a cluster: on a shared machine, none is quiet for sure.)
func TestCausesMadeOnPurpose(t *testing.T) {
	if !*causes {
		t.Skip("needs a machine without other work, for most of a minute: -causes")
	}
	t.Run("other writers on the disk", func(t *testing.T) {
		// The database's commits wait for the same disk, and now and then for longer.
		c := workloadstest.StartClusterWith(t, 1, func(s *cluster.Settings) {
			s.BackendBatchInterval, s.BackendBatchLimit = time.Minute, 1_000_000
		})
		wantCause(t, c, 20*time.Millisecond, "fsync", "m1", doNothing, func() error { return disturbDisk(t.TempDir(), 2*time.Second) })
	})
	t.Run("maintenance", func(t *testing.T) {
		// With etcd's own 1,000 revisions to a batch, a compaction is hardly noticed: p99
		// 8 ms instead of 2 ms, too little to tell apart on a machine that others use. In one
		// batch, it holds the database for longer than such a machine stops by itself.
		one := workloadstest.StartClusterWith(t, 1, func(s *cluster.Settings) {
			s.UnsafeNoFsync = true
			s.EtcdFlags = []string{"compaction-batch-limit=1000000"}
		})
		conn := workloadstest.Dial(t, 1, cluster.Endpoints(one)...)[0]
		t.Run("a compaction of half a million revisions", func(t *testing.T) {
			prepare := func() { fill(t, one, 500_000) }
			wantCause(t, one, 20*time.Millisecond, "compaction", "m1", prepare, func() error {
				r, err := pb.NewKVClient(conn).Range(t.Context(), &pb.RangeRequest{Key: []byte("/causes/")})
				if err == nil {
					_, err = pb.NewKVClient(conn).Compact(t.Context(), &pb.CompactionRequest{Revision: r.Header.Revision})
				}
				return err
			})
		})
		t.Run("a defragmentation", func(t *testing.T) {
			wantCause(t, one, 20*time.Millisecond, "defragmentation", "m1", doNothing, func() error {
				_, err := pb.NewMaintenanceClient(conn).Defragment(t.Context(), &pb.DefragmentRequest{})
				return err
			})
		})
	})
}

// TestStoppedMembersAreNamed has causes of two seconds, longer than anything that the machine does by
// itself, so that other tests may run beside it.
func TestStoppedMembersAreNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for some 25 seconds")
	}
	t.Parallel()
	three := workloadstest.StartCluster(t, 3)
	for name, leads := range map[string]bool{"a follower stands still": false, "the leader stands still": true} {
		t.Run(name, func(t *testing.T) {
			member := memberThat(t, three, newCausesTarget(t, three), leads)
			wantCause(t, three, time.Second, "silence", member.Name, doNothing, func() error { return standStill(member, 2*time.Second) })
		})
	}
}

func newCausesTarget(t *testing.T, c *cluster.Processes) workloads.Target {
	return workloads.Target{Conns: workloadstest.Dial(t, 6, cluster.Endpoints(c)...), Members: workloadstest.Dial(t, len(c.Members()), cluster.Endpoints(c)...), Prefix: "/causes/", Seed: 1}
}

// causeAt is when a cause is made, from the run's start, which takes causeRun.
const (
	causeAt  = 4 * time.Second
	causeRun = 10 * time.Second
)

// slowStretches puts a steady load on a cluster, does something to it in the midst,
// and returns the slow stretches that end after that.
func slowStretches(t *testing.T, c *cluster.Processes, do func() error) ([]results.Slow, error) {
	t.Helper()
	done := make(chan error, 1)
	time.AfterFunc(causeAt, func() { done <- do() })
	intervals := &kept{}
	run, err := bench.Run(t.Context(), workloadstest.Plan(60, bench.PlanPhase{Duration: causeRun, Load: bench.Load{Rate: 300}}),
		newWorkload(t, "put", newCausesTarget(t, c), nil), bench.Options{Sampler: cluster.NewSampler(c), Observers: []bench.Observer{intervals}})
	if err = errors.Join(err, <-done); err != nil {
		return nil, err
	}
	slow, err := judge.Attribute(run, intervals.each)
	return slices.DeleteFunc(slow, func(s results.Slow) bool { return s.Start+s.Length < causeAt }), err
}

func doNothing() {}

// wantCause prepares a cluster, does something to it under load, and sees that one of the stretches, as
// slow as it must be at least, has a cause, and no other cause of a member before it. A
// busy machine may slow down the generator at the same time, or make another stretch slower.
func wantCause(t *testing.T, c *cluster.Processes, least time.Duration, name, member string, prepare func(), do func() error) {
	t.Helper()
	workloadstest.Repeat(t, func() error {
		prepare()
		slow, err := slowStretches(t, c, do)
		if err != nil {
			return err
		}
		for _, s := range slow {
			ofMembers := slices.DeleteFunc(slices.Clone(s.Causes), func(c results.Cause) bool { return c.Member == "" })
			if s.P99 >= int64(least) && len(ofMembers) > 0 && ofMembers[0].Name == name && ofMembers[0].Member == member {
				return nil
			}
		}
		return fmt.Errorf("no stretch with %s of %s as the first cause of members among those slow by %v: %+v", name, member, least, slow)
	})
}

func standStill(m cluster.Member, d time.Duration) error {
	proc, err := os.FindProcess(m.PID)
	if err != nil {
		return err
	}
	err = proc.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	return errors.Join(err, proc.Signal(syscall.SIGCONT))
}

// disturbDisk writes beside the members' data, and syncs, from so many files at once
// that the disk is short of time, however busy the CPUs are.
func disturbDisk(dir string, d time.Duration) error {
	end := time.Now().Add(d)
	block := make([]byte, 8<<20)
	var group errgroup.Group
	for n := range 16 {
		group.Go(func() error {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
			if err != nil {
				return err
			}
			defer f.Close()
			for time.Now().Before(end) {
				if _, err := f.WriteAt(block, 0); err != nil {
					return err
				}
				_ = f.Sync()
			}
			return nil
		})
	}
	return group.Wait()
}

// fill writes so many revisions, a hundred in a transaction, where each counts for one
// with a number below that of the transaction.
func fill(t *testing.T, c *cluster.Processes, revisions uint64) {
	t.Helper()
	const perTxn = 100
	w := newWorkload(t, "txn-put", workloads.Target{Conns: workloadstest.Dial(t, 8, cluster.Endpoints(c)...), Prefix: "/history/", Seed: 1}, map[string]string{"txn-ops": fmt.Sprint(perTxn)})
	run, err := bench.Run(t.Context(), workloadstest.Plan(64, bench.PlanPhase{Total: revisions / perTxn}), w, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d revisions in %v", perTxn*run.Operations[0].Completed, run.Phases[1].Length)
}

// memberThat returns the leader, or a follower.
func memberThat(t *testing.T, c *cluster.Processes, target workloads.Target, leads bool) cluster.Member {
	t.Helper()
	info, err := cluster.Inspect(t.Context(), c, target.Members)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range info.Members {
		if m.Leader == leads {
			return c.Members()[i]
		}
	}
	t.Fatal("no such member")
	return cluster.Member{}
}
