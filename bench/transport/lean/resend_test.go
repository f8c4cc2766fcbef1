package lean

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// refuse and goAway end streams that, they say, were not processed.
func refuse(p *peer, stream uint32) { _ = p.out.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }

func goAway(last uint32) func(*peer, uint32) {
	return func(p *peer, _ uint32) { _ = p.out.WriteGoAway(last, http2.ErrCodeNo, nil) }
}

// plays are what a server does on one stream, in turn.
type plays []func(p *peer, stream uint32)

// A resend is what a server does on the streams in the order in which it gets them, the number of
// requests that it then has, and the code of the call. More streams are answered.
type resend struct {
	streams  []plays
	requests int64
	want     codes.Code
}

func resends() map[string]resend {
	head := func(p *peer, stream uint32) { p.head(stream) }
	data := func(end int) func(p *peer, stream uint32) {
		return func(p *peer, stream uint32) { _ = p.out.WriteData(stream, false, reply("question")[:end]) }
	}
	whole := data(len(reply("question")))
	hint := func(p *peer, stream uint32) { p.headers(stream, false, ":status", "103") }
	trailers := func(p *peer, stream uint32) { p.trailers(stream, "0") }
	end := func(p *peer, _ uint32) { _ = p.Close() }
	reset := func(code http2.ErrCode) func(*peer, uint32) {
		return func(p *peer, stream uint32) { _ = p.out.WriteRSTStream(stream, code) }
	}
	return map[string]resend{
		"refused":                               {[]plays{{refuse}}, 2, codes.OK},
		"refused twice":                         {[]plays{{refuse}, {refuse}}, 2, codes.Unavailable},
		"refused after a hint":                  {[]plays{{hint, refuse}}, 2, codes.OK},
		"refused after the headers":             {[]plays{{head, refuse}}, 1, codes.Unavailable},
		"refused after half a message":          {[]plays{{head, data(7), refuse}}, 1, codes.Unavailable},
		"refused after the message":             {[]plays{{head, whole, refuse}}, 1, codes.Unavailable},
		"refused after the end":                 {[]plays{{head, whole, trailers, refuse}}, 1, codes.OK},
		"refused, headers of the first":         {[]plays{{refuse, head}}, 2, codes.OK},
		"refused, GOAWAY":                       {[]plays{{refuse, goAway(0)}}, 2, codes.OK},
		"refused, then GOAWAY":                  {[]plays{{refuse}, {goAway(0)}}, 3, codes.OK},
		"GOAWAY":                                {[]plays{{goAway(0)}}, 2, codes.OK},
		"GOAWAY, then refused":                  {[]plays{{goAway(0)}, {refuse}}, 3, codes.OK},
		"GOAWAY twice":                          {[]plays{{goAway(0)}, {goAway(0)}}, 3, codes.OK},
		"GOAWAY after the headers":              {[]plays{{head, goAway(0)}}, 1, codes.Unavailable},
		"GOAWAY after the message":              {[]plays{{head, whole, goAway(0)}}, 1, codes.Unavailable},
		"GOAWAY after the end":                  {[]plays{{head, whole, trailers, goAway(0)}}, 1, codes.OK},
		"GOAWAY, then answered":                 {[]plays{{goAway(0), head, whole, trailers}}, 2, codes.OK},
		"GOAWAY that spares it":                 {[]plays{{goAway(1), head, whole, trailers}}, 1, codes.OK},
		"GOAWAY that spares it, reserved bit":   {[]plays{{goAway(1<<31 + 1), head, whole, trailers}}, 1, codes.OK},
		"GOAWAY that spares it, then closed":    {[]plays{{goAway(1), end}}, 1, codes.Unavailable},
		"GOAWAY that spares it, then refused":   {[]plays{{goAway(1), refuse}}, 2, codes.OK},
		"GOAWAY that spares it, then lower":     {[]plays{{goAway(maxUint31), goAway(0)}}, 2, codes.OK},
		"GOAWAY, then one that spares it":       {[]plays{{goAway(0), goAway(1)}}, 2, codes.OK},
		"GOAWAY of an even stream":              {[]plays{{goAway(2), head, whole, trailers}}, 1, codes.OK},
		"headers, GOAWAY that spares it, lower": {[]plays{{head, goAway(1), goAway(0)}}, 1, codes.Unavailable},
		"reset without an error":                {[]plays{{reset(http2.ErrCodeNo)}}, 1, codes.Internal},
		"reset":                                 {[]plays{{reset(http2.ErrCodeInternal)}}, 1, codes.Internal},
		"closed":                                {[]plays{{end}}, 1, codes.Unavailable},
		"closed after the headers":              {[]plays{{head, end}}, 1, codes.Unavailable},
	}
}

// A request is sent again only if the server says that it did not process it, and has not begun to
// answer it. A stream that is refused is sent again once.
func TestRequestsSentAgain(t *testing.T) {
	for name, test := range resends() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				n := serving(func(p *peer, stream uint32, request []byte) {
					if number := int(requests.Add(1)); number > len(test.streams) {
						p.answer(stream, request)
					} else {
						for _, play := range test.streams[number-1] {
							play(p, stream)
						}
					}
				})
				c := connect(t, n, Options{})
				_, o, done := start(c, 10*time.Second, "question")
				<-done
				time.Sleep(20 * time.Second)
				synctest.Wait()
				wantCode(t, "call", o.err, test.want)
				if got := requests.Load(); got != test.requests || o.times != 1 || o.err == nil && o.reply != "question" {
					t.Errorf("%d requests, want %d; ended %d times, with %q", got, test.requests, o.times, o.reply)
				}
				if text, err := callFor(t, c, time.Second, "next"); err != nil || text != "next" {
					t.Errorf("next: %q, %v", text, err)
				}
			})
		})
	}
}

// A request of which the server got a part is sent again as a whole.
func TestLargeRequestsSentAgain(t *testing.T) {
	large := strings.Repeat("x", 2*defaultWindow)
	for name, end := range map[string]func(p *peer, stream uint32){
		"refused": refuse, "GOAWAY": goAway(0), "closed": func(p *peer, _ uint32) { _ = p.Close() },
		"malformed frame": func(p *peer, _ uint32) { _ = p.out.WriteRawFrame(http2.FramePing, 0, 0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := serving(echo)
				c := connect(t, n, Options{})
				_, o, done := start(c, 10*time.Second, large)
				synctest.Wait()
				p := n.peer()
				if got, _, _ := p.get(1); len(got) != defaultWindow {
					t.Errorf("the server got %d bytes, the window is %d", len(got), defaultWindow)
				}
				p.do(func() { end(p, 1) })
				time.Sleep(time.Second)
				p = n.peer()
				p.do(func() {
					_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
					_ = p.out.WriteWindowUpdate(0, 1<<20)
				})
				<-done
				if o.err != nil || o.reply != large {
					t.Errorf("%d bytes of %d, %v", len(o.reply), len(large), o.err)
				}
			})
		})
	}
}

// What ends a connection leaves no request behind on it: calls that are started when its last
// answers arrive, and those that wait for a stream, are sent on the next one.
func TestNoRequestsAfterAConnectionError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Int64
		n := &network{accept: func(number int, p *peer) {
			p.settings = []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}
			p.serve(func(p *peer, stream uint32, request []byte) {
				switch {
				case number > 0:
					p.answer(stream, request)
				case stream > 1:
					late.Add(1)
				default:
					r := &recorded{}
					q := newPeer(r)
					q.answer(stream, request)
					_ = q.out.WriteRawFrame(http2.FramePing, 0, 0, nil)
					_, _ = p.Write(r.Bytes()) // at once, so that it is read at once
				}
			})
		}}
		c := connect(t, n, Options{})
		synctest.Wait()
		var next *outcome
		var nextDone chan struct{}
		ended := make(chan error, 1)
		first := &Call{Method: method, Request: wrapperspb.String("first"), Timeout: 10 * time.Second}
		first.Handler = HandlerFunc(func(_ *Call, err error) {
			ended <- err
			_, next, nextDone = start(c, 10*time.Second, "next")
		})
		c.Start(first)
		_, waits, waitsDone := start(c, 10*time.Second, "waits")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		<-waitsDone
		synctest.Wait()
		<-nextDone
		for name, o := range map[string]*outcome{"next": next, "waits": waits} {
			if o.err != nil || o.reply != name {
				t.Errorf("%s: %q, %v", name, o.reply, o.err)
			}
		}
		if n := late.Load(); n > 0 {
			t.Errorf("%d requests were sent on a connection that ends", n)
		}
	})
}

// A request that was started before the connection ended, and not flushed, is sent on the next one.
func TestRequestsThatWereNotFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c := connect(t, n, Options{})
		synctest.Wait()
		first := n.peer()
		ended := make(chan error, 1)
		call := &Call{Method: method, Request: wrapperspb.String("x"), Timeout: 10 * time.Second}
		call.Handler = HandlerFunc(func(_ *Call, err error) { ended <- err })
		c.Start(call)
		first.do(func() { _ = first.out.WriteRawFrame(http2.FramePing, 0, 0, nil) })
		if err := <-ended; err != nil || n.dials() != 2 {
			t.Errorf("%v on connection %d", err, n.dials())
		}
		if got, _, _ := first.get(1); len(got) > 0 {
			t.Error("the request was sent on the connection that ended")
		}
	})
}
