// Package fault makes faults of members and undoes them: processes that are killed, stopped or
// paused, links that are cut or slow, disks that are slow, failing or full. It does not know
// how clusters are started or how load reaches them.
package fault

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/results"
)

// Members are the members of a cluster, by their numbers from 0.
type Members interface {
	// Names returns the members' names, in their order.
	Names() []string
	// Election returns the election timeout of the cluster.
	Election() time.Duration
	// Leader returns the number of the leader. It does not ask the member leaveOut, which is known
	// not to answer (-1: all are asked).
	Leader(ctx context.Context, leaveOut int) (int, error)
	// Kill ends a process immediately; Terminate requests it to stop. Both return when the
	// process has ended.
	Kill(member int) error
	Terminate(member int) error
	Running(member int) bool
	// Start starts a process that has ended.
	Start(member int) error
	Pause(member int) error
	Resume(member int) error
	// SetLink changes the ways between a member and a peer, or all peers (-1).
	SetLink(member, peer int, ways link.Ways, c link.Conditions) (undo func(), err error)
	// SetDisk changes the conditions of a disk, and returns the effect of the previous ones.
	SetDisk(member int, c disk.Conditions) (disk.Effect, error)
	// Ready returns when all members are ready.
	Ready(ctx context.Context) error
	// Avoid keeps the load away from a member during a fault, if the run is configured so. Clear
	// returns when the load reaches all members again.
	Avoid(member int)
	Clear()
}

// A Kind is one kind of fault.
type Kind struct {
	// Name is the name of the kind in scenarios and on the command line.
	Name string
	// Summary describes the fault in one line.
	Summary string
	// Define returns a fault of the kind with default parameters.
	Define func() Definition
}

// Definition is a fault before it is bound to a cluster.
type Definition interface {
	AddFlags(fs *pflag.FlagSet)
	Validate() error
	// Needs returns what the fault requires of a cluster.
	Needs() Needs
	// New returns a function that makes the fault once. The function returns when the fault is
	// undone, also if ctx ends before.
	New(m Members) func(ctx context.Context) (detail string, err error)
}

// Needs are the requirements of faults on a cluster.
type Needs struct {
	// Members is the least number of members.
	Members int
	// Links requires links between members that can be changed. Disk are the calls of members that
	// must be supervised.
	Links bool
	Disk  disk.Calls
}

// And returns the requirements of both.
func (n Needs) And(other Needs) Needs {
	return Needs{Members: max(n.Members, other.Members), Links: n.Links || other.Links, Disk: n.Disk.Or(other.Disk)}
}

// Kinds returns the kinds of faults.
func Kinds() []Kind {
	return []Kind{
		{"kill", "kill the process of a member (SIGKILL) and restart it", define(kill())},
		{"stop", "stop the process of a member (SIGTERM) and restart it", define(stop())},
		{"pause", "pause the process of a member (SIGSTOP)", define(pause())},
		{"cut", "block the traffic from a member to others, from others to it, or both", func() Definition { return new(cut) }},
		{"slow-link", "delay the traffic between a member and others", func() Definition { return new(slowLink) }},
		{"slow-disk", "delay the syncs of a member (Linux 5.5 or later)", func() Definition { return new(slowDisk) }},
		{"disk-error", "make the syncs of a member fail with EIO; etcd ends and is restarted", define(diskError())},
		{"disk-full", "make the writes of a member fail with ENOSPC; etcd ends and is restarted", func() Definition { return new(fullDisk) }},
	}
}

// define returns definitions whose only parameters are the member and the length.
func define(a action) func() Definition { return func() Definition { return &simple{action: a} } }

// Named returns the disturbance for a kind of package results, such as
// [results.FaultKillLeader]. It lasts until another member leads.
func Named(name string) (d results.PlanDisturbance, ok bool) {
	of := func(kind, member, length string) results.PlanDisturbance {
		return results.PlanDisturbance{Kind: kind, Params: map[string]string{"member": member, length: "0"}}
	}
	switch name {
	case results.FaultKillLeader:
		return of("kill", "leader", "down"), true
	case results.FaultPauseLeader:
		return of("pause", "leader", "for"), true
	case results.FaultCutLeader:
		return of("cut", "leader", "for"), true
	case results.FaultKillFollower:
		return of("kill", "follower", "down"), true
	case results.FaultMoveLeader:
		return results.PlanDisturbance{Kind: "move-leader"}, true
	}
	return d, false
}

// number returns the number of a member, from 0, by its name (m2) or its number from 1 (2), or
// -1.
func number(name string) int {
	const most = 5
	n, err := strconv.Atoi(strings.TrimPrefix(name, "m"))
	if err != nil || n < 1 || n > most {
		return -1
	}
	return n - 1
}

// checkMember returns an error for a parameter that does not name one member.
func checkMember(parameter, name string) error {
	if number(name) < 0 {
		return fmt.Errorf("%s %q is not a member, such as m2", parameter, name)
	}
	return nil
}
