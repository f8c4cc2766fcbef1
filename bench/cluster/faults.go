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

// Leader returns the number, from 0, of the leader. conns holds one connection per member. The
// member leaveOut is not asked, because it is known not to answer (-1: all are asked).
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
	return 0, errors.Join(append(errs, errors.New("no member is the leader"))...)
}

// Kill ends the process of a member at once (SIGKILL) and waits for its end. The data stay.
func (c *Processes) Kill(member int) error {
	return c.end(member, syscall.SIGKILL, stopTimeout)
}

// gracefulTimeout is the time limit for etcd to stop by itself. It waits seven seconds or more
// for requests in flight.
const gracefulTimeout = 30 * time.Second

// Terminate asks the process of a member to stop (SIGTERM) and waits for its end. The data
// stay.
func (c *Processes) Terminate(member int) error {
	return c.end(member, syscall.SIGTERM, gracefulTimeout)
}

// end ends the process of a member with a signal.
func (c *Processes) end(member int, s syscall.Signal, timeout time.Duration) error {
	p := c.processes()[member]
	if !p.running() {
		return fmt.Errorf("member %s: its process has already ended", p.name)
	}
	p.expected.Store(true)
	if err := p.signal(s); err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(timeout):
		return fmt.Errorf("member %s: %v: its process has not ended after %v", p.name, s, timeout)
	}
	// A script around the program may end before the program does.
	for deadline := time.Now().Add(stopTimeout); syscall.Kill(-p.pid, 0) == nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// Running reports whether the process of a member exists. A paused process exists.
func (c *Processes) Running(member int) bool { return c.processes()[member].running() }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Start starts a member whose process has ended, with its data. It does not wait until the
// member is ready.
func (c *Processes) Start(member int) error {
	old := c.processes()[member]
	if old.running() {
		return fmt.Errorf("member %s: restart: its process has not ended", old.name)
	}
	_ = old.lifeline.Close()
	p, err := startProcess(c.options, old.memberSpec)
	if err != nil {
		return fmt.Errorf("member %s: restart: %w", old.name, err)
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

// Ready returns when every member answers and all agree on a leader, without the members that
// were ended or paused on purpose. Its time limit is that of a start.
func (c *Processes) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.startTimeout())
	defer cancel()
	if err := waitReady(ctx, c, c.present, c.Died); err != nil {
		return c.withLogs(err)
	}
	return nil
}

// present reports whether a member should answer: its process was not ended on purpose and is
// not paused.
func (c *Processes) present(member int) bool {
	p := c.processes()[member]
	if !p.running() {
		return !p.expected.Load()
	}
	p.pausing.Lock()
	defer p.pausing.Unlock()
	return p.helper == nil
}

// Pause stops the process of a member temporarily (SIGSTOP). A helper process resumes it at
// the latest when this process ends, because a stopped process cannot react to that.
func (c *Processes) Pause(member int) error {
	p := c.processes()[member]
	p.pausing.Lock()
	defer p.pausing.Unlock()
	switch {
	case p.helper != nil:
		return fmt.Errorf("member %s: it is already paused", p.name)
	case !p.running():
		return fmt.Errorf("member %s: its process has ended", p.name)
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

// Resume continues a paused member.
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

// SetLink changes the traffic between a member and one peer, or all peers (-1), in one or both
// directions, until undo is called. Several changes add up: delays are added, and the smallest
// bandwidth applies. The cluster must have been started with a network.
func (c *Processes) SetLink(member, peer int, ways link.Ways, conditions link.Conditions) (undo func(), err error) {
	if c.links == nil {
		return nil, errors.New("the cluster was started without links between members")
	}
	return c.links.change(linkChange{member: member, peer: peer, ways: ways, conditions: conditions}), nil
}

// signal sends a signal to the whole process group of a member: a foreign program may be a
// script around another program.
func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.pid, s); err != nil {
		return fmt.Errorf("member %s: %v: %w", p.name, s, err)
	}
	return nil
}

// Election returns the election timeout of the cluster.
func (c *Processes) Election() time.Duration {
	return cmp.Or(c.settings.ElectionTimeout, DefaultElection)
}
