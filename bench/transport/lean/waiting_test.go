package lean

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sluggish are credentials that take a second to renew, and stay the same.
type sluggish struct{ fixed }

func (sluggish) Refused(err error) bool { return status.Code(err) == codes.Unauthenticated }
func (sluggish) Renew(ctx context.Context, _ grpc.ClientConnInterface, _ *Header, _ error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// Any frame, while one call waits for its window, one for a stream, and one for a new header or, in
// the other case, after its cancellation, ends the connection exactly where the protocol says so.
// Only a call whose stream the frame is on may fail.
func TestEveryFrameWhileCallsWait(t *testing.T) {
	t.Parallel()
	step := 11 // as in TestEveryFrameInEveryState
	if *allFrames {
		step = 1
	}
	for _, cancels := range []bool{false, true} {
		t.Run(fmt.Sprint("cancels ", cancels), func(t *testing.T) {
			t.Parallel()
			number := 0
			for _, kind := range []http2.FrameType{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xfa} {
				for _, flags := range flagsOf(kind) {
					for _, stream := range []uint32{0, 1, 2, 3, 99} {
						for _, length := range []int{0, 1, 4, 5, 6, 8, 12} {
							if number++; number%step == 0 {
								e := extra{afterHeaders, kind, flags, stream, length}
								synctest.Test(t, func(t *testing.T) { e.checkWaiting(t, cancels) })
							}
						}
					}
				}
			}
		})
	}
}

// serveWaiting is the server: on the first connection it has room for one stream, and refuses the
// header of the first call.
func serveWaiting(number int, p *peer) {
	p.generous = true
	if number > 0 {
		p.settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1 << 20}}
		p.serve(echo)
		return
	}
	p.settings = []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}
	p.serve(func(p *peer, stream uint32, request []byte) {
		if stream == 1 {
			if !strings.Contains(string(request), "cancelled") {
				unauthenticated(p, stream, request)
			}
			return
		}
		p.answer(stream, request)
	})
}

func (e extra) checkWaiting(t *testing.T, cancels bool) {
	n := &network{accept: serveWaiting}
	c := connect(t, n, Options{Credentials: sluggish{}})
	synctest.Wait()
	texts := []string{"renewed", strings.Repeat("x", defaultWindow+1000), "queued"}
	if cancels {
		texts[0] = "cancelled"
	}
	var outcomes []*outcome
	for i, text := range texts {
		call, o, _ := start(c, 20*time.Second, text)
		synctest.Wait()
		if i == 0 && cancels {
			call.Cancel()
		}
		outcomes = append(outcomes, o)
	}
	p := n.peer()
	p.do(func() { e.send(p, afterHeaders) })
	synctest.Wait()
	p.do(func() {
		_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		_ = p.out.WriteWindowUpdate(0, 1<<20)
	})
	time.Sleep(5 * time.Second)
	synctest.Wait()
	for i, o := range outcomes {
		switch {
		case o.times != 1:
			t.Errorf("%+v: %.10s ended %d times", e, texts[i], o.times)
		case i == 0 && cancels:
			wantCode(t, fmt.Sprintf("%+v: %s", e, texts[i]), o.err, codes.Canceled)
		case o.err == nil && o.reply != texts[i]:
			t.Errorf("%+v: %.10s answered %.20q", e, texts[i], o.reply)
		case o.err != nil && (i != 1 || e.stream != 3):
			t.Errorf("%+v: %.10s: %v", e, texts[i], o.err)
		}
	}
	if dials := n.dials(); (dials > 1) != e.endsConnection() && !e.goesAway() {
		t.Errorf("%+v: %d connections", e, dials)
	}
}

// The stream of a call that is given up goes to the one that waits for it.
func TestCancelledCallsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			if stream > 3 {
				p.answer(stream, request)
			}
		}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		c := connect(t, n, Options{})
		synctest.Wait()
		first, firstOutcome, _ := start(c, time.Minute, "first")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second := make(chan error, 1)
		go func() {
			_, err := call(ctx, c, "second")
			second <- err
		}()
		synctest.Wait()
		_, third, thirdDone := start(c, time.Minute, "third")
		synctest.Wait()
		began := time.Now()
		first.Cancel()
		wantCode(t, "first", firstOutcome.err, codes.Canceled)
		synctest.Wait()
		if got, _, _ := n.peer().get(3); len(got) == 0 {
			t.Error("the second call was not sent")
		}
		wantCode(t, "second", <-second, codes.DeadlineExceeded)
		<-thirdDone
		if took := time.Since(began); third.err != nil || third.reply != "third" || took > 1010*time.Millisecond {
			t.Errorf("third: %q, %v after %v", third.reply, third.err, took)
		}
	})
}
