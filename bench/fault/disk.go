package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// slowDisk is a fault that delays the syncs of a member.
type slowDisk struct {
	victim
	conditions disk.Conditions
	writes     bool
}

func (s *slowDisk) AddFlags(fs *pflag.FlagSet) {
	s.addFlags(fs, "follower", "for", defaultLength)
	c := &s.conditions
	fs.DurationVar(&c.Latency, "latency", 20*time.Millisecond, "delay added to each sync")
	fs.DurationVar(&c.Jitter, "jitter", 0, "largest deviation from the latency, uniform in both directions")
	fs.DurationVar(&c.P99, "p99", 0, "99th percentile of a lognormal distribution whose median is latency")
	fs.Float64Var(&c.IOPS, "iops", 0, "limit of syncs per second, completed one after the other, to which latency is added; 0: no limit")
	fs.BoolVar(&s.writes, "writes", false, "also delay writes to the database and allocations of space")
}

func (s *slowDisk) Validate() error {
	if err := s.conditions.Validate(); err != nil {
		return err
	}
	if s.conditions.Latency == 0 && s.conditions.IOPS == 0 {
		return errors.New("latency or iops must be positive")
	}
	s.conditions.Delayed = disk.Calls{Syncs: true, Writes: s.writes}
	return s.validate()
}

func (s *slowDisk) Needs() Needs { return s.needs().And(Needs{Disk: s.conditions.Delayed}) }
func (s *slowDisk) New(m Members) func(ctx context.Context) (string, error) {
	return s.do(m, func(member int) fault { return &badDisk{members: m, member: member, conditions: s.conditions} })
}

// diskError returns a fault that makes syncs fail.
func diskError() action {
	calls := disk.Calls{Syncs: true}
	return action{lengthName: "for", length: defaultDown, disk: calls, make: func(m Members, member int) fault {
		return &badDisk{members: m, member: member, conditions: disk.Conditions{Failed: calls}}
	}}
}

// fullDisk is a fault that makes the writes of a member fail.
type fullDisk struct {
	victim
	appends bool
}

func (f *fullDisk) AddFlags(fs *pflag.FlagSet) {
	f.addFlags(fs, "follower", "for", defaultDown)
	fs.BoolVar(&f.appends, "appends", true,
		"also fail appends to files, such as the log; each send of the member then takes some microseconds more")
}

func (f *fullDisk) Validate() error   { return f.validate() }
func (f *fullDisk) calls() disk.Calls { return disk.Calls{Writes: true, Appends: f.appends} }
func (f *fullDisk) Needs() Needs      { return f.needs().And(Needs{Disk: f.calls()}) }
func (f *fullDisk) New(m Members) func(ctx context.Context) (string, error) {
	return f.do(m, func(member int) fault {
		return &badDisk{members: m, member: member, conditions: disk.Conditions{Failed: f.calls()}}
	})
}

// endTimeout is the time that etcd may take to end when its disk has failed.
const endTimeout = time.Second

// badDisk is a fault in progress of a member's disk.
type badDisk struct {
	members    Members
	member     int
	conditions disk.Conditions
}

func (d *badDisk) begin() error {
	_, err := d.members.SetDisk(d.member, d.conditions)
	return err
}

// end removes the conditions. It restarts a member that has ended because of them.
func (d *badDisk) end() (string, error) {
	effect, err := d.members.SetDisk(d.member, disk.Conditions{})
	if effect.Failed > 0 { // etcd may be about to end
		for deadline := time.Now().Add(endTimeout); d.members.Running(d.member) && time.Now().Before(deadline); {
			time.Sleep(leaderPolling)
		}
	}
	switch running := d.members.Running(d.member); {
	case !running && d.conditions.Failed.Any():
		return "etcd ended and was restarted", restart(d.members, d.member)
	case !running: // another fault has ended the member, and restarts it
		return "the member was down at the end", nil
	}
	if d.conditions.Failed.Any() {
		return humanize.Comma(effect.Failed) + " calls failed", err
	}
	return delayedText(effect), err
}

// delayedText describes the delay of the calls. It includes the mean excess over the planned
// delay if that is more than 1 ms or 5 %.
func delayedText(e disk.Effect) string {
	text := fmt.Sprintf("%s calls delayed by %s on average", humanize.Comma(e.Delayed), rounded(e.Mean()+e.MeanLate()))
	if e.MeanLate() > max(time.Millisecond, e.Mean()/20) {
		text += fmt.Sprintf(", %s of it because the machine was busy", rounded(e.MeanLate()))
	}
	return text
}
