package tune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// Every pair of a grid is one that etcd accepts, and the defaults are there once.
func TestPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtt := time.Duration(rapid.IntRange(0, 10_000).Draw(t, "rtt")) * time.Millisecond
		list := Pairs(rtt, Effort(rapid.IntRange(int(Quick), int(Thorough)).Draw(t, "effort")))
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
		run := &results.Run{
			Schema: results.Schema, ID: filepath.Base(tr.Dir), Outcome: results.Completed, Started: time.Now(),
			Plan:     results.Plan{Workload: "put", Phases: []results.PlanPhase{{Name: results.PhaseSteady, Duration: time.Second}}},
			Phases:   []results.Phase{{Name: results.PhaseSteady, Length: 10 * time.Second}},
			Validity: results.Validity{Verdict: results.Valid}, Operations: []results.Operation{},
			Resilience: &results.Resilience{Steady: 10 * time.Second, Outages: []results.Unavailability{{Fault: results.FaultKillLeader, Length: tr.Election * 3 / 2}}},
		}
		h := results.NewHistogram()
		for i := range 2000 {
			_ = h.RecordValue(int64(20e6 + i))
		}
		l, err := results.NewLatency(h)
		if err != nil {
			return nil, err
		}
		run.Operations = append(run.Operations, results.Operation{Phase: results.PhaseSteady, Op: "put", Offered: 2000, Completed: 2000, ResponseTime: l, ServiceTime: l, QueueTime: l, Errors: []results.ErrorClass{}})
		if tr.Election < least {
			run.Resilience.Elections = 3
		}
		dir, err := results.Create(tr.Dir)
		if err != nil {
			return nil, err
		}
		return run, errors.Join(dir.WriteRun(run), dir.Close())
	}
}

func TestRecommendation(t *testing.T) {
	dir, calls := t.TempDir(), 0
	o := Options{
		Dir: dir, Dimension: results.DimensionPair, Candidates: Pairs(20*time.Millisecond, Standard), Rounds: 2, RTT: 20 * time.Millisecond, Failover: true, Seed: 1,
		Run: pretend(t, 300*time.Millisecond, &calls),
	}
	out, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// 200 ms elects without need, 100 ms not at all, 400 ms is the fastest that is left.
	if !strings.HasSuffix(out.Recommended, "/400ms") || out.Compared == nil || out.Compared.Rounds != 2 || !strings.Contains(out.Compared.Text, "failover better (-60 %)") {
		t.Errorf("%s because %q; %+v", out.Recommended, out.Reasons, out.Compared)
	}
	if all := fmt.Sprint(out.Reasons); !strings.Contains(all, "3 elections that nobody asked for") {
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
		Dir: t.TempDir(), Dimension: results.DimensionPair, Candidates: Pairs(20*time.Millisecond, Standard), Rounds: 2, Failover: true,
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
	o := Options{Dir: t.TempDir(), Dimension: results.DimensionPair, Candidates: Pairs(0, Standard), Failover: true}
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

// cluster of the mind: what befalls its members, in order.
type cluster struct {
	did     []string
	leader  int
	down    int // who does not lead, -1: nobody
	elected time.Time
	slow    time.Duration // what the next election takes longer
	stuck   bool
}

func (c *cluster) note(format string, args ...any) error {
	c.did = append(c.did, fmt.Sprintf(format, args...))
	return nil
}

func (c *cluster) lose(m int) {
	c.down, c.leader, c.elected = m, (m+1)%3, time.Now().Add(400*time.Millisecond+c.slow)
	c.slow = 0
}

func (c *cluster) Leader(_ context.Context, leaveOut int) (int, error) {
	if time.Now().Before(c.elected) {
		return 0, errors.New("nobody leads")
	}
	return c.leader, nil
}
func (c *cluster) Kill(m int) error   { c.lose(m); return c.note("kill %d", m) }
func (c *cluster) Pause(m int) error  { c.lose(m); return c.note("pause %d", m) }
func (c *cluster) Resume(m int) error { return c.note("resume %d", m) }
func (c *cluster) Cut(m int, down bool) error {
	if down {
		c.lose(m)
	}
	return c.note("cut %d %v", m, down)
}
func (c *cluster) Restart(_ context.Context, m int) error {
	if c.stuck {
		return errors.New("not ready in time")
	}
	return c.note("restart %d", m)
}
func (c *cluster) Ready(context.Context) error            { return nil }
func (c *cluster) Move(_ context.Context, from int) error { return c.note("move %d", from) }
func (c *cluster) Avoid(m int)                            { _ = c.note("avoid %d", m) }
func (c *cluster) Clear()                                 { _ = c.note("clear") }

func TestFaultsAreMadeAndUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1}
		f := &Faults{Kinds: []string{results.FaultKillLeader, results.FaultPauseLeader, results.FaultCutLeader, results.FaultMoveLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
		for _, d := range f.Disturbances() {
			begin := time.Now()
			if _, err := d.Do(t.Context()); err != nil {
				t.Errorf("%s: %v", d.Kind, err)
			}
			if took := time.Since(begin); took > Spacing(f.Election) {
				t.Errorf("%s took %v, longer than the time between two", d.Kind, took)
			}
		}
		want := "avoid 0,kill 0,restart 0,clear,avoid 1,pause 1,resume 1,clear,avoid 2,cut 2 true,cut 2 false,clear,move 0"
		if got := strings.Join(c.did, ","); got != want {
			t.Errorf("did %s, want %s", got, want)
		}
	})
}

// A fault waits for the one before it, however long its election takes, and all are
// made before the load ends.
func TestFaultsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1, slow: 3 * time.Second}
		f := &Faults{Kinds: []string{results.FaultCutLeader, results.FaultPauseLeader, results.FaultKillLeader}, Members: c, Steer: c, Count: 3, Election: time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), f.Length())
		defer cancel()
		var wg sync.WaitGroup
		for _, d := range f.Disturbances() {
			wg.Go(func() {
				sleep(ctx, d.At)
				if err := d.Turn(ctx); err != nil {
					t.Errorf("%s: %v", d.Kind, err)
				} else if _, err := d.Do(ctx); err != nil {
					t.Errorf("%s: %v", d.Kind, err)
				}
			})
		}
		wg.Wait()
		want := "avoid 0,cut 0 true,cut 0 false,clear,avoid 1,pause 1,resume 1,clear,avoid 2,kill 2,restart 2,clear"
		if got := strings.Join(c.did, ","); got != want {
			t.Errorf("did %s, want %s", got, want)
		}
		if ctx.Err() != nil {
			t.Error("the load was over before the faults")
		}
	})
}

// A member that does not come back is told, and no other fault is made.
func TestMemberDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1, stuck: true}
		f := &Faults{Kinds: []string{results.FaultKillLeader, results.FaultKillLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
		list := f.Disturbances()
		if _, err := list[0].Do(t.Context()); err == nil || !strings.Contains(err.Error(), "m1 did not come back") {
			t.Errorf("error %v", err)
		}
		if _, err := list[1].Do(t.Context()); err == nil || !strings.Contains(err.Error(), "not made") {
			t.Errorf("error %v", err)
		}
	})
}

// What an interrupt meets half done is undone.
func TestInterruptUndoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1}
		f := &Faults{Kinds: []string{results.FaultPauseLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _ = f.Disturbances()[0].Do(ctx)
		if got := strings.Join(c.did, ","); got != "avoid 0,pause 0,resume 0,clear" {
			t.Errorf("did %s", got)
		}
	})
}
