//go:build unix

package machine

import (
	"runtime"
	"syscall"
	"time"
)

// ProcessCPU returns the CPU time of this process until now, user and system, or 0 if it is
// unknown.
func ProcessCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func (u *Usage) readProcess() {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return
	}
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.MaxRSS = uint64(r.Maxrss)
	if runtime.GOOS != "darwin" { // darwin counts bytes, the other systems kilobytes
		u.MaxRSS *= 1024
	}
}
