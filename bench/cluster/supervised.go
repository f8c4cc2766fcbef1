package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// SetDisk changes the conditions of a member's disk. It returns the effect of the previous
// conditions, once the new ones apply. The conditions also apply after a restart of the
// member. The cluster must have been started with supervision of the calls, see
// [Settings.Disk].
func (c *Processes) SetDisk(member int, conditions disk.Conditions) (disk.Effect, error) {
	c.mu.Lock()
	p := c.members[member]
	c.disks[member] = conditions
	c.mu.Unlock()
	if p.disk == nil {
		return disk.Effect{}, errors.New("the disks of the cluster are not supervised")
	}
	if conditions.Failed.Any() {
		p.expected.Store(true) // etcd ends when its disk fails
	}
	effect, err := p.disk.Set(conditions)
	if err != nil {
		return effect, fmt.Errorf("member %s: %w", p.name, err)
	}
	if !conditions.Failed.Any() && effect.Failed == 0 && p.running() {
		p.expected.Store(false)
	}
	return effect, nil
}

// socketPair returns the two ends of a connection, the second one for a child process.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	file := os.NewFile(uintptr(fds[0]), "disk")
	defer file.Close()
	theirs = os.NewFile(uintptr(fds[1]), "disk")
	if ours, err = net.FileConn(file); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make socket pair: %w", err), theirs.Close())
	}
	return ours, theirs, nil
}
