package lean

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// A wire is a connection whose writes never wait: a goroutine writes what the socket does not
// accept at once, in order.
type wire struct {
	net.Conn
	socket syscall.RawConn // nil if the connection cannot be written without waiting

	mu       sync.Mutex
	backlog  []byte
	queued   atomic.Int64 // bytes of the backlog and of what is taken out of it to be written
	roomy    func()       // called when the queue is no longer full; nil: nothing waits for that
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
		return true // also after an error: try never waits
	}
	return w
}

// The queue is full when it has more than maxBacklog bytes, until it has no more than
// roomyBacklog.
const (
	maxBacklog   = 64 << 20
	roomyBacklog = maxBacklog / 2
)

// full reports whether so much data waits for a peer that does not read that no more should be
// written. Write accepts it nevertheless.
func (w *wire) full() bool { return w.queued.Load() > maxBacklog }

// Write implements [net.Conn]. It returns without waiting. An error is that of an
// earlier write.
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
	w.backlog = append(w.backlog, left...)
	w.queued.Add(int64(len(left)))
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

// try writes as much as the socket accepts at once.
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

// drain writes the backlog, and waits if necessary.
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
		err := w.writeOut(data)
		spare = data
		if err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			_ = w.Conn.Close() // the reader notices
		}
	}
}

// drainPiece is the number of bytes that are written before the queue is checked.
const drainPiece = 1 << 20

// writeOut writes data from the queue, and calls roomy when there is room again.
func (w *wire) writeOut(data []byte) error {
	for piece := range slices.Chunk(data, drainPiece) {
		if _, err := w.Conn.Write(piece); err != nil {
			return err
		}
		n := int64(len(piece))
		if left := w.queued.Add(-n); left <= roomyBacklog && left+n > roomyBacklog && w.roomy != nil {
			w.roomy()
		}
	}
	return nil
}

// Close closes the connection and waits for the goroutine. No other goroutine starts.
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

// detach detaches the connection from Go's network poller: its reads never wait from then on.
// There must be no concurrent reads or writes.
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

// waitError means that there are no data to read yet. Package crypto/tls treats it as a
// temporary error.
type waitError struct{}

func (waitError) Error() string   { return "no data to read yet" }
func (waitError) Timeout() bool   { return true }
func (waitError) Temporary() bool { return true }

var errNotReading = errors.New("the peer does not read what it is sent")
