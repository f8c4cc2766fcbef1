package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
)

// victim selects the members of a fault, and its length.
type victim struct {
	which  string
	length time.Duration
	// lengthName is the name of the parameter of the length.
	lengthName string
}

const (
	defaultDown   = 5 * time.Second
	defaultLength = 10 * time.Second
)

func (v *victim) addFlags(fs *pflag.FlagSet, which, lengthName string, length time.Duration) {
	v.lengthName = lengthName
	fs.StringVar(&v.which, "member", which, "member: leader, follower, all, or its name or number, such as m2")
	fs.DurationVar(&v.length, lengthName, length, "how long it lasts; 0: until another member leads")
}

func (v *victim) validate() error {
	if v.length < 0 {
		return fmt.Errorf("%s must not be negative, but is %v", v.lengthName, v.length)
	}
	switch v.which {
	case "leader", "follower", "all":
		return nil
	}
	if number(v.which) < 0 {
		return fmt.Errorf("member must be leader, follower, all, or a name or number, such as m2, not %q", v.which)
	}
	return nil
}

// needs returns the requirements of the selection of members.
func (v *victim) needs() Needs {
	least := number(v.which) + 1
	if v.which == "follower" || v.length == 0 {
		least = 2
	}
	return Needs{Members: max(1, least)}
}

// choose returns the selected members, and a description of them. Of several followers, it
// selects another one each time.
func (v *victim) choose(ctx context.Context, m Members, time int) (members []int, what string, err error) {
	names := m.Names()
	if n := number(v.which); n >= 0 {
		if n >= len(names) {
			return nil, "", fmt.Errorf("there is no member %s: the cluster has %d members", v.which, len(names))
		}
		return []int{n}, names[n], nil
	}
	if v.which == "all" {
		for i := range names {
			members = append(members, i)
		}
		return members, "all members", nil
	}
	leader, err := m.Leader(ctx, -1)
	if err != nil {
		return nil, "", err
	}
	if v.which == "leader" {
		return []int{leader}, names[leader], nil
	}
	if len(names) < 2 {
		return nil, "", errors.New("there is no follower")
	}
	follower := (leader + 1 + time%(len(names)-1)) % len(names)
	return []int{follower}, names[follower], nil
}

// fault is a fault in progress. Each member has its own.
type fault interface {
	// begin makes the fault. end undoes it and describes its effect.
	begin() error
	end() (effect string, err error)
}

var errNotRecovered = errors.New("did not recover")

// undoTimeout bounds the recovery of the members.
const undoTimeout = 30 * time.Second

// do returns a function that makes a fault of the selected members, waits, and undoes it.
func (v *victim) do(m Members, make func(member int) fault) func(ctx context.Context) (string, error) {
	var times atomic.Int64
	return func(ctx context.Context) (string, error) {
		members, what, err := v.choose(ctx, m, int(times.Add(1)-1))
		if err != nil {
			return "", err
		}
		m.Avoid(members[0])
		defer m.Clear()
		var begun []fault
		for _, member := range members {
			f := make(member)
			if err = f.begin(); err != nil {
				break
			}
			begun = append(begun, f)
		}
		start := time.Now()
		if err == nil {
			v.wait(ctx, m, members[0])
		}
		lasted := time.Since(start)
		effect, undoErr := end(ctx, m, begun)
		if undoErr != nil {
			undoErr = fmt.Errorf("%s %w: %w", what, errNotRecovered, undoErr)
		}
		detail := what
		if len(begun) > 0 {
			detail += ": for " + rounded(lasted)
		}
		return strings.Join(append([]string{detail}, effect...), ", "), errors.Join(err, undoErr)
	}
}

// wait waits for the length of the fault.
func (v *victim) wait(ctx context.Context, m Members, member int) {
	if v.length == 0 {
		await(ctx, m, member)
		return
	}
	sleep(ctx, v.length)
}

// end undoes faults, even if the run has ended, so that no member stays down, paused, cut off
// or slow. It returns their effects, and the time until all members were ready.
func end(ctx context.Context, m Members, begun []fault) (effects []string, err error) {
	for _, f := range begun {
		effect, endErr := f.end()
		if effect != "" {
			effects = append(effects, effect)
		}
		err = errors.Join(err, endErr)
	}
	if len(begun) == 0 {
		return effects, err
	}
	begin := time.Now()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if readyErr := m.Ready(whole); readyErr != nil {
		return effects, errors.Join(err, readyErr)
	}
	return append(effects, "all ready "+rounded(time.Since(begin))+" later"), err
}

// rounded formats a time with three significant digits.
func rounded(d time.Duration) string {
	unit := time.Microsecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

const (
	settleTime    = 600 * time.Millisecond // longer than it takes to detect that the rate has recovered
	recoveryTime  = 2200 * time.Millisecond
	leaderPolling = 10 * time.Millisecond
)

// await waits for a leader other than the member and then for settleTime. It gives up after the
// time that an election should take.
func await(ctx context.Context, m Members, member int) {
	ctx, cancel := context.WithTimeout(ctx, 5*m.Election()+recoveryTime)
	defer cancel()
	for ctx.Err() == nil {
		if leader, err := m.Leader(ctx, member); err == nil && leader != member {
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
