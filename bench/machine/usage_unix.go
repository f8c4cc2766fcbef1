//go:build unix

package machine

import (
	"runtime"
	"syscall"
	"time"
)

// ProcessCPU returns the CPU time of this process until now, user and system: 0 where the
// system does not say.
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
	if runtime.GOOS != "darwin" { // which counts bytes, the others kilobytes
		u.MaxRSS *= 1024
	}
}
