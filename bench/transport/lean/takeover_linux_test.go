package lean

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// reluctant is a connection whose Close fails, although it closes.
type reluctant struct{ *net.TCPConn }

func (r reluctant) Close() error {
	_ = r.TCPConn.Close()
	return errors.New("closed already")
}

// acceptOne returns both ends of a connection.
func acceptOne(t *testing.T) (client *net.TCPConn, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return conn.(*net.TCPConn), server
}

// An attempt to detach a connection that fails leaves no descriptor behind.
func TestFailureToDetach(t *testing.T) {
	t.Parallel()
	client, server := acceptOne(t)
	if _, err := newSocket(reluctant{client}); err == nil {
		t.Error("no error")
	}
	_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the server reads %v, want EOF", err)
	}
}

// A connection that is closed at any time while it connects leaves no socket and nothing in the
// poller.
func TestCloseWhileAPollerTakesOver(t *testing.T) {
	t.Parallel()
	p, err := NewPoller()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	ended := make(chan error, 1)
	address := socketServer(t, func(_ int, p *peer) {
		p.silent = true
		p.serve(silence)
		_ = p.SetReadDeadline(time.Now().Add(10 * time.Second))
		ended <- nil
	})
	for i := range 100 {
		c := New(Options{Address: address, Poller: p})
		registered := func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.sessions) > 0
		}
		for !registered() {
			time.Sleep(time.Microsecond)
		}
		time.Sleep(time.Duration(i) * time.Microsecond)
		_ = c.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("the socket is still open")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) > 0 {
		t.Errorf("the poller has %d sessions, want none", len(p.sessions))
	}
}
