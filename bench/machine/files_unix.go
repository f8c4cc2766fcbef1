//go:build unix

package machine

import "syscall"

// OpenFiles returns the number of files that this process may have open, or 0 if it is unknown.
func OpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
