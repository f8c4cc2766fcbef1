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

// victim says which members a fault is for, and how long it lasts.
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
	fs.StringVar(&v.which, "member", which, "which member: leader, follower, all, or its name or number, such as m2")
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

// needs is what the choice of members needs.
func (v *victim) needs() Needs {
	least := number(v.which) + 1
	if v.which == "follower" || v.length == 0 {
		least = 2
	}
	return Needs{Members: max(1, least)}
}

// choose returns the members that are meant, and what they are called. Of several
// followers, it is another one each time.
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

// fault is one that is being made. Every member has its own.
type fault interface {
	// begin makes the fault, end undoes it and says what its effect was.
	begin() error
	end() (effect string, err error)
}

var errNotBack = errors.New("did not recover")

// undoTimeout bounds the return of the members.
const undoTimeout = 30 * time.Second

// do returns what makes a fault of the members that are meant, waits, and undoes it.
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
			undoErr = fmt.Errorf("%s %w: %w", what, errNotBack, undoErr)
		}
		detail := what
		if len(begun) > 0 {
			detail += ": for " + rounded(lasted)
		}
		return strings.Join(append([]string{detail}, effect...), ", "), errors.Join(err, undoErr)
	}
}

// wait returns when the fault has lasted as long as it should.
func (v *victim) wait(ctx context.Context, m Members, member int) {
	if v.length == 0 {
		await(ctx, m, member)
		return
	}
	sleep(ctx, v.length)
}

// end undoes faults, also when the run ends meanwhile: nothing stays down, paused, cut or
// slow. It returns their effects, and how long the members took until all were ready.
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

// rounded is a time with three significant digits, as a detail shows it.
func rounded(d time.Duration) string {
	unit := time.Microsecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

const (
	settleTime    = 600 * time.Millisecond // longer than it takes to see that the rate is back
	recoveryTime  = 2200 * time.Millisecond
	leaderPolling = 10 * time.Millisecond
)

// await returns a moment after there is a leader other than the member, or after
// longer than an election should take.
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
