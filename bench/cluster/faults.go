package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/link"
)

// Leader is the number, from 0, of the member that leads; one may be left out, as it
// is known not to answer (-1: none). conns holds one connection per member.
func Leader(ctx context.Context, conns []grpc.ClientConnInterface, leaveOut int) (int, error) {
	var errs []error
	for i, conn := range conns {
		if i == leaveOut {
			continue
		}
		s, err := memberStatus(ctx, conn)
		if err == nil && s.Leader == s.Header.MemberId {
			return i, nil
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(append(errs, errors.New("none of the members leads"))...)
}

// Kill ends a member's process at once (SIGKILL) and waits until it has gone. Its
// data stay.
func (c *Processes) Kill(member int) error {
	return c.end(member, syscall.SIGKILL, stopTimeout)
}

// gracefulTimeout is how long etcd may take to stop by itself: it waits seven seconds and
// more for requests under way.
const gracefulTimeout = 30 * time.Second

// Terminate asks a member's process to stop (SIGTERM) and waits until it has gone. Its data
// stay.
func (c *Processes) Terminate(member int) error {
	return c.end(member, syscall.SIGTERM, gracefulTimeout)
}

// end ends a member's process by a signal.
func (c *Processes) end(member int, s syscall.Signal, timeout time.Duration) error {
	p := c.processes()[member]
	if !p.running() {
		return fmt.Errorf("member %s: its process is down already", p.name)
	}
	p.expected.Store(true)
	if err := p.signal(s); err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(timeout):
		return fmt.Errorf("member %s: %v: its process is still there after %v", p.name, s, timeout)
	}
	// A script around the program may end before it.
	for deadline := time.Now().Add(stopTimeout); syscall.Kill(-p.pid, 0) == nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// Running reports whether a member's process is there. One that is paused is.
func (c *Processes) Running(member int) bool { return c.processes()[member].running() }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Start starts a member whose process has ended, on its data. It does not wait until the
// member is ready.
func (c *Processes) Start(member int) error {
	old := c.processes()[member]
	_ = old.lifeline.Close()
	p, err := startProcess(c.options, old.memberSpec)
	if err != nil {
		return fmt.Errorf("member %s: start again: %w", old.name, err)
	}
	c.mu.Lock()
	c.members[member] = p
	conditions, changed := c.disks[member]
	c.mu.Unlock()
	if changed && p.disk != nil {
		_, err = p.disk.Set(conditions)
	}
	return err
}

// Ready returns when every member answers and all agree on a leader. It waits as
// long as a start may take.
func (c *Processes) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.startTimeout())
	defer cancel()
	if err := waitReady(ctx, c, c.Died); err != nil {
		return c.withLogs(err)
	}
	return nil
}

// Pause stops a member's process where it is (SIGSTOP). A helper process resumes it
// when we do, or when we are gone: what is stopped does not notice that by itself.
func (c *Processes) Pause(member int) error {
	p := c.processes()[member]
	p.pausing.Lock()
	defer p.pausing.Unlock()
	switch {
	case p.helper != nil:
		return fmt.Errorf("member %s: it is paused already", p.name)
	case !p.running():
		return fmt.Errorf("member %s: its process is down", p.name)
	}
	argv := append(slices.Clone(c.options.Command[1:]), fmt.Sprintf("--resume=%d", p.pid))
	h := &helper{cmd: exec.Command(c.options.Command[0], argv...)}
	h.cmd.SysProcAttr, h.cmd.Env = ownGroup(), memberEnv()
	var err error
	if h.lifeline, err = h.cmd.StdinPipe(); err == nil {
		err = h.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("member %s: pause: %w", p.name, err)
	}
	p.helper = h
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return errors.Join(err, p.resume())
	}
	return nil
}

// Resume lets a paused member go on.
func (c *Processes) Resume(member int) error {
	p := c.processes()[member]
	p.pausing.Lock()
	defer p.pausing.Unlock()
	return p.resume()
}

// resume ends the pause, if there is one.
func (p *process) resume() error {
	h := p.helper
	if h == nil {
		return nil
	}
	p.helper = nil
	_ = h.lifeline.Close()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("member %s: resume: %w", p.name, errors.Join(err, p.signal(syscall.SIGCONT)))
	}
	return nil
}

// helper is a process that resumes a member when its lifeline ends.
type helper struct {
	cmd      *exec.Cmd
	lifeline io.Closer
}

// SetLink changes what is sent between a member and one other, or all others (-1), in one
// or both directions, until undo is called. Changes add up: delays, and the smallest
// bandwidth. The cluster must have been started with a network.
func (c *Processes) SetLink(member, peer int, ways link.Ways, conditions link.Conditions) (undo func(), err error) {
	if c.links == nil {
		return nil, errors.New("the cluster has no links that could be changed")
	}
	return c.links.change(linkChange{member: member, peer: peer, ways: ways, conditions: conditions}), nil
}

// signal reaches the member's whole group: a foreign program may be a script around
// another.
func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.pid, s); err != nil {
		return fmt.Errorf("member %s: %v: %w", p.name, s, err)
	}
	return nil
}

// Election is the election timeout of the cluster.
func (c *Processes) Election() time.Duration {
	return cmp.Or(c.settings.ElectionTimeout, DefaultElection)
}
