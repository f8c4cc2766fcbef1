package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// byteFaults are the faults that a proxy causes on a connection: the share of the bytes that it changes,
// and the shares of the pieces at which it cuts or holds the connection.
type byteFaults struct{ flips, cuts, holds float64 }

// byteProxy forwards connections, with faults.
type byteProxy struct {
	listener net.Listener
	target   string
	faults   byteFaults
	work     sync.WaitGroup

	mu    sync.Mutex
	rand  *rand.Rand
	conns map[net.Conn]bool
}

func newByteProxy(target string, f byteFaults, seed uint64) (*byteProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &byteProxy{listener: l, target: target, faults: f, rand: rand.New(rand.NewPCG(seed, 3)), conns: map[net.Conn]bool{}}
	p.work.Go(p.accept)
	return p, nil
}

func (p *byteProxy) address() string { return p.listener.Addr().String() }

func (p *byteProxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.work.Wait()
}

func (p *byteProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		open := p.conns != nil
		if open {
			p.conns[client], p.conns[server] = true, true
		}
		p.mu.Unlock()
		if !open {
			_, _ = client.Close(), server.Close()
			return
		}
		p.work.Go(func() { p.forward(client, server) })
		p.work.Go(func() { p.forward(server, client) })
	}
}

// forward copies one way until the connection ends or is cut.
func (p *byteProxy) forward(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			cut, hold := p.damage(piece[:n])
			time.Sleep(hold)
			if cut {
				return
			}
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// damage changes bytes of a piece and says whether the connection is cut before it, and how
// long it is held.
func (p *byteProxy) damage(piece []byte) (cut bool, hold time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rand.Float64() < p.faults.flips*float64(len(piece)) {
		piece[p.rand.IntN(len(piece))] ^= 1 << p.rand.IntN(8)
	}
	if p.rand.Float64() < p.faults.holds {
		hold = time.Duration(p.rand.Int64N(int64(3 * time.Second)))
	}
	return p.rand.Float64() < p.faults.cuts, hold
}
