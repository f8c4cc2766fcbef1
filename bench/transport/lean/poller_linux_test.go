package lean

import (
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
