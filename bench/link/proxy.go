package link

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what a proxy forwards.
type Options struct {
	// Target is where connections go, host:port.
	Target string
	// Up is the way to the target, Down the way back.
	Up, Down *Direction
	// Identify may tell connections apart: it sees what a connection has sent, from
	// its beginning or in part, until it returns the directions that it takes from
	// then on. It may be nil.
	Identify func(sent []byte) (up, down *Direction, ok bool)
}

// Proxy forwards TCP connections to one target.
type Proxy struct {
	// Address is where it listens: a free port of loopback.
	Address string

	options  Options
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]bool
}

// Listen starts a proxy.
func Listen(o Options) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{Address: l.Addr().String(), options: o, listener: l, conns: map[*conn]bool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p, nil
}

// Cut closes every connection; new ones are let through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cancel()
	}
}

// Close ends the proxy and every connection through it, and waits for them.
func (p *Proxy) Close() {
	p.cancel()
	_ = p.listener.Close()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

// serve forwards one connection until it ends.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	target, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.options.Target)
	if err != nil {
		return
	}
	defer target.Close()
	c := &conn{identify: p.options.Identify}
	c.up.Store(p.options.Up)
	c.down.Store(p.options.Down)
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
	var ways sync.WaitGroup
	ways.Go(func() { c.carry(client, target, &c.up, c.inspect) })
	ways.Go(func() { c.carry(target, client, &c.down, nil) })
	// The ways end with each other, or with the proxy.
	<-c.ctx.Done()
	_ = client.Close()
	_ = target.Close()
	ways.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// conn is one connection through a proxy.
type conn struct {
	ctx      context.Context
	cancel   context.CancelFunc
	up, down atomic.Pointer[Direction]
	// identify is nil once the connection is known.
	identify func(sent []byte) (up, down *Direction, ok bool)
	tail     []byte
}

// headLength is how many of the bytes sent before are searched together with those sent
// now: a header may come in two pieces.
const headLength = 512

// inspect tries to tell whose connection it is.
func (c *conn) inspect(sent []byte) {
	if c.identify == nil {
		return
	}
	c.tail = append(c.tail, sent...)
	if up, down, ok := c.identify(c.tail); ok {
		c.up.Store(up)
		c.down.Store(down)
		c.identify, c.tail = nil, nil
		return
	}
	c.tail = c.tail[max(0, len(c.tail)-headLength):]
}

// Pieces are as large as one read; so many may be under way before the sender waits.
const (
	pieceSize = 32 << 10
	underWay  = 1024
)

// piece is data under way.
type piece struct {
	data []byte
	way  *Direction
	due  time.Time
}

// carry reads from one end and, when it is due, writes to the other.
func (c *conn) carry(from, to net.Conn, way *atomic.Pointer[Direction], inspect func([]byte)) {
	pieces := make(chan piece, underWay)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer c.cancel()
		for p := range pieces {
			if !p.way.wait(c.ctx, p.due) {
				return
			}
			if _, err := to.Write(p.data); err != nil {
				return
			}
		}
	})
	defer writer.Wait()
	defer close(pieces)
	buf := make([]byte, pieceSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if inspect != nil {
				inspect(buf[:n])
			}
			d := way.Load()
			select {
			case pieces <- piece{append([]byte(nil), buf[:n]...), d, d.due(n)}:
			case <-c.ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}
