package lean

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A request that cannot be encoded ends its call with the code of grpc-go, and the connection
// carries the next calls.
func TestRequestsThatCannotBeEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(echo)
		c, other := connect(t, n, Options{}), connectGRPC(t, serving(echo))
		for name, text := range map[string]string{"small": "\xff", "large": strings.Repeat("\xff", 2*defaultWindow)} {
			_, err := callFor(t, c, time.Second, text)
			wantCode(t, name, err, codes.Internal)
			_, err = callFor(t, other, time.Second, text)
			wantCode(t, name+" with grpc-go", err, codes.Internal)
			if got, err := callFor(t, c, time.Second, "next"); err != nil || got != "next" {
				t.Errorf("after a %s one: %q, %v", name, got, err)
			}
		}
		if n.dials() != 1 {
			t.Errorf("%d connections, want 1", n.dials())
		}
	})
}

// The server may change the size of its header table at any time, and gets the same fields.
func TestHeaderTableOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var paths []string
		n := &network{accept: func(_ int, p *peer) {
			p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
				if f.Name == ":path" {
					paths = append(paths, f.Value)
				}
			})
			p.serve(echo)
		}}
		c := connect(t, n, Options{})
		calls := 0
		for _, size := range []uint32{4096, 0, 100, 4096, 1 << 20, math.MaxUint32, 0} {
			if _, err := callFor(t, c, time.Second, "before"); err != nil {
				t.Fatal(err)
			}
			p := n.peer()
			p.do(func() { _ = p.out.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}) })
			synctest.Wait()
			p.do(func() { p.decoder.SetAllowedMaxDynamicTableSize(size) })
			for range 3 {
				if got, err := callFor(t, c, time.Second, "x"); err != nil || got != "x" {
					t.Fatalf("with a table of %d bytes: %q, %v", size, got, err)
				}
			}
			calls += 4
		}
		if slices.ContainsFunc(paths, func(p string) bool { return p != method }) || len(paths) != calls {
			t.Errorf("the server got the paths %q of %d calls", paths, calls)
		}
	})
}

// Settings and windows beyond the limits of HTTP/2 end the connection with the code that
// RFC 9113 requires, and calls go on with another connection.
func TestSettingsBeyondTheirLimits(t *testing.T) {
	settings := func(settings ...http2.Setting) func(*peer) {
		return func(p *peer) { _ = p.out.WriteSettings(settings...) }
	}
	for name, test := range map[string]struct {
		play func(p *peer)
		code http2.ErrCode
	}{
		"push":                 {settings(http2.Setting{ID: http2.SettingEnablePush, Val: 1}), http2.ErrCodeProtocol},
		"frame size too small": {settings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: maxFrame - 1}), http2.ErrCodeProtocol},
		"frame size too large": {settings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 24}), http2.ErrCodeProtocol},
		"initial window":       {settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}), http2.ErrCodeFlowControl},
		"connection window": {func(p *peer) {
			_ = p.out.WriteWindowUpdate(0, maxUint31)
		}, http2.ErrCodeFlowControl},
		"window of a stream": {func(p *peer) {
			_ = p.out.WriteWindowUpdate(3, maxUint31-defaultWindow)
			_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2 * defaultWindow})
		}, http2.ErrCodeFlowControl},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, &network{accept: func(number int, p *peer) {
					p.serve(func(p *peer, stream uint32, request []byte) {
						if number == 0 && stream == 3 {
							test.play(p)
						} else {
							p.answer(stream, request)
						}
					})
				}}, Options{})
				_, err := callFor(t, c, time.Second, "first")
				wantCode(t, "first", err, codes.OK)
				_, err = callFor(t, c, time.Second, "violated")
				wantCode(t, "violated", err, codes.Unavailable)
				if err == nil || !strings.Contains(err.Error(), "HTTP/2 "+test.code.String()) {
					t.Errorf("%v, want %v", err, test.code)
				}
				if got, err := callFor(t, c, time.Second, "next"); err != nil || got != "next" {
					t.Errorf("next: %q, %v", got, err)
				}
			})
		})
	}
}

// A larger window of a call that has ended does not limit later settings.
func TestWindowsOfEndedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			_ = p.out.WriteWindowUpdate(stream, maxUint31-2*defaultWindow)
			p.answer(stream, request)
		})
		c := connect(t, n, Options{})
		for range 3 {
			if got, err := callFor(t, c, time.Second, "x"); err != nil || got != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			p := n.peer()
			for _, size := range []uint32{1 << 20, maxUint31, defaultWindow} {
				p.do(func() { _ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: size}) })
			}
			synctest.Wait()
		}
		if n.dials() != 1 {
			t.Errorf("%d connections, want 1", n.dials())
		}
	})
}

// A header that exceeds a frame continues in others.
func TestHeadersLargerThanAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value := strings.Repeat("0123456789abcdef", 3*maxFrame/16)
		var got bytes.Buffer
		n := &network{accept: func(_ int, p *peer) {
			p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
				if f.Name == "x" {
					got.WriteString(f.Value)
				}
			})
			p.serve(echo)
		}}
		c := connect(t, n, Options{})
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x", value)
		if text, err := call(ctx, c, "y"); err != nil || text != "y" || got.String() != value {
			t.Errorf("%q, %v, the server got %d bytes of %d", text, err, got.Len(), len(value))
		}
	})
}

// Calls without a deadline end when their connection is closed, wherever they are, and so
// does a call that is started later, after Start.
func TestCallsOfAClosedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, serving(silence, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}), Options{})
		synctest.Wait()
		_, sent, sentDone := start(c, math.MaxInt64, "x")
		_, waits, waitsDone := start(c, math.MaxInt64, "y")
		synctest.Wait()
		_ = c.Close()
		<-sentDone
		<-waitsDone
		_, late, lateDone := start(c, time.Second, "z")
		<-lateDone
		for name, o := range map[string]*outcome{"sent": sent, "waits": waits, "late": late} {
			wantCode(t, name, o.err, codes.Canceled)
		}
		if _, err := callFor(t, c, time.Second, "x"); status.Code(err) != codes.Canceled {
			t.Errorf("a call that waits: %v", err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("ready: %v", err)
		}
	})
}

// A peer that falls silent is pinged, and its connection ends when it answers nothing; one
// that only takes long is waited for.
func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, silent := range map[string]bool{"silent": true, "slow": false} {
			n := serving(func(p *peer, stream uint32, request []byte) {
				p.silent = silent
				p.later(time.Minute, func() { p.answer(stream, request) })
			})
			c := connect(t, n, Options{})
			_, o, done := start(c, math.MaxInt64, "x")
			<-done
			took := o.ended.Sub(o.began)
			if silent {
				wantCode(t, name, o.err, codes.Unavailable)
			} else if o.err != nil {
				t.Errorf("%s: %v", name, o.err)
			}
			if silent && (took < 2*defaultKeepalive || took > 3*defaultKeepalive) {
				t.Errorf("%s: ended after %v", name, took)
			}
		}
	})
}

// fickle are credentials that are refused, and whose check of that calls the test.
type fickle struct {
	slowToken
	refused func()
}

func (f *fickle) Refused(err error) bool {
	refused := f.slowToken.Refused(err)
	if refused {
		f.refused()
	}
	return refused
}

// A call that is cancelled while its answer is looked at is not sent once more.
func TestCancelBeforeRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		n := serving(func(p *peer, stream uint32, request []byte) {
			if requests++; requests == 1 {
				unauthenticated(p, stream, request)
			}
		})
		var call *Call
		c := connect(t, n, Options{Credentials: &fickle{refused: func() { call.Cancel() }}})
		call = &Call{Method: method, Request: wrapperspb.String("x"), Timeout: time.Minute}
		done := make(chan error, 2)
		call.Handler = HandlerFunc(func(_ *Call, err error) { done <- err })
		began := time.Now()
		c.Start(call)
		c.Flush()
		wantCode(t, "call", <-done, codes.Canceled)
		synctest.Wait()
		if took := time.Since(began); took > 0 || requests != 1 {
			t.Errorf("ended after %v and %d requests", took, requests)
		}
		// It may be used again.
		call.Request = wrapperspb.String("y")
		c.options.Credentials.(*fickle).refused = func() {}
		n.peer().do(func() { requests = 0 })
		c.Start(call)
		c.Flush()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if requests != 2 {
			t.Errorf("%d requests, want one and another with a new header", requests)
		}
		call.Cancel()
		wantCode(t, "call used again", <-done, codes.Canceled)
	})
}

// Streams are refused where nothing opens them, and errors of what opens them are returned.
func TestStreamsOfAConnection(t *testing.T) {
	for name, test := range map[string]struct {
		streams func() (grpc.ClientConnInterface, error)
		want    string
	}{
		"none":  {nil, "no streams on this connection"},
		"fails": {func() (grpc.ClientConnInterface, error) { return nil, context.Canceled }, "connect to server:1 for streams: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, serving(echo), Options{Streams: test.streams})
				for range 2 {
					if _, err := c.NewStream(t.Context(), &grpc.StreamDesc{}, method); err == nil || !strings.Contains(err.Error(), test.want) {
						t.Errorf("%v, want %q", err, test.want)
					}
				}
			})
		})
	}
}

// A call of Invoke leaves no reply behind for the next.
func TestInvokeKeepsNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			p.head(stream)
			_ = p.out.WriteData(stream, false, request[:len(request)/2])
		})
		c := connect(t, n, Options{})
		_, err := callFor(t, c, time.Second, strings.Repeat("x", 1000))
		wantCode(t, "call", err, codes.DeadlineExceeded)
		if i, _ := c.invocations.Get().(*invocation); i != nil && i.call.Reply != nil { // a pool may drop it
			t.Errorf("%d bytes of a reply are kept", len(i.call.Reply))
		}
	})
}
