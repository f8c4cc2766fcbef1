package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/results"
)

// cluster notes what is done to its members, in order.
type cluster struct {
	mu      sync.Mutex // of what follows, up to the election timeout
	did     []string
	leader  int
	down    int // who does not lead, -1: nobody
	elected time.Time
	slow    time.Duration // what the next election takes longer
	stuck   bool
	ended   atomic.Bool

	election time.Duration
}

func (c *cluster) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did = append(c.did, fmt.Sprintf(format, args...))
	return nil
}

func (c *cluster) lose(m int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down, c.leader, c.elected = m, (m+1)%3, time.Now().Add(400*time.Millisecond+c.slow)
	c.slow = 0
}

func (c *cluster) Leader(_ context.Context, leaveOut int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.elected) {
		return 0, errors.New("nobody leads")
	}
	return c.leader, nil
}
func (c *cluster) Kill(m int) error {
	c.lose(m)
	c.ended.Store(true)
	return c.note("kill %d", m)
}
func (c *cluster) Pause(m int) error  { c.lose(m); return c.note("pause %d", m) }
func (c *cluster) Resume(m int) error { return c.note("resume %d", m) }
func (c *cluster) SetLink(m, peer int, ways link.Ways, _ link.Conditions) (func(), error) {
	c.lose(m)
	_ = c.note("cut %d from %d in %v out %v", m, peer, ways.In, ways.Out)
	return func() { _ = c.note("join %d", m) }, nil
}
func (c *cluster) SetDisk(m int, conditions disk.Conditions) (disk.Effect, error) {
	if conditions.Failed.Any() {
		c.ended.Store(true)
	}
	_ = c.note("disk %d %v", m, conditions != disk.Conditions{})
	return disk.Effect{Delayed: 1200, Delay: 60 * time.Second}, nil
}
func (c *cluster) Start(m int) error {
	if c.stuck {
		return errors.New("not ready in time")
	}
	c.ended.Store(false)
	return c.note("start %d", m)
}
func (c *cluster) Terminate(m int) error {
	c.lose(m)
	c.ended.Store(true)
	return c.note("stop %d", m)
}
func (c *cluster) Running(int) bool            { return !c.ended.Load() }
func (c *cluster) Ready(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }
func (c *cluster) Names() []string             { return []string{"m1", "m2", "m3"} }
func (c *cluster) Election() time.Duration     { return c.election }
func (c *cluster) Avoid(m int)                 { _ = c.note("avoid %d", m) }
func (c *cluster) Clear()                      { _ = c.note("clear") }

// bind finds the kind and sets its parameters; a move of the leader is no fault of a member.
func (c *cluster) bind(d results.PlanDisturbance) (func(context.Context) (string, error), error) {
	if d.Kind == "move-leader" {
		return func(context.Context) (string, error) { return "", c.note("move %d", c.leader) }, nil
	}
	for _, k := range Kinds() {
		if k.Name == d.Kind {
			def := k.Define()
			fs := pflag.NewFlagSet(k.Name, pflag.ContinueOnError)
			def.AddFlags(fs)
			for name, value := range d.Params {
				if err := fs.Set(name, value); err != nil {
					return nil, err
				}
			}
			return def.New(c), def.Validate()
		}
	}
	return nil, errors.New("unknown kind " + d.Kind)
}

func (c *cluster) schedule(t *testing.T, kinds ...string) (*Schedule, []bench.Disturbance) {
	t.Helper()
	f := &Schedule{Kinds: kinds, Election: c.election, Bind: c.bind}
	list, err := f.Disturbances()
	if err != nil {
		t.Fatal(err)
	}
	return f, list
}

func TestFaultsAreMadeAndUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1}
		c.election = 300 * time.Millisecond
		f, list := c.schedule(t, results.FaultKillLeader, results.FaultPauseLeader, results.FaultCutLeader, results.FaultMoveLeader)
		for _, d := range list {
			begin := time.Now()
			if _, err := d.Do(t.Context()); err != nil {
				t.Errorf("%s: %v", d.Kind, err)
			}
			if took := time.Since(begin); took > Spacing(f.Election) {
				t.Errorf("%s took %v, longer than the time between two", d.Kind, took)
			}
		}
		want := "avoid 0,kill 0,start 0,clear,avoid 1,pause 1,resume 1,clear,avoid 2,cut 2 from -1 in true out true,join 2,clear,move 0"
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
		c.election = time.Second
		f, list := c.schedule(t, results.FaultCutLeader, results.FaultPauseLeader, results.FaultKillLeader)
		ctx, cancel := context.WithTimeout(t.Context(), f.Length())
		defer cancel()
		var wg sync.WaitGroup
		for _, d := range list {
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
		want := "avoid 0,cut 0 from -1 in true out true,join 0,clear,avoid 1,pause 1,resume 1,clear,avoid 2,kill 2,start 2,clear"
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
		c.election = 300 * time.Millisecond
		_, list := c.schedule(t, results.FaultKillLeader, results.FaultKillLeader)
		if _, err := list[0].Do(t.Context()); err == nil || !strings.Contains(err.Error(), "m1 did not recover") {
			t.Errorf("error %v", err)
		}
		if _, err := list[1].Do(t.Context()); err == nil || !strings.Contains(err.Error(), "skipped: ") {
			t.Errorf("error %v", err)
		}
	})
}

// Faults of one member at the same time do not start it for each other: a slow disk does not
// start a member that is down, and a member that another fault has started is not started
// again.
func TestFaultsOfOneMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1}
		do := func(kind, name, length string) (func(context.Context) (string, error), error) {
			return c.bind(results.PlanDisturbance{Kind: kind, Params: map[string]string{"member": "m2", name: length}})
		}
		var wg sync.WaitGroup
		for _, f := range [][3]string{{"kill", "down", "6s"}, {"slow-disk", "for", "3s"}, {"stop", "down", "9s"}} {
			wg.Go(func() {
				fault, err := do(f[0], f[1], f[2])
				if err == nil {
					_, err = fault(t.Context())
				}
				if err != nil {
					t.Errorf("%s: %v", f[0], err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		did := strings.Join(slices.DeleteFunc(c.did, func(s string) bool { return s == "clear" || s == "avoid 1" }), ",")
		if want := "kill 1,disk 1 true,stop 1,disk 1 false,start 1"; did != want {
			t.Errorf("did %s, want %s", did, want)
		}
	})
}

// Times of details have three significant digits.
func TestRounded(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Nanosecond: "1µs", 48_712 * time.Microsecond: "48.7ms", 779_500 * time.Microsecond: "780ms",
		1983 * time.Millisecond: "1.98s", 10_149 * time.Millisecond: "10.1s", 10 * time.Second: "10s", 75_040 * time.Millisecond: "1m15s",
	} {
		if got := rounded(d); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}

// What an interrupt meets half done is undone.
func TestInterruptUndoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{down: -1}
		c.election = 300 * time.Millisecond
		_, list := c.schedule(t, results.FaultPauseLeader)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _ = list[0].Do(ctx)
		if got := strings.Join(c.did, ","); got != "avoid 0,pause 0,resume 0,clear" {
			t.Errorf("did %s", got)
		}
	})
}

// Each kind is made of the members that are meant, for as long as it should, and says
// which and what its effect was.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		kind   string
		params map[string]string
		did    string
		detail string
		lasts  time.Duration
	}{
		{"kill", map[string]string{"member": "leader", "down": "3s"}, "kill 0,start 0", "m1: for 3s, all ready 100ms later", 3 * time.Second},
		{"kill", map[string]string{"member": "m3"}, "kill 2,start 2", "m3: for 5s", 5 * time.Second},
		{"stop", map[string]string{"member": "2", "down": "1s"}, "stop 1,start 1", "m2: for 1s", time.Second},
		{"pause", map[string]string{"member": "all", "for": "2s"}, "pause 0,pause 1,pause 2,resume 0,resume 1,resume 2",
			"all members: for 2s", 2 * time.Second},
		{"cut", map[string]string{"peer": "m3", "way": "out"}, "cut 1 from 2 in false out true,join 1", "m2: for 10s", 10 * time.Second},
		{"slow-link", map[string]string{"rtt": "50ms", "bandwidth": "1MB"}, "cut 1 from -1 in true out true,join 1", "m2: for 10s", 10 * time.Second},
		{"slow-disk", map[string]string{"latency": "50ms"}, "disk 1 true,disk 1 false",
			"m2: for 10s, 1,200 calls delayed by 50ms on average, all ready 100ms later", 10 * time.Second},
		{"disk-error", map[string]string{"for": "1s"}, "disk 1 true,disk 1 false,start 1", "m2: for 1s, etcd ended and was restarted", time.Second},
		{"disk-full", nil, "disk 1 true,disk 1 false,start 1", "m2: for 5s, etcd ended", 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &cluster{election: time.Second}
			do, err := m.bind(results.PlanDisturbance{Kind: c.kind, Params: c.params})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			detail, err := do(t.Context())
			if err != nil || !strings.HasPrefix(detail, c.detail) {
				t.Errorf("%s %v: %q, %v, want %q", c.kind, c.params, detail, err, c.detail)
			}
			if took := time.Since(begin).Truncate(time.Second); took != c.lasts {
				t.Errorf("%s %v took %v", c.kind, c.params, took)
			}
			m.did = slices.DeleteFunc(m.did, func(did string) bool { return did == "clear" || strings.HasPrefix(did, "avoid") })
			if did := strings.Join(m.did, ","); did != c.did {
				t.Errorf("%s %v did %s, want %s", c.kind, c.params, did, c.did)
			}
		})
	}
}

// What a kind needs follows from its parameters.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind string
		set  [2]string
		want Needs
	}{
		{"kill", [2]string{"member", "leader"}, Needs{Members: 1}},
		{"kill", [2]string{"member", "m4"}, Needs{Members: 4}},
		{"pause", [2]string{"member", "follower"}, Needs{Members: 2}},
		{"cut", [2]string{"member", "leader"}, Needs{Members: 2, Links: true}},
		{"slow-disk", [2]string{"member", "leader"}, Needs{Members: 1, Disk: disk.Calls{Syncs: true}}},
		{"slow-disk", [2]string{"writes", "true"}, Needs{Members: 2, Disk: disk.Calls{Syncs: true, Writes: true}}},
		{"disk-full", [2]string{"member", "all"}, Needs{Members: 1, Disk: disk.Calls{Writes: true, Appends: true}}},
		{"disk-full", [2]string{"appends", "false"}, Needs{Members: 2, Disk: disk.Calls{Writes: true}}},
	} {
		for _, k := range Kinds() {
			if k.Name != c.kind {
				continue
			}
			def := k.Define()
			fs := pflag.NewFlagSet(k.Name, pflag.ContinueOnError)
			def.AddFlags(fs)
			if err := errors.Join(fs.Set(c.set[0], c.set[1]), def.Validate()); err != nil || def.Needs() != c.want {
				t.Errorf("%s %v needs %+v, %v, want %+v", c.kind, c.set, def.Needs(), err, c.want)
			}
		}
	}
}
