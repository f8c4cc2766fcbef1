package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/link"
)

// slowCluster is a cluster on which everything takes a while. It knows what is wrong with its members.
type slowCluster struct {
	*cluster
	mu     sync.Mutex
	wrong  map[string]int
	failed [3]bool // disks
}

func (c *slowCluster) set(what string, member, value int) error {
	time.Sleep(50 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	if what = fmt.Sprintf("m%d %s", member+1, what); value == 0 {
		delete(c.wrong, what)
	} else {
		c.wrong[what] = value
	}
	return nil
}

func (c *slowCluster) Kill(m int) error      { return c.set("down", m, 1) }
func (c *slowCluster) Terminate(m int) error { return c.set("down", m, 1) }
func (c *slowCluster) Start(m int) error     { return c.set("down", m, 0) }
func (c *slowCluster) Pause(m int) error     { return c.set("paused", m, 1) }
func (c *slowCluster) Resume(m int) error    { return c.set("paused", m, 0) }
func (c *slowCluster) Avoid(m int)           { _ = c.set("avoided", m, 1) }

func (c *slowCluster) Running(m int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong[fmt.Sprintf("m%d down", m+1)] == 0
}

func (c *slowCluster) Clear() {
	for m := range c.Names() {
		_ = c.set("avoided", m, 0)
	}
}

func (c *slowCluster) SetLink(m, _ int, _ link.Ways, _ link.Conditions) (func(), error) {
	return func() { _ = c.set("cut", m, 0) }, c.set("cut", m, 1)
}

// SetDisk ends the member whose disk fails when the conditions are lifted.
func (c *slowCluster) SetDisk(m int, conditions disk.Conditions) (e disk.Effect, _ error) {
	value := 0
	if conditions != (disk.Conditions{}) {
		value = 1
	}
	if c.failed[m] {
		e.Failed = 1
		_ = c.set("down", m, 1)
	}
	c.failed[m] = conditions.Failed.Any()
	return e, c.set("disk", m, value)
}

// Whenever a run is interrupted, also while a fault is begun or undone, nothing stays wrong with a member: with
// every kind of fault, of every choice of members.
func TestInterruptUndoesEveryKind(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		for _, member := range []string{"leader", "follower", "all", "m3"} {
			for trial := range 20 {
				synctest.Test(t, func(t *testing.T) {
					c := &slowCluster{cluster: &cluster{down: -1, election: time.Second}, wrong: map[string]int{}}
					d := k.Define()
					fs := pflag.NewFlagSet(k.Name, pflag.ContinueOnError)
					d.AddFlags(fs)
					if err := fs.Set("member", member); err != nil {
						t.Fatal(err)
					}
					if err := d.Validate(); err != nil {
						t.Fatal(err)
					}
					after := rand.N([]time.Duration{500 * time.Millisecond, 15 * time.Second}[trial%2])
					ctx, cancel := context.WithTimeout(t.Context(), after)
					defer cancel()
					if _, err := d.New(c)(ctx); err != nil {
						t.Errorf("%s of %s, interrupted after %v: %v", k.Name, member, after, err)
					}
					if len(c.wrong) > 0 {
						t.Errorf("%s of %s, interrupted after %v: left %v", k.Name, member, after, c.wrong)
					}
				})
			}
		}
	}
}
