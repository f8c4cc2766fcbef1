package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// cluster notes what is done to its members, in order.
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
		f := &Schedule{Kinds: []string{results.FaultKillLeader, results.FaultPauseLeader, results.FaultCutLeader, results.FaultMoveLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
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
		f := &Schedule{Kinds: []string{results.FaultCutLeader, results.FaultPauseLeader, results.FaultKillLeader}, Members: c, Steer: c, Count: 3, Election: time.Second}
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
		f := &Schedule{Kinds: []string{results.FaultKillLeader, results.FaultKillLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
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
		f := &Schedule{Kinds: []string{results.FaultPauseLeader}, Members: c, Steer: c, Count: 3, Election: 300 * time.Millisecond}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _ = f.Disturbances()[0].Do(ctx)
		if got := strings.Join(c.did, ","); got != "avoid 0,pause 0,resume 0,clear" {
			t.Errorf("did %s", got)
		}
	})
}
