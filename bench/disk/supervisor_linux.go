//go:build amd64 || arm64

package disk

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kinds returns the kinds of system calls, by number.
func kinds() map[int32]kind {
	return map[int32]kind{
		unix.SYS_FSYNC: kindSync, unix.SYS_FDATASYNC: kindSync,
		unix.SYS_PWRITE64: kindWrite, unix.SYS_PWRITEV: kindWrite, unix.SYS_PWRITEV2: kindWrite, unix.SYS_FALLOCATE: kindWrite,
		unix.SYS_WRITE: kindAppend, unix.SYS_WRITEV: kindAppend,
	}
}

// notification and answer are struct seccomp_notif and struct seccomp_notif_resp of
// seccomp_unotify(2).
type notification struct {
	id     uint64
	thread uint32
	flags  uint32
	nr     int32
	arch   uint32
	ip     uint64
	args   [6]uint64
}

type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// Supervisor answers the system calls of one process.
type Supervisor struct {
	schedule schedule
	kinds    map[int32]kind
	listener int
}

// Start starts a program with its calls supervised. The caller must have locked its
// goroutine to its thread, and must never unlock it: the filter stays with that thread.
// It is inherited by all threads of the program. When the supervising process ends, the
// program's calls fail with ENOSYS: it must end, too (see [unix.PR_SET_PDEATHSIG]).
func Start(cmd *exec.Cmd, calls Calls) (*Supervisor, error) {
	s := &Supervisor{kinds: kinds()}
	var err error
	if s.listener, err = listen(calls, s.kinds); err != nil {
		return nil, err
	}
	go s.serve() // before Start: if the program cannot be executed, its process writes the error to a pipe
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// Set changes the conditions, and returns the effect of the previous ones.
func (s *Supervisor) Set(c Conditions) Effect { return s.schedule.set(c) }

// listen installs the filter on the calling thread, which must be locked, and returns the
// descriptor of its notifications. Children do not inherit the descriptor.
func listen(calls Calls, kinds map[int32]kind) (listener int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("give up privileges: %w", err)
	}
	code := filter(calls, kinds)
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	// With this flag (Linux 5.19), only a fatal signal interrupts a waiting call.
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0} {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
			unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, uintptr(unsafe.Pointer(&program)))
		if errno == 0 {
			return int(fd), nil
		}
		err = errno
		if errno != unix.EINVAL {
			break
		}
	}
	runtime.KeepAlive(code)
	return -1, fmt.Errorf("install a seccomp filter: %w", err)
}

// offsetNumber and offsetArch are the offsets of these fields in struct seccomp_data, in bytes.
const offsetNumber, offsetArch = 0, 4

// filter returns the BPF program that reports the calls and allows all others.
func filter(calls Calls, kinds map[int32]kind) []unix.SockFilter {
	const load, equal, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	var numbers []uint32
	for nr, k := range kinds {
		if k.in(calls) {
			numbers = append(numbers, uint32(nr))
		}
	}
	n := uint8(len(numbers))
	code := []unix.SockFilter{
		{Code: load, K: offsetArch},
		{Code: equal, K: arch, Jf: n + 1}, // of another architecture: allow
		{Code: load, K: offsetNumber},
	}
	for i, nr := range numbers {
		code = append(code, unix.SockFilter{Code: equal, K: nr, Jt: n - uint8(i)})
	}
	return append(code, unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: end, K: unix.SECCOMP_RET_USER_NOTIF})
}

// serve answers calls until all threads with the filter have ended. Delayed calls do not wait
// for each other.
func (s *Supervisor) serve() {
	defer unix.Close(s.listener)
	for {
		var n notification
		switch err := control(s.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err {
		case 0:
		case unix.EINTR:
			continue
		case unix.ENOENT: // this thread, or all threads have ended
			if s.over() {
				return
			}
			continue
		default:
			return
		}
		if s.kinds[n.nr] == kindAppend && !(s.schedule.concerns(kindAppend) && ofFile(&n)) {
			s.send(answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
			continue
		}
		wait, fails := s.schedule.decide(n.thread, n.id, s.kinds[n.nr], time.Now())
		switch {
		case fails:
			s.fail(n)
		case wait <= 0:
			s.proceed(n)
		default:
			go s.proceedAfter(n, wait)
		}
	}
}

// ofFile reports whether a call is for a regular file other than the standard streams. The
// descriptor may belong to another file when the call proceeds; that file then gets the same treatment.
func ofFile(n *notification) bool {
	const standard = 2
	fd := int32(n.args[0])
	var stat unix.Stat_t
	return fd > standard && unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", n.thread, fd), &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG
}

// over reports whether no thread has the filter any more.
func (s *Supervisor) over() bool {
	fds := []unix.PollFd{{Fd: int32(s.listener)}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&unix.POLLHUP != 0
}

// proceedAfter lets a call proceed after a delay. It sleeps in a thread of its own, because
// Go's timers are up to a millisecond late in a process that is otherwise idle.
func (s *Supervisor) proceedAfter(n notification, delay time.Duration) {
	for left := unix.NsecToTimespec(int64(delay)); unix.Nanosleep(&left, &left) == unix.EINTR; {
	}
	s.proceed(n)
}

// proceed lets the kernel carry out the call.
func (s *Supervisor) proceed(n notification) {
	s.schedule.answered(n.thread, n.id, time.Now())
	s.send(answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// fail makes the call fail.
func (s *Supervisor) fail(n notification) {
	errno := unix.EIO
	if s.kinds[n.nr] != kindSync {
		errno = unix.ENOSPC
	}
	s.send(answer{id: n.id, errno: -int32(errno)})
}

// send sends an answer. It does not check the notification first, because the memory of the
// process is not read: the kernel rejects an answer to a thread that has ended, or that was
// interrupted and repeats its call, with ENOENT.
func (s *Supervisor) send(a answer) {
	for control(s.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) == unix.EINTR {
	}
}

func control(fd int, request uintptr, argument unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	return errno
}

// Check returns an error if the system does not let a process supervise the calls of another.
// It delays a call of a thread that is created for the check.
func Check() error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		result <- probe()
	}()
	if err := <-result; err != nil {
		return fmt.Errorf("disturbances of disks need Linux 5.5 or later with seccomp user notification: %w", err)
	}
	return nil
}

// probe supervises one call of its own thread: the sync of an invalid descriptor, which must
// fail as it does without supervision.
func probe() error {
	s := &Supervisor{kinds: kinds()}
	var err error
	if s.listener, err = listen(Calls{Syncs: true}, s.kinds); err != nil {
		return err
	}
	served := make(chan unix.Errno, 1)
	go func() {
		var n notification
		errno := control(s.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
		if errno == 0 {
			a := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
			errno = control(s.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
		}
		_ = unix.Close(s.listener) // releases the thread, whatever the outcome
		served <- errno
	}()
	err = unix.Fsync(-1)
	if errno := <-served; errno != 0 {
		return fmt.Errorf("answer a system call: %w", errno)
	}
	if !errors.Is(err, unix.EBADF) {
		return fmt.Errorf("let a system call go on: %w", err)
	}
	return nil
}
