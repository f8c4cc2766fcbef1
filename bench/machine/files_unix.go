//go:build unix

package machine

import "syscall"

// OpenFiles returns how many files this process may have open; 0 where that is not known.
func OpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
