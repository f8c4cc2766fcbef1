package link

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a proxy.
type Options struct {
	// Target is the destination of connections, host:port.
	Target string
	// Up is the direction to the target, Down the opposite one.
	Up, Down *Direction
	// Identify, if not nil, selects the directions of a connection by the data that it has
	// sent. It is called with parts of that data until ok is true. The returned directions
	// apply from then on.
	Identify func(sent []byte) (up, down *Direction, ok bool)
}

// Proxy forwards TCP connections to one target.
type Proxy struct {
	// Address is the address of the proxy, host:port: a free port of the loopback interface.
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

// Cut closes every connection. New connections are accepted.
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
	// Each direction ends when the other one ends, or when the proxy is closed.
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
	// identify is nil when the connection has been identified.
	identify func(sent []byte) (up, down *Direction, ok bool)
	tail     []byte
}

// headLength is the number of previously sent bytes that are searched together with new ones,
// because a header may arrive in two pieces.
const headLength = 512

// inspect tries to identify the connection.
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

// pieceSize is the largest size of a piece, in bytes. inTransit is the number of pieces in
// transit from which on the sender waits.
const (
	pieceSize = 32 << 10
	inTransit = 1024
)

// piece is data in transit.
type piece struct {
	data []byte
	way  *Direction
	due  time.Time
}

// carry reads from one end and writes to the other when the data is due.
func (c *conn) carry(from, to net.Conn, way *atomic.Pointer[Direction], inspect func([]byte)) {
	pieces := make(chan piece, inTransit)
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
