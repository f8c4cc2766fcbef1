package lean

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// When the identifiers of streams are used up, calls go to another connection; the last
// ones are sent, answered and cancelled on the old one.
func TestIdentifiersRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		n.accept = func(_ int, p *peer) {
			p.serve(func(p *peer, stream uint32, request []byte) {
				p.later(time.Second, func() { p.answer(stream, request) })
			})
		}
		c := connect(t, n, Options{})
		time.Sleep(time.Second)
		c.mu.Lock()
		c.session.next = maxUint31 - 2 // two are left
		c.mu.Unlock()
		first := n.peer()
		var outcomes []*outcome
		for i := range 4 {
			_, o, _ := start(c, 5*time.Second, fmt.Sprint(i))
			outcomes = append(outcomes, o)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for i, o := range outcomes {
			if took := o.ended.Sub(o.began); o.err != nil || o.reply != fmt.Sprint(i) || took > 1100*time.Millisecond {
				t.Errorf("call %d: %q, %v after %v", i, o.reply, o.err, took)
			}
		}
		if n.dials() != 2 {
			t.Errorf("%d connections, want 2", n.dials())
		}
		if got, _, _ := first.get(maxUint31); string(got) != string(reply("1")) {
			t.Errorf("the last stream of the first connection got %q", got)
		}
		if _, err := first.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the first connection is still open: %v", err)
		}
	})
}

// A call on a connection that takes no more can be given up, and the server learns it.
func TestCancelOnADrainingConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(silence)
		c := connect(t, n, Options{})
		call, o, _ := start(c, 5*time.Second, "x")
		_, other, _ := start(c, 5*time.Second, "y")
		_, expired, _ := start(c, 2*time.Second, "z")
		time.Sleep(time.Second)
		p := n.peer()
		p.do(func() { _ = p.out.WriteGoAway(maxUint31, http2.ErrCodeNo, nil) })
		time.Sleep(time.Second / 2)
		call.Cancel()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		wantCode(t, "cancelled", o.err, codes.Canceled)
		if _, code, reset := p.get(1); !reset || code != http2.ErrCodeCancel {
			t.Errorf("the server got the reset %v %v, want CANCEL", code, reset)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantCode(t, "expired", expired.err, codes.DeadlineExceeded)
		if _, code, reset := p.get(5); !reset || code != http2.ErrCodeCancel {
			t.Errorf("the server got the reset %v %v, want CANCEL", code, reset)
		}
		if other.times != 0 {
			t.Errorf("the other call ended: %v", other.err)
		}
	})
}

// Servers that take connections and end them are not asked more often than ones that are
// away, and calls end by their deadline.
func TestPauseBetweenConnections(t *testing.T) {
	goAway := func(p *peer, _ uint32, _ []byte) { _ = p.out.WriteGoAway(0, http2.ErrCodeNo, nil) }
	for name, accept := range map[string]func(int, *peer){
		"closed at once":  func(_ int, p *peer) {},
		"closed by greet": func(_ int, p *peer) { _ = p.out.WriteSettings() },
		"closed by call":  func(_ int, p *peer) { p.serve(func(p *peer, _ uint32, _ []byte) { _ = p.Close() }) },
		"GOAWAY at once": func(_ int, p *peer) {
			_ = p.out.WriteGoAway(0, http2.ErrCodeNo, nil)
			p.serve(silence)
		},
		"GOAWAY after greeting": func(_ int, p *peer) {
			_ = p.out.WriteSettings()
			_ = p.out.WriteGoAway(0, http2.ErrCodeNo, nil)
			p.silent = true
			p.serve(silence)
		},
		"GOAWAY by call": func(_ int, p *peer) { p.serve(goAway) },
		"no HTTP/2":      func(_ int, p *peer) { _, _ = p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{accept: accept}
				c := connect(t, n, Options{})
				began := time.Now()
				for i := 0; time.Since(began) < 9*time.Second; i++ {
					_, o, done := start(c, 10*time.Second, "x")
					<-done
					if took := o.ended.Sub(o.began); o.err == nil || took > 10100*time.Millisecond {
						t.Errorf("%v after %v", o.err, took)
					}
					if i > 1000 {
						t.Fatal("calls fail without a pause")
					}
				}
				if dials := n.dials(); dials > 40 {
					t.Errorf("%d connections within 10 s", dials)
				}
			})
		})
	}
}

// A connection that served for a while is replaced at once.
func TestConnectionIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c := connect(t, n, Options{})
		for range 5 {
			time.Sleep(10 * time.Second)
			_ = n.peer().Close()
			synctest.Wait()
			_, o, done := start(c, time.Second, "x")
			<-done
			if took := o.ended.Sub(o.began); o.err != nil || took > 0 {
				t.Errorf("%v after %v", o.err, took)
			}
		}
	})
}

// A header list is bounded, compressed or not, and one that is larger ends its call alone
// where the table stays known.
func TestHugeHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := strings.Repeat("x", 4000)
		plays := map[string]func(p *peer, stream uint32){
			"many references": func(p *peer, stream uint32) { // a byte each
				block := p.encode(":status", "200", "content-type", "application/grpc", "x", large)
				block = append(block, strings.Repeat("\xbe", 16000)...)
				_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:8000]})
				_ = p.out.WriteContinuation(stream, true, block[8000:16000])
			},
		}
		for name, play := range plays {
			n := serving(func(p *peer, stream uint32, request []byte) {
				if stream == 1 {
					play(p, stream)
				} else {
					p.answer(stream, request)
				}
			})
			c := connect(t, n, Options{})
			_, err := callFor(t, c, time.Second, "x")
			wantCode(t, name, err, codes.Internal)
			if text, err := callFor(t, c, time.Second, "y"); err != nil || text != "y" || n.dials() != 1 {
				t.Errorf("%s: the next call: %q, %v, on connection %d", name, text, err, n.dials())
			}
		}
	})
}

// Floods are bounded: they end the connection, or cost nothing that stays.
func TestFloods(t *testing.T) {
	const many = 20_000
	for name, test := range map[string]struct {
		frame func(p *peer, stream uint32, i int)
		ends  bool
	}{
		"PING":     {func(p *peer, _ uint32, i int) { _ = p.out.WritePing(false, [8]byte{byte(i)}) }, true},
		"SETTINGS": {func(p *peer, _ uint32, _ int) { _ = p.out.WriteSettings() }, true},
		"empty CONTINUATION": {func(p *peer, stream uint32, i int) {
			if i == 0 {
				_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}})
			} else {
				_ = p.out.WriteContinuation(stream, false, nil)
			}
		}, true},
		"CONTINUATION": {func(p *peer, stream uint32, i int) {
			if i == 0 {
				_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}})
			} else {
				_ = p.out.WriteContinuation(stream, false, []byte(strings.Repeat("\x88", 1000)))
			}
		}, true},
		"RST_STREAM":    {func(p *peer, _ uint32, _ int) { _ = p.out.WriteRSTStream(1, http2.ErrCodeCancel) }, false},
		"empty DATA":    {func(p *peer, _ uint32, _ int) { _ = p.out.WriteData(1, false, nil) }, false},
		"WINDOW_UPDATE": {func(p *peer, _ uint32, _ int) { _ = p.out.WriteWindowUpdate(1, 1) }, false},
		"HEADERS": {func(p *peer, _ uint32, _ int) {
			_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := serving(func(p *peer, stream uint32, request []byte) {
					if stream != 3 {
						p.answer(stream, request)
						return
					}
					for i := range many {
						test.frame(p, stream, i)
					}
					p.answer(stream, request)
				})
				c := connect(t, n, Options{})
				for _, text := range []string{"first", "flood", "next"} {
					got, err := callFor(t, c, 5*time.Second, text)
					if text == "flood" && test.ends {
						wantCode(t, text, err, codes.Unavailable)
					} else if err != nil || got != text {
						t.Errorf("%s: %q, %v", text, got, err)
					}
				}
			})
		})
	}
}

// The connection may be cut after any byte that the server sends, or slowed to a byte at
// a time: no call gets a wrong answer, and each ends.
func TestCutAndSplitAtEveryByte(t *testing.T) {
	t.Parallel()
	length := 0
	for limit := 0; limit == 0 || limit <= length; limit++ {
		synctest.Test(t, func(t *testing.T) {
			n := &network{}
			n.accept = func(i int, p *peer) {
				if i > 0 {
					p.serve(echo)
					return
				}
				conn := &cutting{Conn: p.Conn, limit: limit}
				if limit == 0 {
					conn.limit = 1 << 20 // only split
				}
				q := newPeer(conn)
				q.serve(func(p *peer, stream uint32, request []byte) {
					if _ = p.out.WritePing(false, [8]byte{}); stream == 3 {
						_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 9})
						_ = p.out.WriteWindowUpdate(0, 9)
						_ = p.out.WriteDataPadded(1, false, nil, make([]byte, 3))
						_ = p.out.WriteGoAway(3, http2.ErrCodeNo, nil)
					}
					p.answer(stream, request)
				})
				if limit == 0 {
					length = conn.written
				}
			}
			c := connect(t, n, Options{})
			for i := range 3 {
				text := fmt.Sprint("text ", i)
				began := time.Now()
				got, err := callFor(t, c, 5*time.Second, text)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("cut at %d: call %d took %v", limit, i, took)
				}
				if err == nil && got != text {
					t.Errorf("cut at %d: call %d got %q", limit, i, got)
				} else if err != nil {
					wantCode(t, fmt.Sprintf("cut at %d: call %d", limit, i), err, codes.Unavailable)
				}
			}
		})
	}
	if length < 200 {
		t.Errorf("only %d bytes were tried", length)
	}
}

// cutting is a connection that writes a byte at a time and closes after some.
type cutting struct {
	net.Conn
	limit, written int
}

func (c *cutting) Write(data []byte) (int, error) {
	for i := range data {
		if c.written == c.limit {
			_ = c.Conn.Close()
			return i, io.ErrClosedPipe
		}
		if _, err := c.Conn.Write(data[i : i+1]); err != nil {
			return i, err
		}
		c.written++
	}
	return len(data), nil
}

// A connection that is closed while it connects leaves nothing behind.
func TestCloseWhileConnecting(t *testing.T) {
	for _, greets := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{accept: func(_ int, p *peer) { p.silent = true; p.serve(silence) }}
			c := New(Options{Address: "server:1", Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if greets {
					return n.dial(ctx, network, address)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			_, o, done := start(c, 10*time.Second, "x")
			time.Sleep(time.Second)
			_ = c.Close()
			<-done
			wantCode(t, "call", o.err, codes.Canceled)
			n.served.Wait()
		})
	}
}
