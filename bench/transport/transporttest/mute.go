package transporttest

import (
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
)

// Mute is an HTTP/2 server that reads requests and answers none.
type Mute struct {
	Address  string
	listener net.Listener
	ended    sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn
	count   int // requests that have arrived
	want    int
	arrived chan struct{} // closed when want requests have arrived
}

// NewMute starts a server on a free loopback port.
func NewMute() (*Mute, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start mute server: %w", err)
	}
	m := &Mute{Address: l.Addr().String(), listener: l, arrived: make(chan struct{})}
	m.ended.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.conns = append(m.conns, conn)
			m.mu.Unlock()
			m.ended.Go(func() { m.serve(conn) })
		}
	})
	return m, nil
}

// Arrived returns a channel that is closed when that many requests have arrived. It is called
// once.
func (m *Mute) Arrived(requests int) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want = requests
	m.check()
	return m.arrived
}

// Stop closes the server and its connections.
func (m *Mute) Stop() {
	_ = m.listener.Close()
	m.mu.Lock()
	for _, c := range m.conns {
		_ = c.Close()
	}
	m.mu.Unlock()
	m.ended.Wait()
}

// check closes the channel when enough requests have arrived. The lock is held.
func (m *Mute) check() {
	if m.want > 0 && m.count >= m.want {
		m.want = 0
		close(m.arrived)
	}
}

// serve reads one connection until it ends.
func (m *Mute) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.SetReuseFrames()
	err := framer.WriteSettings()
	for err == nil {
		var f http2.Frame
		if f, err = framer.ReadFrame(); err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				m.mu.Lock()
				m.count++
				m.check()
				m.mu.Unlock()
			}
			err = framer.WriteWindowUpdate(0, f.Length)
		}
	}
}
