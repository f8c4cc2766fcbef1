package bench

import (
	"context"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerfdSleeper waits on a timer file descriptor through Go's own network
// poller. A kernel timer has no slack, and the wake-up leaves the scheduler's
// other work where it is. A thread of our own in nanosleep wakes sooner, but its
// arrivals reach their clients later, because it goes back into a system call
// with the processor on which the woken client waits: see BenchmarkSleeper.
type timerfdSleeper struct {
	fd   int
	file *os.File
	conn syscall.RawConn
	arm  func(fd uintptr) (done bool)

	spec  unix.ItimerSpec
	armed bool
}

// wakeUp is less than the way from an expired timer to the waiting goroutine
// takes on most machines: the timer is set earlier by as much. Where a wake-up is
// quicker, the caller finds that it is early and sleeps the short rest.
const wakeUp = 10 * time.Microsecond

// newSleeper returns the most exact sleeper that this machine has.
func newSleeper() sleeper {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTimerSleeper()
	}
	s := &timerfdSleeper{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		return newTimerSleeper()
	}
	// The poller calls it before it waits, to arm the timer, and again when the
	// timer has expired. Arming again clears the expiry, so nothing needs reading.
	s.arm = func(uintptr) bool {
		if s.armed {
			return true
		}
		s.armed = true
		return unix.TimerfdSettime(s.fd, 0, &s.spec, nil) != nil
	}
	return s
}

func (s *timerfdSleeper) sleep(_ context.Context, d time.Duration) {
	if d > 2*wakeUp {
		d -= wakeUp
	}
	s.spec.Value = unix.NsecToTimespec(int64(min(d, maxSleep)))
	s.armed = false
	_ = s.conn.Read(s.arm) // an early return is the caller's to handle
}

func (s *timerfdSleeper) close() { _ = s.file.Close() }
