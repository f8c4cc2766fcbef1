//go:build !linux

package machine

import "errors"

// DiskWritten is unknown on this platform.
func DiskWritten(int) (uint64, error) { return 0, errors.ErrUnsupported }
