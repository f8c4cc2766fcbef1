package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"syscall"

	"google.golang.org/grpc"
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
	p := c.processes()[member]
	p.killed.Store(true)
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// Restart starts a member that was killed, and returns when all members are ready.
// An error says which is not.
func (c *Processes) Restart(ctx context.Context, member int) error {
	old := c.processes()[member]
	_ = old.lifeline.Close()
	p, err := startProcess(c.options, old.memberSpec)
	if err != nil {
		return fmt.Errorf("member %s: start again: %w", old.name, err)
	}
	c.mu.Lock()
	c.members[member] = p
	c.mu.Unlock()
	return c.Ready(ctx)
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
	if p.helper != nil {
		return nil
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
		return errors.Join(err, c.Resume(member))
	}
	return nil
}

// Resume lets a paused member go on.
func (c *Processes) Resume(member int) error {
	p := c.processes()[member]
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

// Cut takes the links between a member and all others down, or up again. The
// cluster must have been started with a network.
func (c *Processes) Cut(member int, down bool) error {
	if c.links == nil {
		return errors.New("the cluster has no links that could be cut")
	}
	c.links.cut(member, down)
	return nil
}

// signal reaches the member's whole group: a foreign program may be a script around
// another.
func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.pid, s); err != nil {
		return fmt.Errorf("member %s: %v: %w", p.name, s, err)
	}
	return nil
}
