package lean

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A connection that is closed before the poller has read it for the first time leaves
// nothing in the poller.
func TestClosedBeforeThePollerReads(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p.Take(false) // so that nothing is read until Poll
	defer p.Release()
	c := New(Options{Address: listener.Addr().String(), Poller: p})
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	added := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.fresh) > 0
	}
	for deadline := time.Now().Add(10 * time.Second); !added(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the poller was given no connection")
		}
	}
	_ = c.Close()
	p.Poll(time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) > 0 {
		t.Errorf("the poller has %d sessions, want none", len(p.sessions))
	}
}

// A poller that keeps its processor while it waits holds up neither the collector nor timers.
func TestPollerThatKeepsItsProcessor(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	var stop atomic.Bool
	var polling sync.WaitGroup
	polling.Go(func() {
		p.Take(true)
		defer p.Release()
		for !stop.Load() {
			p.Poll(shortWait)
		}
	})
	for range 20 {
		runtime.GC()
		<-time.After(shortWait / 2)
	}
	stop.Store(true)
	polling.Wait()
}

// endless is a connection that always has another frame, of a kind that is ignored.
type endless struct {
	net.Conn
	reads, most int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.reads++; e.reads > e.most {
		return 0, io.EOF
	}
	return copy(p, appendFrameHeader(nil, 0, 0xfa, 0, 0)), nil
}

// A connection that always has data, as one with TLS may, does not keep a poller from others and
// from the end of its time.
func TestPollerWithABusyConnection(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	p.Take(false)
	defer p.Release()
	client, server := net.Pipe()
	defer server.Close()
	c := New(Options{Address: "nowhere:1", Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	defer c.Close()
	conn := &endless{Conn: client, most: 10_000}
	s := newSession(c, conn, newWire(client))
	c.mu.Lock()
	s.keepalive = time.AfterFunc(time.Hour, s.checkAlive)
	s.isGreeted = true
	c.sessions[s] = struct{}{}
	c.mu.Unlock()
	defer s.fail(errClosed())
	p.read(s)
	for last := 0; last < 100; last = conn.reads {
		if conn.reads-last > 64 {
			t.Fatalf("%d reads without a pause", conn.reads-last)
		}
		if p.Poll(time.Minute); conn.reads == last {
			t.Fatal("the connection is not read any more")
		}
	}
	conn.most = conn.reads // the end of the data
	p.Poll(time.Minute)
	if !s.hasFailed() {
		t.Error("the end of the connection was not noticed")
	}
	p.Poll(time.Millisecond)
	if len(p.unread) > 0 {
		t.Errorf("the poller still reads %d sessions", len(p.unread))
	}
}
