package lean

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A request that is larger than the windows waits for them. Its service time counts from
// when it began to wait, also when it never leaves.
func TestRequestsLargerThanTheWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c := connect(t, n, Options{})
		large := strings.Repeat("x", 3*defaultWindow)
		_, o, done := start(c, 10*time.Second, large)
		_, stuck, stuckDone := start(c, 5*time.Second, large)
		time.Sleep(time.Second)
		p := n.peer()
		if got, _, _ := p.get(1); len(got) != defaultWindow {
			t.Errorf("%d bytes were sent, the window is %d", len(got), defaultWindow)
		}
		p.do(func() { _ = p.out.WriteWindowUpdate(0, 1<<30) }) // the connection's: the second may send its first part
		time.Sleep(time.Second)
		for range 2 {
			p.do(func() { _ = p.out.WriteWindowUpdate(1, defaultWindow) })
			time.Sleep(time.Second)
		}
		p.do(func() { _ = p.out.WriteWindowUpdate(1, 1<<20) })
		<-done
		if o.err != nil || o.reply != large {
			t.Errorf("%v, a reply of %d bytes", o.err, len(o.reply))
		}
		if wait := o.answered.Sub(o.sent); wait != 4*time.Second {
			t.Errorf("answered %v after it was sent, want 4 s", wait)
		}
		<-stuckDone
		wantCode(t, "stuck", stuck.err, codes.DeadlineExceeded)
		if wait := stuck.answered.Sub(stuck.sent); wait != 5*time.Second {
			t.Errorf("the call that was stuck ended %v after it was sent, want 5 s", wait)
		}
	})
}

// A call that ends before it leaves has times, too.
func TestTimesOfCallsThatNeverLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, serving(echo), Options{})
		time.Sleep(time.Second)
		o := &outcome{}
		call := &Call{Method: method, Request: nil, Timeout: time.Second}
		call.Handler = HandlerFunc(func(call *Call, err error) { o.err, o.sent, o.answered = err, call.Sent(), call.Answered() })
		c.Start(call)
		call.Cancel()
		wantCode(t, "call", o.err, codes.Canceled)
		if now := time.Now(); !o.sent.Equal(now) || !o.answered.Equal(now) {
			t.Errorf("sent %v, answered %v, now %v", o.sent, o.answered, now)
		}
	})
}

// The windows of streams may become negative, and calls wait until they are not.
func TestWindowsThatShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c := connect(t, n, Options{})
		large := strings.Repeat("x", defaultWindow+1000)
		_, o, done := start(c, 10*time.Second, large)
		time.Sleep(time.Second)
		p := n.peer()
		p.do(func() {
			_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) // -65,535
			_ = p.out.WriteWindowUpdate(0, 1<<20)
			_ = p.out.WriteWindowUpdate(1, defaultWindow) // 0
		})
		time.Sleep(time.Second)
		if got, _, _ := p.get(1); len(got) != defaultWindow {
			t.Errorf("%d bytes were sent in a window of %d", len(got), defaultWindow)
		}
		_, small, smallDone := start(c, 10*time.Second, "small") // has a window of 0, too
		time.Sleep(time.Second)
		p.do(func() { _ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) })
		time.Sleep(time.Second)
		if got, _, _ := p.get(1); len(got) != defaultWindow+1 {
			t.Errorf("%d bytes were sent in a window of %d", len(got), defaultWindow+1)
		}
		p.do(func() { _ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}) })
		<-done
		<-smallDone
		if o.err != nil || o.reply != large || small.err != nil || small.reply != "small" {
			t.Errorf("%v and %v, replies of %d and %d bytes", o.err, small.err, len(o.reply), len(small.reply))
		}
	})
}

// Windows may be as large as they can be: the server gives back what it has read.
func TestLargestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			_ = p.out.WriteWindowUpdate(stream, uint32(len(request)))
			_ = p.out.WriteWindowUpdate(0, uint32(len(request)))
			p.answer(stream, request)
		}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxUint31})
		c := connect(t, n, Options{})
		time.Sleep(time.Second)
		p := n.peer()
		p.do(func() { _ = p.out.WriteWindowUpdate(0, maxUint31-defaultWindow) })
		for _, text := range []string{"small", strings.Repeat("x", 100_000)} {
			if got, err := callFor(t, c, time.Second, text); err != nil || got != text {
				t.Errorf("%v, %d bytes of %d", err, len(got), len(text))
			}
		}
	})
}

// The server's limit of streams holds at once, also one of 0, and calls wait for it.
func TestLimitOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int64
		n := serving(func(p *peer, stream uint32, request []byte) {
			if now := open.Add(1); now > most.Load() {
				most.Store(now)
			}
			p.later(time.Second, func() {
				open.Add(-1)
				p.answer(stream, request)
			})
		}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
		c := connect(t, n, Options{})
		limit := func(n *network, value uint32) {
			p := n.peer()
			p.do(func() { _ = p.out.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: value}) })
		}
		var outcomes []*outcome
		for range 10 {
			_, o, _ := start(c, 20*time.Second, "x")
			outcomes = append(outcomes, o)
		}
		time.Sleep(1500 * time.Millisecond)
		limit(n, 0) // two are under way, six wait
		_, late, lateDone := start(c, 5*time.Second, "late")
		<-lateDone
		wantCode(t, "late", late.err, codes.DeadlineExceeded)
		if text := late.err.Error(); !strings.Contains(text, "allows 0 at a time") {
			t.Errorf("%q does not say why", text)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%d calls are under way, want none", n)
		}
		limit(n, 3)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for i, o := range outcomes {
			if o.err != nil || o.times != 1 || o.reply != "x" {
				t.Errorf("call %d: ended %d times, %v, %q", i, o.times, o.err, o.reply)
			}
		}
		if n := most.Load(); n != 3 {
			t.Errorf("%d calls at a time, want 3", n)
		}
	})
}

// A server that reads nothing holds up neither those who start calls nor the reader, and
// every call ends at its deadline.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := make(chan struct{})
		n := &network{accept: func(_ int, p *peer) {
			p.do(func() {
				_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
				_ = p.out.WriteWindowUpdate(0, 1<<30)
			})
			<-stalled
		}}
		c := connect(t, n, Options{})
		time.Sleep(time.Second)
		var outcomes []*outcome
		for range 100 {
			_, o, _ := start(c, time.Second, strings.Repeat("x", 10_000))
			outcomes = append(outcomes, o)
		}
		if took := time.Since(outcomes[0].began); took != 0 {
			t.Errorf("it took %v to start them", took)
		}
		p := n.peer()
		for i := range 1000 { // the reader goes on
			p.do(func() { _ = p.out.WritePing(false, [8]byte{byte(i)}) })
		}
		time.Sleep(1010 * time.Millisecond)
		synctest.Wait()
		for i, o := range outcomes {
			wantCode(t, "call", o.err, codes.DeadlineExceeded)
			if took := o.ended.Sub(o.began); o.times != 1 || took > 1010*time.Millisecond {
				t.Errorf("call %d: ended %d times, after %v", i, o.times, took)
			}
		}
		close(stalled)
	})
}

// Replies that are larger than our windows, and many of them, arrive: what was read is
// given back to both windows, also for calls that have ended.
func TestRepliesLargerThanTheWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := strings.Repeat("x", streamWindow+streamWindow/2)
		listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var text wrapperspb.StringValue
			if err := stream.RecvMsg(&text); err != nil {
				return err
			}
			return stream.SendMsg(wrapperspb.String(large))
		}))
		go func() { _ = server.Serve(listener) }() // ends with Stop
		c := New(Options{Address: "server:1", Dial: func(context.Context, string, string) (net.Conn, error) {
			client, conn := net.Pipe()
			listener.conns <- conn
			return client, nil
		}})
		for i := range 2 * connWindow / len(large) {
			if got, err := callFor(t, c, time.Second, "x"); err != nil || got != large {
				t.Errorf("reply %d: %v, %d bytes of %d", i, err, len(got), len(large))
			}
			gone, _, _ := start(c, time.Second, "x")
			gone.Cancel()
		}
		_ = c.Close()
		server.Stop()
		_ = listener.Close()
	})
}

// An answer may come before the whole request was sent: the rest is not sent, and the stream is
// closed without an error.
func TestAnswerBeforeTheWholeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c := connect(t, n, Options{})
		_, o, done := start(c, 10*time.Second, strings.Repeat("x", 3*defaultWindow))
		synctest.Wait()
		p := n.peer()
		p.do(func() { p.answer(1, reply("early")) })
		<-done
		if o.err != nil || o.reply != "early" {
			t.Errorf("%q, %v", o.reply, o.err)
		}
		p.do(func() { _ = p.out.WriteWindowUpdate(0, 1<<20) })
		synctest.Wait()
		got, code, reset := p.get(1)
		if len(got) != defaultWindow || !reset || code != http2.ErrCodeNo {
			t.Errorf("the server got %d bytes and the reset %v %v, want %d bytes and NO_ERROR", len(got), reset, code, defaultWindow)
		}
		if text, err := callFor(t, c, time.Second, "next"); err != nil || text != "next" {
			t.Errorf("next: %q, %v", text, err)
		}
	})
}

// A stream that is refused is sent once more, on a new one, and not a third time.
func TestRefusedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		c := connect(t, serving(func(p *peer, stream uint32, _ []byte) {
			requests.Add(1)
			_ = p.out.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		}), Options{})
		for i := range int64(2) {
			_, err := callFor(t, c, time.Second, "x")
			wantCode(t, "call", err, codes.Unavailable)
			if n := requests.Load(); n != 2*(i+1) {
				t.Errorf("%d requests after %d calls", n, i+1)
			}
		}
	})
}

// The replies under way on one connection are bounded together. What has ended counts no more.
func TestBoundOfReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			p.head(stream)
			_ = p.out.WriteData(stream, false, request[:5000])
			p.later(time.Second, func() {
				_ = p.out.WriteData(stream, false, request[5000:])
				p.trailers(stream, "0")
			})
		})
		c := connect(t, n, Options{})
		text := strings.Repeat("x", 10_000)
		synctest.Wait()
		c.mu.Lock()
		s := c.session
		s.buffered = maxBuffered - 12_000
		c.mu.Unlock()
		_, first, firstDone := start(c, 10*time.Second, text)
		time.Sleep(time.Millisecond)
		_, second, secondDone := start(c, 10*time.Second, text)
		<-firstDone
		<-secondDone
		if first.err != nil && second.err != nil || first.err == nil && second.err == nil {
			t.Errorf("first: %v, second: %v, want an error of one", first.err, second.err)
		}
		for _, o := range []*outcome{first, second} {
			if o.err != nil {
				wantCode(t, "call", o.err, codes.ResourceExhausted)
			} else if o.reply != text {
				t.Errorf("a reply of %d bytes, want %d", len(o.reply), len(text))
			}
		}
		if _, err := callFor(t, c, 10*time.Second, text); err != nil {
			t.Errorf("next: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if s.buffered != maxBuffered-12_000 {
			t.Errorf("%d bytes too many are counted", s.buffered-maxBuffered+12_000)
		}
	})
}

// pipes is a listener for connections in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error { l.once.Do(func() { close(l.done) }); return nil }
func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }
