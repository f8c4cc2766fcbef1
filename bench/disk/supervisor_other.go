//go:build !linux || !(amd64 || arm64)

package disk

import (
	"errors"
	"os/exec"
)

// Supervisor answers the system calls of one process.
type Supervisor struct{}

// errUnsupported is the error on platforms on which processes cannot be supervised.
var errUnsupported = errors.New("disturbances of disks need Linux 5.5 or later on amd64 or arm64")

// Start returns an error: the platform is not supported.
func Start(*exec.Cmd, Calls) (*Supervisor, error) { return nil, errUnsupported }

// Set does nothing: the platform is not supported.
func (*Supervisor) Set(Conditions) Effect { return Effect{} }

// Check returns an error: the platform is not supported.
func Check() error { return errUnsupported }
