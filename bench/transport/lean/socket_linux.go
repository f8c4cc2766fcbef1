package lean

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connection that Go's network poller does not manage. Read never waits.
type socket struct {
	net.Addr // the peer's
	mu       sync.Mutex
	fd       int
	closed   bool
}

// newSocket detaches a connection from Go's network poller.
func newSocket(conn net.Conn) (*socket, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{Addr: conn.RemoteAddr(), fd: -1}
	var dupErr error
	err = raw.Control(func(fd uintptr) {
		s.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return nil, fmt.Errorf("take over a connection: %w", err)
	}
	if err := conn.Close(); err != nil { // of the other descriptor
		s.free()
		return nil, fmt.Errorf("take over a connection: %w", err)
	}
	return s, nil
}

// watchedBy has a poller watch the socket.
func (s *socket) watchedBy(p *Poller, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return p.watch(s.fd, id)
}

// Read implements [net.Conn]. It returns a waitError if there is no data.
func (s *socket) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	for {
		n, errno := s.call(unix.SYS_READ, p)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return 0, waitError{}
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// try writes as much as the socket accepts at once.
func (s *socket) try(p []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	for n := 0; written < len(p); written += n {
		var errno unix.Errno
		switch n, errno = s.call(unix.SYS_WRITE, p[written:]); {
		case errno == unix.EINTR:
			n = 0
		case errno == unix.EAGAIN:
			return written, nil
		case errno != 0:
			return written, os.NewSyscallError("write", errno)
		case n == 0:
			return written, io.ErrUnexpectedEOF
		}
	}
	return written, nil
}

// call reads or writes without telling Go's scheduler, because it never waits. The number of bytes
// is not negative.
func (s *socket) call(number uintptr, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(number, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Write implements [net.Conn], and waits.
func (s *socket) Write(p []byte) (written int, err error) {
	for {
		n, err := s.try(p[written:])
		if written += n; err != nil || written == len(p) {
			return written, err
		}
		// The descriptor is closed only after the end of the goroutine that writes.
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, 1000)
		if err != nil && err != unix.EINTR {
			return written, os.NewSyscallError("poll", err)
		}
	}
}

// Close implements [net.Conn]. It ends reads and writes. The descriptor remains open until
// free.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(s.fd, unix.SHUT_RDWR) // the peer may have been first
	}
	return nil
}

// free closes the descriptor.
func (s *socket) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = unix.Close(s.fd)
	}
}

// The methods below complete [net.Conn]. Nothing depends on what they do.
func (s *socket) LocalAddr() net.Addr              { return s.Addr }
func (s *socket) RemoteAddr() net.Addr             { return s.Addr }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
