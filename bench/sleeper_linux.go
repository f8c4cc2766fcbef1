package bench

import (
	"context"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerfdSleeper waits on a timer file descriptor through Go's own network poller. Such a timer
// has no slack, and the wake-up does not disturb the other work of the scheduler. A dedicated
// thread in nanosleep wakes sooner, but its arrivals reach their clients later: it returns to a
// system call with the processor on which the woken client waits. See BenchmarkSleeper.
type timerfdSleeper struct {
	fd   int
	file *os.File
	conn syscall.RawConn
	arm  func(fd uintptr) (done bool)

	spec  unix.ItimerSpec
	armed bool
}

// wakeUp is less than the time from an expired timer to the waiting goroutine on most machines.
// The timer is set earlier by this time. If a wake-up is faster, the caller notices that it is
// early and sleeps for the rest.
const wakeUp = 10 * time.Microsecond

// newSleeper returns the most precise sleeper of this machine.
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
	// The poller calls arm before it waits, to set the timer, and again when the timer has
	// expired. Setting the timer clears the expiry, so nothing needs to be read.
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
	_ = s.conn.Read(s.arm) // the caller handles an early return
}

func (s *timerfdSleeper) close() { _ = s.file.Close() }
