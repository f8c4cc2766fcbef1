package lean

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// A server that stops reading, with the socket's buffers full, holds up neither those who
// start calls nor replies: calls end at their deadlines, and the connection can be closed.
func TestSocketsThatStall(t *testing.T) {
	t.Parallel()
	for _, polled := range []bool{false, true} {
		t.Run(fmt.Sprint("polled ", polled), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			stalled := make(chan struct{})
			var served sync.WaitGroup
			served.Go(func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				p := newPeer(conn)
				_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxUint31})
				_ = p.out.WriteWindowUpdate(0, 1<<30)
				_, _ = io.CopyN(io.Discard, conn, 1<<20) // some requests
				p.answer(1, reply("answer"))
				<-stalled
			})
			defer served.Wait()
			defer close(stalled)
			defer listener.Close()
			o := Options{Address: listener.Addr().String()}
			if polled {
				if o.Poller, err = NewPoller(); err != nil {
					t.Skip(err)
				}
				defer o.Poller.Close()
			}
			c := New(o)
			defer c.Close()
			const timeout = 500 * time.Millisecond
			large := strings.Repeat("x", 1<<18)
			_, first, firstDone := start(c, 10*time.Second, large)
			var outcomes []*outcome
			var ends []chan struct{}
			for range 60 { // 15 MiB, more than the buffers take
				_, o, done := start(c, timeout, large)
				outcomes, ends = append(outcomes, o), append(ends, done)
			}
			<-firstDone
			if first.err != nil || first.reply != "answer" {
				t.Errorf("the call that is answered: %q, %v", first.reply, first.err)
			}
			for i, o := range outcomes {
				<-ends[i]
				wantCode(t, "call", o.err, codes.DeadlineExceeded)
				if took := o.ended.Sub(o.began); o.times != 1 || took < timeout {
					t.Errorf("call %d ended %d times, after %v", i, o.times, took)
				}
			}
		})
	}
}
