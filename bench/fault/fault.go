// Package fault makes faults of members on purpose, one after the other, and undoes
// them: members are killed, paused, cut off, and lose the leadership. It knows neither
// how clusters are started nor how load reaches them.
package fault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// Members are those to which faults are made, by their numbers from 0.
type Members interface {
	// Leader is the member that leads; one may be left out, as it is known not to
	// answer (-1: none).
	Leader(ctx context.Context, leaveOut int) (int, error)
	Kill(member int) error
	// Restart returns when all members are ready.
	Restart(ctx context.Context, member int) error
	Pause(member int) error
	Resume(member int) error
	Cut(member int, down bool) error
	// Ready returns when all members are well.
	Ready(ctx context.Context) error
	// Move hands the leadership to another member.
	Move(ctx context.Context, from int) error
}

// Steer keeps the load away from a member while it has a fault.
type Steer interface {
	Avoid(member int)
	// Clear returns when the load reaches all members again.
	Clear()
}

// Schedule is a list of faults that are made one after the other: one waits until the
// one before it is over, which a split vote can make later than planned.
type Schedule struct {
	Kinds    []string // in their order
	Members  Members
	Steer    Steer
	Count    int // of members
	Election time.Duration
	// Begin is when the first is made, from the start of the first measured phase.
	Begin time.Duration

	broken atomic.Bool
}

// Every fault has a time for the election, and for what was undone to settle.
const (
	settleTime    = 600 * time.Millisecond // longer than it takes to see that the rate is back
	recoveryTime  = 2200 * time.Millisecond
	leaderPolling = 10 * time.Millisecond
)

// Spacing is the time between two faults.
func Spacing(election time.Duration) time.Duration { return 2*election + recoveryTime }

// Length is how long all faults take. In the end there is time for the load to go on
// when they are over and, where some may have waited, for one election more.
func (f *Schedule) Length() time.Duration {
	length := time.Duration(len(f.Kinds))*Spacing(f.Election) + backTime
	if len(f.Kinds) > 1 {
		length += 2 * f.Election
	}
	return length
}

const backTime = time.Second

// Disturbances are the faults, for a run.
func (f *Schedule) Disturbances() []bench.Disturbance {
	var list []bench.Disturbance
	last := make(chan struct{}) // closed when the fault before is over
	close(last)
	for i, kind := range f.Kinds {
		before, over := last, make(chan struct{})
		list = append(list, bench.Disturbance{
			PlanDisturbance: results.PlanDisturbance{Kind: kind, At: f.Begin + time.Duration(i)*Spacing(f.Election)},
			Turn:            func(ctx context.Context) error { return turn(ctx, before) },
			Do: func(ctx context.Context) (string, error) {
				defer close(over)
				return f.do(ctx, kind, i)
			},
		})
		last = over
	}
	return list
}

// turn returns when the fault before is over; if that was not so already, a moment
// later, so that the load is as usual again.
func turn(ctx context.Context, before <-chan struct{}) error {
	select {
	case <-before:
		return nil
	default:
	}
	select {
	case <-before:
		sleep(ctx, settleTime)
	case <-ctx.Done():
	}
	return ctx.Err()
}

// do makes one fault, and undoes it when there is a leader again.
func (f *Schedule) do(ctx context.Context, kind string, number int) (string, error) {
	if f.broken.Load() {
		return "", errors.New("not made: the cluster is not whole since the fault before")
	}
	leader, err := f.Members.Leader(ctx, -1)
	if err != nil {
		return "", err
	}
	member := leader
	if kind == results.FaultKillFollower {
		member = (leader + 1 + number%max(1, f.Count-1)) % f.Count
	}
	detail := fmt.Sprintf("m%d", member+1)
	if kind == results.FaultMoveLeader {
		return detail, f.Members.Move(ctx, member)
	}
	f.Steer.Avoid(member)
	defer f.Steer.Clear()
	do, undo := f.pair(kind, member)
	if err := do(); err != nil {
		return detail, err
	}
	f.await(ctx, member)
	// Undone also when the run ends meanwhile: nothing stays paused or cut.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := undo(whole); err != nil {
		f.broken.Store(true)
		return detail, fmt.Errorf("m%d did not come back: %w", member+1, err)
	}
	return detail, nil
}

// undoTimeout bounds the return of a member.
const undoTimeout = 30 * time.Second

// pair is what makes a fault, and what undoes it.
func (f *Schedule) pair(kind string, member int) (do func() error, undo func(context.Context) error) {
	m := f.Members
	ready := func(first func(int) error) func(context.Context) error {
		return func(ctx context.Context) error { return errors.Join(first(member), m.Ready(ctx)) }
	}
	switch kind {
	case results.FaultPauseLeader:
		return func() error { return m.Pause(member) }, ready(m.Resume)
	case results.FaultCutLeader:
		return func() error { return m.Cut(member, true) }, ready(func(member int) error { return m.Cut(member, false) })
	}
	return func() error { return m.Kill(member) }, func(ctx context.Context) error { return m.Restart(ctx, member) }
}

// await returns a moment after there is a leader other than the member, or after
// longer than an election should take.
func (f *Schedule) await(ctx context.Context, member int) {
	ctx, cancel := context.WithTimeout(ctx, 5*f.Election+recoveryTime)
	defer cancel()
	for ctx.Err() == nil {
		if leader, err := f.Members.Leader(ctx, member); err == nil && leader != member {
			break
		}
		sleep(ctx, leaderPolling)
	}
	sleep(ctx, settleTime)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
