package transporttest

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy forwards TCP connections to one address and can hold them still.
type Proxy struct {
	Address string

	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	frozen time.Time     // nothing is forwarded before
	delay  time.Duration // of what the server sends
	conns  map[net.Conn]bool
	closed bool
}

// NewProxy starts a proxy on a free loopback port.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{Address: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Freeze holds back everything, in both directions, for the given time.
func (p *Proxy) Freeze(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = time.Now().Add(d)
}

// Delay makes everything that the server sends arrive so much later. It holds
// for what is sent from now on.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut closes every connection; new ones are let through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			_ = client.Close()
			continue
		}
		p.wg.Go(func() { p.forward(client, server) })
		late := make(chan chunk, 1<<12)
		p.wg.Go(func() { p.collect(server, client, late) })
		p.wg.Go(func() { deliver(client, late) })
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.closed
}

// chunk is bytes that are due at a time.
type chunk struct {
	data []byte
	due  time.Time
}

// collect reads what the server sends and says when it is due.
func (p *Proxy) collect(from, to net.Conn, late chan<- chunk) {
	defer close(late)
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		p.mu.Lock()
		due := time.Now().Add(p.delay)
		if p.frozen.After(due) {
			due = p.frozen
		}
		p.mu.Unlock()
		if n > 0 {
			late <- chunk{buf[:n], due}
		}
		if err != nil {
			p.drop(from, to)
			return
		}
	}
}

// deliver writes what is due. When it cannot, it goes on emptying the channel.
func deliver(to net.Conn, late <-chan chunk) {
	var err error
	for c := range late {
		if err != nil {
			continue
		}
		time.Sleep(time.Until(c.due))
		_, err = to.Write(c.data)
	}
}

func (p *Proxy) forward(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		hold := time.Until(p.frozen)
		p.mu.Unlock()
		if hold > 0 {
			time.Sleep(hold)
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			break
		}
	}
	p.drop(from, to)
}

func (p *Proxy) drop(from, to net.Conn) {
	_ = from.Close()
	_ = to.Close()
	p.mu.Lock()
	delete(p.conns, from)
	delete(p.conns, to)
	p.mu.Unlock()
}
