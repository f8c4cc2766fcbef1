//go:build !linux

package machine

import "errors"

// ReadProcess is unknown on this platform.
func ReadProcess(int) (Process, error) { return Process{}, errors.ErrUnsupported }
