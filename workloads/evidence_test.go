package workloads_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
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
	c := startCluster(t, 3)
	w := newWorkload(t, "put", workloads.Target{Conns: dial(t, 6, cluster.Endpoints(c)...), Prefix: "/evidence/", Seed: 1}, nil)
	seen := &intervals{}
	p := plan(8, bench.PlanPhase{Duration: 3 * time.Second, Load: bench.Load{Rate: 500}})
	p.Phases = append([]bench.PlanPhase{{Name: "warmup", Duration: time.Second, Warmup: true, Load: bench.Load{Rate: 500}}}, p.Phases...)
	run, err := bench.Run(t.Context(), p, w, bench.Options{Sampler: cluster.NewSampler(c), Observers: []bench.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	var completed uint64
	for _, o := range run.Operations {
		completed += o.Completed
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
	if !ok || len(costs) != 4 || total.Operations < 1450 || total.Operations > 1500 {
		t.Fatalf("costs %+v", run.Server.Cost)
	}
	for _, f := range results.CostFigures() {
		sum := costs["measure m1"].Figures[f.Name] + costs["measure m2"].Figures[f.Name] + costs["measure m3"].Figures[f.Name]
		if got, ok := total.Figures[f.Name]; !ok || got < 0.999*sum || got > 1.001*sum {
			t.Errorf("%s: %v for all, %v added up (known: %v)", f.Name, got, sum, ok)
		}
	}
	// Each put is written to three logs, its 256 bytes of value in each; without
	// fsync, a member may hold back 128 KiB of what the counter will show.
	if wal := total.Figures["wal_bytes"]; wal < 3*(304-(128<<10)/1500) || wal > 3*3000 {
		t.Errorf("%v bytes of log for a put", wal)
	}
	if total.Figures["allocs"] < 10 || total.Figures["cpu"] <= 0 {
		t.Errorf("figures %v", total.Figures)
	}
}

// A member that stops answering leaves gaps, not a failed run, and no cost is
// told for the whole of which a part is missing.
func TestServerGap(t *testing.T) {
	c := startCluster(t, 3)
	w := newWorkload(t, "put", workloads.Target{Conns: dial(t, 1, cluster.Endpoints(c)[:1]...), Prefix: "/gap/", Seed: 1}, nil)
	time.AfterFunc(1500*time.Millisecond, func() {
		if proc, err := os.FindProcess(c.Members()[2].PID); err == nil {
			_ = proc.Kill()
		}
	})
	run, err := bench.Run(t.Context(), plan(2, bench.PlanPhase{Duration: 4 * time.Second}), w, bench.Options{Sampler: cluster.NewSampler(c)})
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
	c := startCluster(t, 1)
	w := newWorkload(t, "put", workloads.Target{Conns: dial(t, 1, cluster.Endpoints(c)...), Prefix: "/dark/", Seed: 1}, nil)
	run, err := bench.Run(t.Context(), plan(2, bench.PlanPhase{Total: 10}), w, bench.Options{Sampler: cluster.NewSampler(c, "127.0.0.1:1")})
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

// Causes that are made on purpose are named first. (That a quiet run names none is
// tested without a cluster: on a shared machine, none is quiet for sure.)
func TestCausesMadeOnPurpose(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for 25 seconds")
	}
	c := startCluster(t, 3)
	target := workloads.Target{Conns: dial(t, 6, cluster.Endpoints(c)...), Members: dial(t, 3, cluster.Endpoints(c)...), Prefix: "/causes/", Seed: 1}
	standStill := func(m cluster.Member) {
		proc, err := os.FindProcess(m.PID)
		if err != nil {
			t.Error(err)
			return
		}
		_ = proc.Signal(syscall.SIGSTOP)
		time.AfterFunc(2*time.Second, func() { _ = proc.Signal(syscall.SIGCONT) })
	}
	for _, cause := range []struct {
		name   string
		leader bool
		do     func(m cluster.Member)
		want   string
	}{
		{"a follower stands still", false, standStill, "silence"},
		{"the leader stands still", true, standStill, "silence"},
	} {
		t.Run(cause.name, func(t *testing.T) {
			member := memberThat(t, c, target, cause.leader)
			time.AfterFunc(5*time.Second, func() { cause.do(member) })
			w := newWorkload(t, "put", target, nil)
			intervals := &kept{}
			p := plan(60, bench.PlanPhase{Duration: 10 * time.Second, Load: bench.Load{Rate: 300}})
			run, err := bench.Run(t.Context(), p, w, bench.Options{Sampler: cluster.NewSampler(c), Observers: []bench.Observer{intervals}})
			if err != nil {
				t.Fatal(err)
			}
			slow, err := results.Attribute(run, intervals.each)
			if err != nil {
				t.Fatal(err)
			}
			// Two seconds are longer than anything that the machine does by itself.
			var worst results.Slow
			for _, s := range slow {
				if s.P99 > worst.P99 {
					worst = s
				}
			}
			if worst.Start+worst.Length < 5*time.Second || worst.P99 < int64(time.Second) {
				t.Fatalf("no slow stretch where %s stood still: %+v", member.Name, slow)
			}
			if len(worst.Causes) == 0 || worst.Causes[0].Name != cause.want || worst.Causes[0].Member != member.Name {
				t.Errorf("slow from %v for %v because of %+v, want %s of %s first", worst.Start, worst.Length, worst.Causes, cause.want, member.Name)
			}
		})
	}
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
