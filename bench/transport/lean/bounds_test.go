package lean

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// A peer that asks for answers and reads none, at any pace, does not fill the memory: when the
// queue is full, the connection ends.
func TestAnswersToAPeerThatDoesNotRead(t *testing.T) {
	for name, ask := range map[string]func(p *peer) error{
		"PING":     func(p *peer) error { return p.out.WritePing(false, [8]byte{}) },
		"SETTINGS": func(p *peer) error { return p.out.WriteSettings() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				n := &network{accept: func(number int, p *peer) {
					_ = p.out.WriteSettings()
					<-end
				}}
				c := connect(t, n, Options{})
				defer close(end)
				synctest.Wait()
				c.mu.Lock()
				s := c.session
				s.wire.queued.Add(maxBacklog) // with what has been sent, it is full
				c.mu.Unlock()
				p := n.peer()
				asked := 0
				for err := error(nil); err == nil && asked <= 2*maxControl; asked++ {
					if asked%1000 == 999 {
						time.Sleep(2 * lazyTime)
					}
					err = ask(p)
				}
				if synctest.Wait(); !s.hasFailed() || asked > maxControl+10 {
					t.Errorf("the connection took %d frames", asked)
				}
			})
		})
	}
}

// A reply that takes longer than the deadline, a byte at a time, is given up, and its rest does
// not disturb the next call on the connection.
func TestReplyThatDrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			r := &recorded{}
			newPeer(r).answer(stream, request)
			for i := range r.Bytes() {
				if _, err := p.Write(r.Bytes()[i : i+1]); err != nil {
					return
				}
				if stream == 1 {
					time.Sleep(time.Second)
				}
			}
		})
		c := connect(t, n, Options{})
		_, o, done := start(c, 3*time.Second, "x")
		<-done
		wantCode(t, "slow", o.err, codes.DeadlineExceeded)
		if took := o.ended.Sub(o.began); took > 3030*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
		if got, err := callFor(t, c, 5*time.Minute, "next"); err != nil || got != "next" || n.dials() != 1 {
			t.Errorf("next: %q, %v, on connection %d", got, err, n.dials())
		}
	})
}

// Padding counts for both windows, and what comes after the end of a stream for that of the
// connection: all is given back.
func TestPaddingIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			p.head(stream)
			if stream > 1 {
				_ = p.out.WriteData(stream, false, request)
			}
			p.trailers(stream, "0")
		})
		c := connect(t, n, Options{})
		_, err := callFor(t, c, time.Second, "ends")
		wantCode(t, "first", err, codes.Internal)
		p := n.peer()
		sent := uint64(0)
		for sent < connWindow {
			p.do(func() { _ = p.out.WriteDataPadded(1, false, make([]byte, 16000), make([]byte, 255)) })
			sent += 16000 + 256
		}
		synctest.Wait()
		p.mu.Lock()
		back := p.updates[0]
		p.mu.Unlock()
		if back -= connWindow - defaultWindow; back > sent || back < sent-connWindow/2 {
			t.Errorf("%d bytes of %d were given back", back, sent)
		}
		if got, err := callFor(t, c, time.Second, "next"); err != nil || got != "next" {
			t.Errorf("next: %q, %v", got, err)
		}
	})
}

// A stream's window is given back while the reply is incomplete, padding included.
func TestWindowOfAStreamIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		message := append([]byte{0, 0, 0x60, 0, 0}, bytes.Repeat([]byte{0}, 0x600000)...) // no protobuf
		sent := uint64(0)
		n := serving(func(p *peer, stream uint32, _ []byte) {
			p.head(stream)
			for begin := 0; begin < len(message); begin += 16000 {
				piece := message[begin:min(begin+16000, len(message))]
				_ = p.out.WriteDataPadded(stream, false, piece, make([]byte, 255))
				sent += uint64(len(piece)) + 256
			}
			p.trailers(stream, "0")
		})
		c := connect(t, n, Options{})
		_, err := callFor(t, c, time.Second, "x")
		wantCode(t, "no protobuf", err, codes.Internal)
		p := n.peer()
		synctest.Wait()
		p.do(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if back := p.updates[1]; back > sent || back+streamWindow/2 < sent {
				t.Errorf("%d bytes of %d were given back", back, sent)
			}
		})
	})
}

// Settings count in their order, also within a frame and when they repeat.
func TestRepeatedSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo, []http2.Setting{
			{ID: http2.SettingMaxConcurrentStreams, Val: 0}, {ID: http2.SettingMaxConcurrentStreams, Val: 1 << 31},
			{ID: http2.SettingInitialWindowSize, Val: 0}, {ID: http2.SettingInitialWindowSize, Val: maxUint31},
			{ID: http2.SettingMaxFrameSize, Val: 1<<24 - 1}, {ID: http2.SettingMaxFrameSize, Val: maxFrame},
			{ID: http2.SettingHeaderTableSize, Val: 0}, {ID: http2.SettingHeaderTableSize, Val: 4096},
			{ID: 0, Val: 1 << 31}, {ID: 0xffff, Val: 1 << 31}, {ID: http2.SettingEnablePush, Val: 0}, {ID: http2.SettingMaxHeaderListSize, Val: 0},
		}...)
		c := connect(t, n, Options{})
		for _, text := range []string{"small", string(bytes.Repeat([]byte("x"), 50_000))} {
			if got, err := callFor(t, c, time.Second, text); err != nil || got != text || n.dials() != 1 {
				t.Errorf("%d bytes of %d, %v, on connection %d", len(got), len(text), err, n.dials())
			}
		}
	})
}
