//go:build !linux || !(amd64 || arm64)

package disk

import (
	"errors"
	"os/exec"
)

// Supervisor answers the system calls of one process.
type Supervisor struct{}

// errUnsupported says where processes cannot be supervised.
var errUnsupported = errors.New("disturbances of disks need Linux 5.5 or later on amd64 or arm64")

// Start is for Linux.
func Start(*exec.Cmd, Calls) (*Supervisor, error) { return nil, errUnsupported }

// Set is for Linux.
func (*Supervisor) Set(Conditions) Effect { return Effect{} }

// Check reports whether the system lets a process supervise the calls of another.
func Check() error { return errUnsupported }
