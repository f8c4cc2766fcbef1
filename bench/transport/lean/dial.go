package lean

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// The pause between attempts to connect grows from the first to the last of these values, and
// varies by a fifth. There is no pause after a session that lasted for steadyTime. A server
// that accepts and closes connections is dialled no more often than one that is down. An
// attempt may take connectTime.
const (
	firstPause  = 20 * time.Millisecond
	lastPause   = time.Second
	pauseGrowth = 1.6
	steadyTime  = time.Second
	connectTime = 20 * time.Second
)

// connect makes sure that an attempt to connect is under way. The lock is held.
func (c *Conn) connect() {
	if c.dialing || c.closed || c.session != nil {
		return
	}
	c.dialing = true
	if c.now()-c.used >= steadyTime {
		c.pause = 0
	}
	c.work.Go(func() {
		for {
			c.rest()
			if c.ctx.Err() != nil {
				return
			}
			err := c.attempt()
			if err == nil {
				return
			}
			c.mu.Lock()
			c.dialErr = err
			c.mu.Unlock()
		}
	})
}

// rest waits for the pause before an attempt, and determines the next pause.
func (c *Conn) rest() {
	pause := c.pause
	c.pause = min(max(firstPause, time.Duration(float64(pause)*pauseGrowth)), lastPause)
	if pause == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.hurry:
		c.pause = firstPause
	case <-c.ctx.Done():
	}
}

// attempt makes one connection and waits for the settings of the server.
func (c *Conn) attempt() error {
	ctx, cancel := context.WithTimeout(c.ctx, connectTime)
	defer cancel()
	raw, err := c.options.Dial(ctx, c.options.Network, c.options.Address)
	if err != nil {
		return err
	}
	w := newWire(raw)
	var conn net.Conn = w
	if c.options.TLS != nil {
		if conn, err = c.secure(ctx, w); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	if c.options.Poller != nil { // before others know the connection, and may close it
		if err := w.detach(); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	s := newSession(c, conn, w)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = w.Close()
		return errClosed()
	}
	c.sessions[s] = struct{}{}
	s.greet()
	s.flush()
	if p := c.options.Poller; p != nil {
		p.add(s)
	} else {
		c.work.Go(s.read)
	}
	select {
	case <-s.greeted:
	case <-ctx.Done():
		s.fail(fmt.Errorf("no SETTINGS from the server: %w", ctx.Err()))
	}
	return c.use(s)
}

// use makes a session the one that accepts calls.
func (c *Conn) use(s *session) error {
	c.mu.Lock()
	if s.failure != nil || s.draining || c.closed {
		err := s.failure
		if err == nil {
			err = errors.New("the server accepts no calls")
			s.close()
		}
		c.mu.Unlock()
		return err
	}
	c.session, c.dialing, c.dialErr, c.used = s, false, nil, c.now()
	close(c.changed)
	c.admit()
	s.flush()
	return nil
}

// retire makes the session accept no more calls. The lock is held.
func (c *Conn) retire(s *session) {
	if c.session != s {
		return
	}
	c.session, c.changed = nil, make(chan struct{})
	c.connect()
}

// secure starts TLS on a connection and requires HTTP/2.
func (c *Conn) secure(ctx context.Context, w *wire) (net.Conn, error) {
	config := c.options.TLS.Clone()
	config.NextProtos = []string{"h2"}
	if config.ServerName == "" && !config.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(c.options.Authority)
		if err != nil {
			host = c.options.Authority
		}
		config.ServerName = host
	}
	conn := tls.Client(w, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		return nil, fmt.Errorf("TLS handshake: the server does not speak HTTP/2 (ALPN %q)", got)
	}
	return conn, nil
}
