//go:build !linux

package machine

import "errors"

// ReadProcess returns an error: it is not supported on this platform.
func ReadProcess(int) (Process, error) { return Process{}, errors.ErrUnsupported }
