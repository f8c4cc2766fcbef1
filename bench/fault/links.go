package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/link"
)

// between selects the ways of a member that are changed.
type between struct {
	victim
	peer, way string
}

func (b *between) addFlags(fs *pflag.FlagSet) {
	b.victim.addFlags(fs, "follower", "for", defaultLength)
	fs.StringVar(&b.peer, "peer", "", "peer of the member, such as m2; empty: all others")
	fs.StringVar(&b.way, "way", "both", "both, in (what the member receives) or out (what it sends)")
}

func (b *between) validate() error {
	if b.way != "both" && b.way != "in" && b.way != "out" {
		return fmt.Errorf("way must be both, in or out, not %q", b.way)
	}
	if b.peer != "" {
		if err := checkMember("peer", b.peer); err != nil {
			return err
		}
		if number(b.peer) == number(b.which) {
			return errors.New("peer and member are the same")
		}
	}
	return b.victim.validate()
}

// Needs implements [Definition].
func (b *between) Needs() Needs {
	return b.needs().And(Needs{Links: true, Members: max(2, number(b.peer)+1)})
}

// with returns a function that adds the conditions to those of the selected ways.
func (b *between) with(m Members, c link.Conditions) func(ctx context.Context) (string, error) {
	ways := link.Ways{In: b.way != "out", Out: b.way != "in"}
	return b.do(m, func(member int) fault {
		undo := func() {}
		return pair{
			func() (err error) { undo, err = m.SetLink(member, number(b.peer), ways, c); return err },
			func() error { undo(); return nil },
		}
	})
}

// cut is a fault that holds back the traffic between members.
type cut struct{ between }

func (c *cut) AddFlags(fs *pflag.FlagSet) { c.addFlags(fs) }
func (c *cut) Validate() error            { return c.validate() }
func (c *cut) New(m Members) func(ctx context.Context) (string, error) {
	return c.with(m, link.Conditions{Down: true})
}

// slowLink is a fault that delays the traffic between members.
type slowLink struct {
	between
	rtt, jitter time.Duration
	bandwidth   string
	bytes       uint64
}

func (s *slowLink) AddFlags(fs *pflag.FlagSet) {
	s.addFlags(fs)
	fs.DurationVar(&s.rtt, "rtt", 100*time.Millisecond, "delay added to each round trip, half of it in each direction")
	fs.DurationVar(&s.jitter, "jitter", 0, "variation of the delay in each direction")
	fs.StringVar(&s.bandwidth, "bandwidth", "", "limit of each link and direction per second, such as 10MB; empty: none")
}

func (s *slowLink) Validate() (err error) {
	const maxRTT = 10 * time.Second
	switch {
	case s.rtt < 0 || s.rtt > maxRTT:
		return fmt.Errorf("rtt must be between 0 and %v, not %v", maxRTT, s.rtt)
	case s.jitter < 0 || 2*s.jitter > s.rtt:
		return fmt.Errorf("jitter must be between 0 and half the rtt of %v, not %v", s.rtt, s.jitter)
	case s.bandwidth != "":
		if s.bytes, err = humanize.ParseBytes(s.bandwidth); err != nil || s.bytes == 0 || s.bytes > 1<<40 {
			return fmt.Errorf("bandwidth %q is not a size such as 10MB", s.bandwidth)
		}
	}
	return s.validate()
}

func (s *slowLink) New(m Members) func(ctx context.Context) (string, error) {
	return s.with(m, link.Conditions{Delay: s.rtt / 2, Jitter: s.jitter, Bandwidth: int64(s.bytes)})
}
