package lean

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// A wire is a connection whose writes never wait: what the socket does not take at once
// is written by a goroutine, in order.
type wire struct {
	net.Conn
	socket syscall.RawConn // nil where it cannot be written without waiting

	mu       sync.Mutex
	backlog  []byte
	draining bool
	err      error
	drained  sync.WaitGroup

	attempt func(fd uintptr) bool
	data    []byte // of the attempt
	n       int    // that it wrote
	failed  error
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn}
	if s, ok := conn.(syscall.Conn); ok && canTry {
		w.socket, _ = s.SyscallConn()
	}
	w.attempt = func(fd uintptr) bool {
		w.n, w.failed = tryWrite(fd, w.data)
		return true // whatever came of it: we do not wait
	}
	return w
}

// maxBacklog is how much may wait for a peer that does not read when more is written.
const maxBacklog = 64 << 20

// Write implements [net.Conn]. It returns without waiting. An error is that of an
// earlier write, or says that too much waits already.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	left := p
	if !w.draining && w.canTry() {
		n, err := w.try(p)
		if err != nil {
			w.err = err
			return n, err
		}
		left = p[n:]
	}
	if len(left) == 0 {
		return len(p), nil
	}
	if len(w.backlog) > maxBacklog {
		w.err = errNotReading
		return len(p) - len(left), w.err
	}
	w.backlog = append(w.backlog, left...)
	if !w.draining {
		w.draining = true
		w.drained.Go(w.drain)
	}
	return len(p), nil
}

func (w *wire) canTry() bool {
	_, ok := w.Conn.(*socket)
	return ok || w.socket != nil
}

// try writes what the socket takes at once.
func (w *wire) try(p []byte) (n int, err error) {
	if s, ok := w.Conn.(*socket); ok {
		return s.try(p)
	}
	w.data = p
	err = w.socket.Write(w.attempt)
	w.data = nil
	if err == nil {
		err = w.failed
	}
	return w.n, err
}

// drain writes the backlog, and waits where that takes time.
func (w *wire) drain() {
	var spare []byte
	for {
		w.mu.Lock()
		data := w.backlog
		if len(data) == 0 || w.err != nil {
			w.draining, w.backlog = false, nil
			w.mu.Unlock()
			return
		}
		w.backlog = spare[:0]
		w.mu.Unlock()
		_, err := w.Conn.Write(data)
		spare = data
		if err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			_ = w.Conn.Close() // the reader notices
		}
	}
}

// Close closes the connection and waits for the goroutine. No other is begun.
func (w *wire) Close() error {
	w.mu.Lock()
	if w.err == nil {
		w.err = net.ErrClosed
	}
	w.mu.Unlock()
	err := w.Conn.Close()
	w.drained.Wait()
	if s, ok := w.Conn.(*socket); ok {
		s.free()
	}
	return err
}

// detach takes the connection away from Go's network poller: its reads never wait from
// now on. Nothing may be read or written meanwhile.
func (w *wire) detach() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining {
		return errNotReading
	}
	s, err := newSocket(w.Conn)
	if err != nil {
		return err
	}
	w.Conn, w.socket = s, nil
	return nil
}

// waitError says that there is nothing to be read yet. For package crypto/tls, it is an
// error that goes by.
type waitError struct{}

func (waitError) Error() string   { return "nothing to be read yet" }
func (waitError) Timeout() bool   { return true }
func (waitError) Temporary() bool { return true }

var errNotReading = errors.New("the peer does not read what it is sent")
