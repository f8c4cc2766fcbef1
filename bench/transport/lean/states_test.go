package lean

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var allFrames = flag.Bool("all-frames", false, "try every frame in every state, not one in eleven")

// The states of a connection in which a server sends one frame more than it should. In all of
// them but the first, stream 1 has ended, and stream 3 is being answered.
const (
	beforeSettings = iota
	beforeHeaders
	inHeaders // within the header block
	afterHeaders
	inMessage
	afterMessage
	inTrailers
	afterTrailers
	afterGoAway
	stateCount
)

// An extra is the frame that is sent in a state. Its payload is length zero bytes.
type extra struct {
	state  int
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
	length int
}

// send sends the frame if this is its state.
func (e extra) send(p *peer, state int) {
	if state == e.state {
		_ = p.out.WriteRawFrame(e.kind, e.flags, e.stream, make([]byte, e.length))
	}
}

// play answers a request on a stream, piece by piece.
func (e extra) play(p *peer, stream uint32, request []byte) {
	e.send(p, beforeHeaders)
	if e.state == afterGoAway {
		_ = p.out.WriteGoAway(stream, http2.ErrCodeNo, nil)
		e.send(p, afterGoAway)
	}
	e.block(p, stream, inHeaders, false, ":status", "200", "content-type", "application/grpc")
	e.send(p, afterHeaders)
	_ = p.out.WriteData(stream, false, request[:7])
	e.send(p, inMessage)
	_ = p.out.WriteData(stream, false, request[7:])
	e.send(p, afterMessage)
	e.block(p, stream, inTrailers, true, "grpc-status", "0")
	e.send(p, afterTrailers)
}

// block sends a header block in two pieces.
func (e extra) block(p *peer, stream uint32, state int, end bool, fields ...string) {
	block := p.encode(fields...)
	_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:1], EndStream: end})
	e.send(p, state)
	_ = p.out.WriteContinuation(stream, true, block[1:])
}

// serve is the server: it plays once, on stream 3 of the first connection.
func (e extra) serve(number int, p *peer) {
	if number == 0 {
		e.send(p, beforeSettings)
	}
	p.serve(func(p *peer, stream uint32, request []byte) {
		if number == 0 && stream == 3 {
			e.play(p, stream, request)
		} else {
			p.answer(stream, request)
		}
	})
}

// emptyField is how many zeros are a field of a header block: its kind, and the lengths of its
// name and its value.
const emptyField = 3

// endsConnection reports whether RFC 9113 makes the frame an error of the connection. A frame
// size that is wrong for the frame of a stream may be one as well: here it is.
func (e extra) endsConnection() bool {
	inBlock := e.state == inHeaders || e.state == inTrailers
	switch {
	case e.state == beforeSettings && e.kind != http2.FrameSettings, inBlock && (e.kind != http2.FrameContinuation || e.stream != 3):
		return true
	case e.kind == http2.FrameContinuation:
		// Without an open block, or the end of the block, after which a piece follows, or an empty piece.
		return !inBlock || e.flags.Has(http2.FlagContinuationEndHeaders) || e.length == 0 || e.length%emptyField > 0
	}
	switch e.kind {
	case http2.FrameSettings:
		return e.stream != 0 || e.length%6 != 0 || e.flags.Has(http2.FlagSettingsAck) && (e.length > 0 || e.state == beforeSettings)
	case http2.FramePing:
		return e.stream != 0 || e.length != 8
	case http2.FrameGoAway:
		return e.stream != 0 || e.length < 8
	case http2.FramePushPromise:
		return true
	case http2.FramePriority:
		return e.stream == 0 || e.length != 5
	case http2.FrameWindowUpdate:
		return e.length != 4 || e.stream != 1 && e.stream != 3
	case http2.FrameRSTStream:
		return e.length != 4 || e.stream != 1 && e.stream != 3
	case http2.FrameData, http2.FrameHeaders:
		return e.stream != 1 && e.stream != 3 || e.endsByPayload()
	}
	return false
}

// endsByPayload is that of DATA and HEADERS on streams that were opened.
func (e extra) endsByPayload() bool {
	left := e.length
	if e.flags.Has(http2.FlagDataPadded) {
		left--
	}
	if e.kind == http2.FrameHeaders && e.flags.Has(http2.FlagHeadersPriority) {
		left -= 5
	}
	// A block that does not end is followed by another frame, or by none.
	return left < 0 || e.kind == http2.FrameHeaders && (!e.flags.Has(http2.FlagHeadersEndHeaders) || left%emptyField > 0)
}

// Any frame in any state ends the connection exactly where the protocol says so. Calls end once
// and in time, none with a wrong answer, and the next ones are answered.
func TestEveryFrameInEveryState(t *testing.T) {
	t.Parallel()
	step := 11 // which divides no number of alternatives
	if *allFrames {
		step = 1
	}
	for state := range stateCount {
		t.Run(fmt.Sprint("state ", state), func(t *testing.T) {
			t.Parallel()
			number := state
			for _, kind := range []http2.FrameType{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xfa} {
				for _, flags := range flagsOf(kind) {
					for _, stream := range []uint32{0, 1, 2, 3, 99} {
						for _, length := range []int{0, 1, 4, 5, 6, 8, 12} {
							if number++; number%step == 0 {
								synctest.Test(t, extra{state, kind, flags, stream, length}.check)
							}
						}
					}
				}
			}
		})
	}
}

// flagsOf returns the flags that are tried with a kind of frame: those that have a meaning for some
// kinds, and none or all for the others.
func flagsOf(kind http2.FrameType) []http2.Flags {
	switch kind {
	case http2.FrameData, http2.FrameHeaders, http2.FrameSettings, http2.FramePing, http2.FrameContinuation:
		return []http2.Flags{0, 1, 4, 5, 8, 0x24, 0xff}
	}
	return []http2.Flags{0, 0xff}
}

func (e extra) check(t *testing.T) {
	n := &network{accept: e.serve}
	c := connect(t, n, Options{})
	if got, err := callFor(t, c, time.Minute, "first"); err != nil || got != "first" {
		t.Fatalf("%+v: first call: %q, %v", e, got, err)
	}
	_, o, done := start(c, time.Second, "question")
	<-done
	if took := o.ended.Sub(o.began); o.times != 1 || took > 1010*time.Millisecond || o.err == nil && o.reply != "question" {
		t.Errorf("%+v: ended %d times, after %v, with %q, %v", e, o.times, took, o.reply, o.err)
	}
	if e.state == beforeSettings {
		if dials := n.dials(); (dials > 1) != e.endsConnection() && !e.goesAway() {
			t.Errorf("%+v: %d connections", e, dials)
		}
		return
	}
	got, err := callFor(t, c, time.Minute, "next")
	if ends := e.endsConnection(); ends && status.Code(err) == codes.Unavailable {
		got, err = callFor(t, c, time.Minute, "next") // the end was noticed late
	}
	if err != nil || got != "next" {
		t.Errorf("%+v: next call: %q, %v", e, got, err)
	}
	if dials := n.dials(); (dials > 1) != e.endsConnection() && !e.goesAway() {
		t.Errorf("%+v: %d connections", e, dials)
	}
}

// goesAway reports whether the frame, or its state, has the next call use another connection.
func (e extra) goesAway() bool {
	return e.state == afterGoAway || e.kind == http2.FrameGoAway && e.stream == 0 && e.length >= 8
}
