package lean

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller reads many connections from one goroutine, without Go's network poller: a reply
// then takes one wait and one read, and wakes no other thread. By default that goroutine does
// nothing else. A goroutine that waits for a time, such as the next arrival of an open loop,
// can take its place, so that both waits are one.
//
// Its capacity is what one CPU can read. It needs Linux 5.11 or later.
type Poller struct {
	epoll, event int
	events       []unix.EpollEvent

	turn    sync.Mutex // held by the goroutine that polls
	keeps   bool       // a processor in short waits; of the goroutine that polls
	unread  []*session // that may have more data; of the goroutine that polls
	wanted  atomic.Int32
	release chan struct{} // the goroutine of its own may go on
	closing atomic.Bool
	ended   sync.WaitGroup

	mu       sync.Mutex
	sessions map[uint64]*session
	fresh    []*session // to be read for the first time
	last     uint64     // the latest session's number
}

// NewPoller returns a poller that polls. It returns an error if the system lacks what the
// poller needs.
func NewPoller() (*Poller, error) {
	p := &Poller{events: make([]unix.EpollEvent, 128), sessions: map[uint64]*session{}, release: make(chan struct{}, 1)}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a poller: %w", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("make a poller: %w", err), unix.Close(p.epoll))
	}
	err = p.watch(p.event, 0)
	if err == nil {
		_, err = p.wait(0) // tries the system call
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a poller: %w", err), unix.Close(p.event), unix.Close(p.epoll))
	}
	p.ended.Go(p.run)
	return p, nil
}

// Close ends the poller, whose connections must be closed.
func (p *Poller) Close() {
	p.closing.Store(true)
	p.wake()
	p.ended.Wait()
	_ = unix.Close(p.event)
	_ = unix.Close(p.epoll)
}

// run polls, except while another goroutine does.
func (p *Poller) run() {
	for !p.closing.Load() {
		p.turn.Lock()
		_ = p.poll(-1) // the next attempt shows an error again
		p.turn.Unlock()
		for p.wanted.Load() > 0 {
			<-p.release
		}
	}
}

// Take makes the calling goroutine the one that polls, until Release. It must call Poll
// repeatedly. Only one goroutine at a time may do so. alone says that other goroutines have
// little to do: short waits then keep one of Go's processors, which costs less than to give
// it away and to take it again.
func (p *Poller) Take(alone bool) {
	p.wanted.Add(1)
	p.wake()
	p.turn.Lock()
	p.keeps = alone && runtime.GOMAXPROCS(0) > 1
	// Timers of this thread are to be exact, not rounded to 50 µs.
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

// Release ends Take.
func (p *Poller) Release() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // the default
	runtime.UnlockOSThread()
	p.keeps = false
	p.turn.Unlock()
	if p.wanted.Add(-1) == 0 {
		select {
		case p.release <- struct{}{}:
		default:
		}
	}
}

// Poll handles replies for at most d. It returns early after some.
func (p *Poller) Poll(d time.Duration) { _ = p.poll(d) }

func (p *Poller) wake() { _, _ = unix.Write(p.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// poll waits at most d, or without limit if d is negative, and handles the replies.
func (p *Poller) poll(d time.Duration) error {
	unread := p.unread
	if p.unread = nil; len(unread) > 0 {
		d = 0
	}
	n, err := p.wait(d)
	for _, s := range unread {
		p.read(s)
	}
	for _, e := range p.events[:max(n, 0)] {
		if id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32; id == 0 {
			var count [8]byte
			_, _ = unix.Read(p.event, count[:])
			p.begin()
		} else if s := p.session(id); s != nil {
			p.read(s)
		}
	}
	return err
}

// read reads a session, and again in the next turn if it has more data than is read at once.
func (p *Poller) read(s *session) {
	if s.readReady() && !slices.Contains(p.unread, s) {
		p.unread = append(p.unread, s)
	}
}

// shortWait is the longest wait that keeps a processor. The collector's signals end it early.
const shortWait = time.Millisecond

// wait is epoll_pwait2, whose timeout is exact.
func (p *Poller) wait(d time.Duration) (n int, err error) {
	var timeout *unix.Timespec
	if d >= 0 {
		t := unix.NsecToTimespec(int64(d))
		timeout = &t
	}
	events, size := unsafe.Pointer(&p.events[0]), uintptr(len(p.events))
	var r uintptr
	var errno unix.Errno
	if d == 0 || p.keeps && 0 < d && d <= shortWait {
		r, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epoll), uintptr(events), size, uintptr(unsafe.Pointer(timeout)), 0, 0)
	} else {
		r, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epoll), uintptr(events), size, uintptr(unsafe.Pointer(timeout)), 0, 0)
	}
	switch errno {
	case 0:
		return int(r), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

func (p *Poller) watch(fd int, id uint64) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd,
		&unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(uint32(id)), Pad: int32(id >> 32)})
}

func (p *Poller) session(id uint64) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[id]
}

// add makes the poller read a session.
func (p *Poller) add(s *session) {
	p.mu.Lock()
	p.fresh = append(p.fresh, s)
	p.mu.Unlock()
	p.wake()
}

// begin reads new sessions for the first time: TLS may hold data that it has already read.
func (p *Poller) begin() {
	p.mu.Lock()
	fresh := p.fresh
	p.fresh = nil
	for _, s := range fresh {
		p.last++
		s.number = p.last
		p.sessions[s.number] = s
	}
	p.mu.Unlock()
	for _, s := range fresh {
		if s.hasFailed() { // before it had its number, by which it is removed
			p.remove(s)
			continue
		}
		if err := s.wire.Conn.(*socket).watchedBy(p, s.number); err != nil {
			s.fail(fmt.Errorf("poll: %w", err))
			continue
		}
		p.read(s)
	}
}

// remove makes the poller stop reading a session.
func (p *Poller) remove(s *session) {
	p.mu.Lock()
	delete(p.sessions, s.number)
	p.mu.Unlock()
}
