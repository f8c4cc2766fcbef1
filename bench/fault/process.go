package fault

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// action is a fault whose only parameters are the member and the length.
type action struct {
	lengthName string
	length     time.Duration
	disk       disk.Calls
	make       func(m Members, member int) fault
}

type simple struct {
	victim
	action action
}

func (s *simple) AddFlags(fs *pflag.FlagSet) {
	s.addFlags(fs, "follower", s.action.lengthName, s.action.length)
}
func (s *simple) Validate() error { return s.validate() }
func (s *simple) Needs() Needs    { return s.needs().And(Needs{Disk: s.action.disk}) }
func (s *simple) New(m Members) func(ctx context.Context) (string, error) {
	return s.do(m, func(member int) fault { return s.action.make(m, member) })
}

// pair is a fault of two functions.
type pair struct{ do, undo func() error }

func (p pair) begin() error         { return p.do() }
func (p pair) end() (string, error) { return "", p.undo() }

func kill() action {
	return action{lengthName: "down", length: defaultDown, make: func(m Members, member int) fault {
		return pair{func() error { return m.Kill(member) }, func() error { return restart(m, member) }}
	}}
}

func stop() action {
	return action{lengthName: "down", length: defaultDown, make: func(m Members, member int) fault {
		return pair{func() error { return m.Terminate(member) }, func() error { return restart(m, member) }}
	}}
}

// restart starts a member, unless another fault has started it since.
func restart(m Members, member int) error {
	if m.Running(member) {
		return nil
	}
	return m.Start(member)
}

func pause() action {
	return action{lengthName: "for", length: defaultLength, make: func(m Members, member int) fault {
		return pair{func() error { return m.Pause(member) }, func() error { return m.Resume(member) }}
	}}
}
