package lean

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A hostileServer does what it likes with requests, and remembers which it may have
// carried out.
type hostileServer struct {
	// polite servers do only what a good one may: no call fails.
	polite bool

	mu      sync.Mutex
	random  *rand.Rand
	taken   map[string]int // how many times a request may have been carried out
	refused map[string]bool
	open    map[*peer]*openStreams
}

// openStreams are the requests of one connection, and the last stream that is carried out.
type openStreams struct {
	last  uint32
	texts map[uint32]string
}

func newHostileServer(seed uint64, polite bool) *hostileServer {
	return &hostileServer{
		polite: polite, random: rand.New(rand.NewPCG(seed, 1)), taken: map[string]int{}, refused: map[string]bool{},
		open: map[*peer]*openStreams{},
	}
}

// take handles one request. The peer is locked.
func (s *hostileServer) take(p *peer, stream uint32, request []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[p]
	if open == nil {
		open = &openStreams{last: maxUint31, texts: map[uint32]string{}}
		s.open[p] = open
	}
	if stream > open.last {
		return // as announced
	}
	var message wrapperspb.StringValue
	if len(request) < prefixSize || proto.Unmarshal(request[prefixSize:], &message) != nil {
		s.taken["malformed"] = 1000
	}
	text := message.GetValue()
	s.taken[text]++
	open.texts[stream] = text
	switch n := s.random.IntN(100); {
	case n < 8 && !s.refused[text]:
		s.refused[text] = true
		s.taken[text]--
		delete(open.texts, stream)
		_ = p.out.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		return
	case n < 12: // of the streams above last, none is carried out
		last := min(open.last, stream-2*uint32(s.random.IntN(3)))
		if last > stream { // it was below 1
			last = 0
		}
		s.goAway(p, open, last)
		if stream > last {
			return
		}
	case n < 16:
		_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(s.random.IntN(4))})
		p.later(50*time.Millisecond, func() {
			_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
		})
	case n < 20:
		_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(s.random.IntN(100_000))})
		p.later(50*time.Millisecond, func() {
			_ = p.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		})
	case s.polite:
	case n < 24:
		if code := http2.ErrCode(s.random.IntN(14)); code != http2.ErrCodeRefusedStream {
			_ = p.out.WriteRSTStream(stream, code)
		}
	case n < 28:
		return // never answered
	case n < 30:
		_ = p.Close()
		return
	case n < 32:
		if kind := http2.FrameType(s.random.IntN(12)); kind != http2.FrameGoAway {
			_ = p.out.WriteRawFrame(kind, http2.Flags(s.random.IntN(256)), uint32(s.random.IntN(30)), make([]byte, s.random.IntN(20)))
		}
	case n < 34:
		all := answers()
		if a := all[s.random.IntN(len(all))]; !strings.Contains(a.name, "GOAWAY") {
			delete(open.texts, stream) // it may be answered
			a.play(p, stream)
		}
		return
	}
	if s.random.IntN(2) == 0 {
		s.answer(p, open, stream, request)
		return
	}
	p.later(time.Duration(s.random.IntN(100))*time.Millisecond, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer(p, open, stream, request)
	})
}

// answer answers a request. A server that is not polite also answers one that it gave up.
func (s *hostileServer) answer(p *peer, open *openStreams, stream uint32, request []byte) {
	if _, ok := open.texts[stream]; ok || !s.polite {
		delete(open.texts, stream) // whatever it says later
		p.answer(stream, request)
	}
}

// goAway announces that no stream above last is carried out.
func (s *hostileServer) goAway(p *peer, open *openStreams, last uint32) {
	open.last = last
	for stream, text := range open.texts {
		if stream > last {
			s.taken[text]--
			delete(open.texts, stream)
		}
	}
	_ = p.out.WriteGoAway(last, http2.ErrCodeNo, nil)
}

func (s *hostileServer) serve(_ int, p *peer) {
	p.generous = true
	p.settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1 << 20}, {ID: http2.SettingMaxFrameSize, Val: 1 << 16}}
	p.serve(s.take)
}

// Whatever a server does, each call ends once, by its deadline, and is carried out once at
// most; a good answer is the one to its request. Where the server only asks calls to go
// elsewhere or to wait, none fails.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	seeds := uint64(30)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		for _, polite := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newHostileServer(seed, polite)
				n := &network{accept: s.serve}
				c := connect(t, n, Options{Yield: seed%2 == 0})
				makeCalls(t, c, s, fmt.Sprintf("seed %d, polite %v", seed, polite))
			})
		}
	}
}

// makeCalls makes calls in all ways, and checks how they end.
func makeCalls(t *testing.T, c *Conn, s *hostileServer, name string) {
	random := rand.New(rand.NewPCG(1, 2))
	type one struct {
		text    string
		timeout time.Duration
		*outcome
		call *Call
		done chan struct{}
	}
	var calls []*one
	for i := range 150 {
		o := &one{text: fmt.Sprint("call ", i), timeout: time.Duration(100+random.IntN(2000)) * time.Millisecond, done: make(chan struct{})}
		if s.polite {
			o.timeout = 60 * time.Second
		}
		if random.IntN(10) == 0 {
			o.text += strings.Repeat("x", 70_000)
		}
		if i%2 == 0 {
			o.call, o.outcome, o.done = start(c, o.timeout, o.text)
		} else {
			o.outcome = &outcome{began: time.Now()}
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), o.timeout)
				defer cancel()
				o.reply, o.err = call(ctx, c, o.text)
				o.ended = time.Now()
				o.times++
				close(o.done)
			}()
		}
		if random.IntN(20) == 0 && o.call != nil && !s.polite {
			time.AfterFunc(time.Duration(random.IntN(100))*time.Millisecond, o.call.Cancel)
		}
		calls = append(calls, o)
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
	}
	for _, o := range calls {
		<-o.done
	}
	time.Sleep(time.Second)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range calls {
		short := o.text[:min(10, len(o.text))]
		if took := o.ended.Sub(o.began); o.times != 1 || took > o.timeout+o.timeout/100 {
			t.Errorf("%s, %s: ended %d times, after %v of %v", name, short, o.times, took, o.timeout)
		}
		if s.taken[o.text] > 1 {
			t.Errorf("%s, %s: carried out %d times", name, short, s.taken[o.text])
		}
		switch code := status.Code(o.err); {
		case o.err == nil && o.reply != o.text && (s.polite || o.reply != "answer" && o.reply != ""): // of answers
			t.Errorf("%s, %s: answered %.20q", name, short, o.reply)
		case o.err == nil && s.taken[o.text] != 1:
			t.Errorf("%s, %s: answered, and carried out %d times", name, short, s.taken[o.text])
		case o.err != nil && s.polite:
			t.Errorf("%s, %s: %v", name, short, o.err)
		case code == codes.DeadlineExceeded && o.ended.Sub(o.began) < o.timeout-o.timeout/100:
			t.Errorf("%s, %s: %v after %v of %v", name, short, o.err, o.ended.Sub(o.began), o.timeout)
		}
	}
}
