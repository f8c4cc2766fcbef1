//go:build unix

package machine

import (
	"runtime"
	"syscall"
	"time"
)

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
