package lean

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// silence never answers.
func silence(*peer, uint32, []byte) {}

// A context's deadline is that of its calls, with the same code as grpc-go's, whatever
// notices it first; the end of a context is the code Canceled.
func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]grpc.ClientConnInterface{
			"lean": connect(t, serving(silence), Options{}), "grpc": connectGRPC(t, serving(silence)),
		} {
			began := time.Now()
			_, err := callFor(t, c, time.Second, "x")
			wantCode(t, name, err, codes.DeadlineExceeded)
			if took := time.Since(began); took < time.Second || took > 1010*time.Millisecond {
				t.Errorf("%s: it took %v, want 1 s", name, took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err = call(ctx, c, "x")
			wantCode(t, name, err, codes.Canceled)
			_, err = call(ctx, c, "x")
			wantCode(t, name, err, codes.Canceled)
		}
	})
}

// Each call ends by its deadline and a hundredth of its own timeout, whatever the
// timeouts of others are, and the server learns that it was given up.
func TestDeadlinesOfDifferentLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(silence)
		c := connect(t, n, Options{})
		var outcomes []*outcome
		var timeouts []time.Duration
		add := func(timeout time.Duration) {
			_, o, _ := start(c, timeout, "x")
			outcomes, timeouts = append(outcomes, o), append(timeouts, timeout)
		}
		add(100 * time.Second)
		time.Sleep(99500 * time.Millisecond)
		add(time.Second)            // ends half a second after the first
		add(400 * time.Millisecond) // and before it
		for i := range 50 {
			add(time.Duration(1+i*i) * time.Millisecond)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for i, o := range outcomes {
			if took := o.ended.Sub(o.began); o.times != 1 || took < timeouts[i] || took > timeouts[i]+timeouts[i]/100 {
				t.Errorf("call of %v: ended %d times, after %v", timeouts[i], o.times, took)
			}
			wantCode(t, "call", o.err, codes.DeadlineExceeded)
		}
		if _, code, reset := n.peer().get(1); !reset || code != http2.ErrCodeCancel {
			t.Errorf("the server got the reset %v %v, want CANCEL", code, reset)
		}
	})
}

// A timeout that is longer than any clock is one that does not end.
func TestEndlessTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, serving(echo), Options{})
		time.Sleep(time.Second)
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(math.MaxInt64))
		defer cancel()
		if text, err := call(ctx, c, "x"); err != nil || text != "x" {
			t.Errorf("%q, %v", text, err)
		}
		_, o, done := start(c, math.MaxInt64, "y")
		<-done
		if o.err != nil || o.reply != "y" {
			t.Errorf("%q, %v", o.reply, o.err)
		}
	})
}

// The server gives up at the same deadline, and its word may be here first.
func TestCancelledByTheServerAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, _ []byte) {
			p.later(995*time.Millisecond, func() { _ = p.out.WriteRSTStream(stream, http2.ErrCodeCancel) })
		})
		c := connect(t, n, Options{})
		_, err := callFor(t, c, time.Second, "x")
		wantCode(t, "at the deadline", err, codes.DeadlineExceeded)
		_, err = callFor(t, c, 2*time.Second, "x")
		wantCode(t, "long before it", err, codes.Canceled)
	})
}

// An answer after the deadline is none, also when it is there before the deadline was
// looked at.
func TestAnswerAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			p.later(time.Second+time.Millisecond, func() { p.answer(stream, request) })
		})
		c := connect(t, n, Options{})
		_, first, done1 := start(c, 900*time.Millisecond, "x")
		_, o, done := start(c, time.Second, "y")
		<-done1
		<-done
		wantCode(t, "first", first.err, codes.DeadlineExceeded)
		wantCode(t, "second", o.err, codes.DeadlineExceeded)
	})
}

// slowToken has credentials that take a second to renew.
type slowToken struct {
	header *Header
	fails  bool
}

func (s *slowToken) Header(string) *Header { return s.header }
func (*slowToken) Accepted(*Header)        {}
func (*slowToken) Refused(err error) bool  { return status.Code(err) == codes.Unauthenticated }
func (s *slowToken) Renew(ctx context.Context, _ grpc.ClientConnInterface, _ *Header, _ error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	if s.fails {
		return errors.New("no token")
	}
	s.header = NewHeader(metadata.Pairs("token", "new"))
	return nil
}

func unauthenticated(p *peer, stream uint32, _ []byte) {
	p.headers(stream, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "16")
}

// A call whose credentials are being renewed can be cancelled, and ends with its
// connection, too; it is sent once more at most.
func TestEndDuringRenewal(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(c *Conn, call *Call)
		fails bool
		after time.Duration
		want  codes.Code
	}{
		"renewed":       {func(*Conn, *Call) {}, false, time.Second, codes.Unauthenticated},
		"not renewed":   {func(*Conn, *Call) {}, true, time.Second, codes.Unauthenticated},
		"call canceled": {func(_ *Conn, call *Call) { call.Cancel() }, false, 500 * time.Millisecond, codes.Canceled},
		"conn closed":   {func(c *Conn, _ *Call) { _ = c.Close() }, false, 500 * time.Millisecond, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				n := serving(func(p *peer, stream uint32, request []byte) {
					requests++
					unauthenticated(p, stream, request)
				})
				c := connect(t, n, Options{Credentials: &slowToken{fails: test.fails}})
				call, o, done := start(c, 10*time.Second, "x")
				time.Sleep(500 * time.Millisecond)
				test.end(c, call)
				<-done
				wantCode(t, "call", o.err, test.want)
				if took := o.ended.Sub(o.began); took != test.after {
					t.Errorf("it took %v, want %v", took, test.after)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if o.times != 1 || requests > 2 {
					t.Errorf("ended %d times after %d requests", o.times, requests)
				}
			})
		})
	}
}

// The deadline ends the wait for credentials, with the refusal, as in grpc-go.
func TestDeadlineDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, serving(unauthenticated), Options{Credentials: &slowToken{}})
		_, o, done := start(c, 300*time.Millisecond, "x")
		<-done
		wantCode(t, "call", o.err, codes.Unauthenticated)
		if took := o.ended.Sub(o.began); took > 303*time.Millisecond {
			t.Errorf("it took %v, want 300 ms", took)
		}
	})
}

// A call may move to another connection while it is being cancelled.
func TestCancelOfACallThatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := func() *Conn { return connect(t, serving(echo), Options{}) }
		conns, ended := []*Conn{serve(), serve()}, make(chan error, 1)
		call := &Call{Method: method, Request: wrapperspb.String("request"), Timeout: 10 * time.Second}
		call.Handler = HandlerFunc(func(_ *Call, err error) { ended <- err })
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					call.Cancel()
				}
			}
		}()
		for n := range 200 {
			c := conns[n%2]
			c.Start(call)
			c.Flush()
			if err := <-ended; err != nil && status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		}
		close(stop)
		<-stopped
	})
}
