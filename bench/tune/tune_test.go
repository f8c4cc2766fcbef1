package tune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/results"
)

// Every pair of a grid is one that etcd accepts, and the defaults are there once.
func TestPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtt := time.Duration(rapid.IntRange(0, 10_000).Draw(t, "rtt")) * time.Millisecond
		list := Pairs(rtt, rapid.SampledFrom([]experiment.Effort{experiment.Quick, experiment.Standard, experiment.Thorough}).Draw(t, "effort"))
		defaults := 0
		for i, c := range list {
			if _, err := NewPair(c.Heartbeat, c.Election); err != nil {
				t.Fatal(err)
			}
			if c.Default {
				defaults++
			}
			if slices.ContainsFunc(list[:i], func(o Candidate) bool { return o.Name == c.Name }) {
				t.Fatalf("%s is there twice", c.Name)
			}
		}
		if defaults != 1 || !list[0].Default {
			t.Fatalf("%d defaults among %d pairs", defaults, len(list))
		}
	})
	for name, c := range map[string][2]time.Duration{
		"less than five": {100 * time.Millisecond, 400 * time.Millisecond}, "above 50s": {time.Second, time.Minute}, "whole milliseconds": {time.Microsecond, time.Second},
	} {
		if _, err := NewPair(c[0], c[1]); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestModel(t *testing.T) {
	for _, c := range []struct {
		rtt, fsync time.Duration
		want       string
	}{
		{0, 0, "100ms/1s"}, {40 * time.Millisecond, 8 * time.Millisecond, "100ms/1s"}, {200 * time.Millisecond, 8 * time.Millisecond, "200ms/2s"},
		{time.Millisecond, 500 * time.Millisecond, "100ms/5s"}, {10 * time.Second, 0, "10s/50s"},
	} {
		got, reasons := Model(c.rtt, c.fsync)
		if got.Name != c.want || len(reasons) < 2 {
			t.Errorf("%v and %v: %s because %q, want %s", c.rtt, c.fsync, got.Name, reasons, c.want)
		}
	}
}

// pretend makes runs as a cluster would whose failover takes one and a half election
// timeouts, and which elects without need below a timeout.
func pretend(t *testing.T, least time.Duration, calls *int) func(ctx context.Context, tr Trial) (*results.Run, error) {
	return func(ctx context.Context, tr Trial) (*results.Run, error) {
		*calls++
		if tr.Election < least/2 {
			return nil, Unfit{"no leader could be elected"}
		}
		run, err := newRun(tr, 20e6, tr.Election*3/2)
		if err != nil {
			return nil, err
		}
		if tr.Election < least {
			run.Resilience.Elections = 3
		}
		return run, save(tr, run)
	}
}

func save(tr Trial, run *results.Run) error {
	dir, err := results.Create(tr.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.WriteRun(run), dir.Close())
}

// pretendRun makes and saves a run with that p99 and that failover.
func pretendRun(tr Trial, p99 float64, failover time.Duration) (*results.Run, error) {
	run, err := newRun(tr, p99, failover)
	if err != nil {
		return nil, err
	}
	return run, save(tr, run)
}

func newRun(tr Trial, p99 float64, failover time.Duration) (*results.Run, error) {
	run := &results.Run{
		Schema: results.Schema, ID: filepath.Base(tr.Dir), Outcome: results.Completed, Started: time.Now(),
		Plan:     results.Plan{Workload: "put", Phases: []results.PlanPhase{{Name: results.PhaseSteady, Duration: time.Second}}},
		Phases:   []results.Phase{{Name: results.PhaseSteady, Length: 10 * time.Second}},
		Validity: results.Validity{Verdict: results.Valid}, Operations: []results.Operation{},
		Resilience: &results.Resilience{Steady: 10 * time.Second, Outages: []results.Unavailability{{Fault: results.FaultKillLeader, Length: failover}}},
	}
	h := results.NewHistogram()
	for i := range 2000 {
		_ = h.RecordValue(int64(p99) + int64(i))
	}
	l, err := results.NewLatency(h)
	if err != nil {
		return nil, err
	}
	run.Operations = append(run.Operations, results.Operation{Phase: results.PhaseSteady, Op: "put", Offered: 2000, Completed: 2000, ResponseTime: l, ServiceTime: l, QueueTime: l, Errors: []results.ErrorClass{}})
	return run, nil
}

func TestRecommendation(t *testing.T) {
	dir, calls := t.TempDir(), 0
	o := Options{
		Dir: dir, Dimension: results.DimensionPair, Candidates: Pairs(20*time.Millisecond, experiment.Standard), Rounds: []int{6}, RTT: 20 * time.Millisecond, Failover: true, Seed: 1,
		Run: pretend(t, 300*time.Millisecond, &calls),
	}
	out, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// 200 ms elects without need, 100 ms not at all, 400 ms is the fastest that is left.
	if !strings.HasSuffix(out.Recommended, "/400ms") || out.Compared == nil || out.Compared.Rounds != 6 || !strings.Contains(out.Compared.Text, "failover better (-60 %, ") || out.Confirmation != results.Confirmed {
		t.Errorf("%s because %q; %+v", out.Recommended, out.Reasons, out.Compared)
	}
	if all := fmt.Sprint(out.Reasons); !strings.Contains(all, "3 unplanned elections") {
		t.Errorf("reasons %q", out.Reasons)
	}
	for _, x := range out.Tried {
		if x.Election < 150*time.Millisecond && !strings.Contains(x.Finding, "no leader") {
			t.Errorf("%s: finding %q", x.Name, x.Finding)
		}
	}
	// What is on disk is not made again, findings included.
	made := calls
	again, err := Run(t.Context(), o)
	if err != nil || calls != made || again.Recommended != out.Recommended || again.Compared.Text != out.Compared.Text {
		t.Errorf("%d calls more, %s, %v", calls-made, again.Recommended, err)
	}
}

// Where nothing is better, the defaults are.
func TestDefaultsAreBest(t *testing.T) {
	calls := 0
	out, err := Run(t.Context(), Options{
		Dir: t.TempDir(), Dimension: results.DimensionPair, Candidates: Pairs(20*time.Millisecond, experiment.Standard), Rounds: []int{2}, Failover: true,
		Run: pretend(t, time.Second, &calls),
	})
	if err != nil || out.Recommended != "100ms/1s" || out.Compared != nil || !strings.Contains(out.Reasons[0], "the defaults are best") {
		t.Errorf("%s because %q, %v", out.Recommended, out.Reasons, err)
	}
}

// An error ends a tuning, which keeps what it has; so does an interrupt.
func TestErrorsEndATuning(t *testing.T) {
	calls := 0
	run := pretend(t, 0, &calls)
	o := Options{Dir: t.TempDir(), Dimension: results.DimensionPair, Candidates: Pairs(0, experiment.Standard), Failover: true}
	o.Run = func(ctx context.Context, tr Trial) (*results.Run, error) {
		if calls == 3 {
			return nil, os.ErrClosed
		}
		return run(ctx, tr)
	}
	out, err := Run(t.Context(), o)
	if !errors.Is(err, os.ErrClosed) || len(out.Tried) != 3 {
		t.Errorf("%d tried, %v", len(out.Tried), err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrDeadlineExceeded)
	if _, err := Run(ctx, o); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
