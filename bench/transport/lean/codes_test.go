package lean

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An answer is what a server sends after a request, and the code with which the call ends.
type answer struct {
	name string
	play func(p *peer, stream uint32)
	want codes.Code
}

// answers are those that the specifications allow, and many that they do not.
func answers() []answer {
	message := reply("answer")
	flagged := func(flag byte) []byte { return append([]byte{flag}, message[1:]...) }
	fields := func(end bool, fields ...string) func(*peer, uint32) {
		return func(p *peer, stream uint32) { p.headers(stream, end, fields...) }
	}
	only := func(trailers ...string) func(*peer, uint32) {
		return fields(true, append([]string{":status", "200", "content-type", "application/grpc"}, trailers...)...)
	}
	body := func(data []byte) func(*peer, uint32) {
		return func(p *peer, stream uint32) {
			_ = p.out.WriteData(stream, false, data)
			p.trailers(stream, "0")
		}
	}
	data := func(pieces ...[]byte) func(*peer, uint32) {
		return func(p *peer, stream uint32) {
			p.head(stream)
			for _, piece := range pieces {
				_ = p.out.WriteData(stream, false, piece)
			}
			p.trailers(stream, "0")
		}
	}
	reset := func(code http2.ErrCode) func(*peer, uint32) {
		return func(p *peer, stream uint32) { _ = p.out.WriteRSTStream(stream, code) }
	}
	raw := func(kind http2.FrameType, flags http2.Flags, stream int, payload string) func(*peer, uint32) {
		return func(p *peer, id uint32) {
			if stream < 0 {
				stream = int(id)
			}
			_ = p.out.WriteRawFrame(kind, flags, uint32(stream), []byte(payload))
		}
	}
	then := func(plays ...func(*peer, uint32)) func(*peer, uint32) {
		return func(p *peer, stream uint32) {
			for _, play := range plays {
				play(p, stream)
			}
		}
	}
	good := data(message)
	list := []answer{
		{"good", good, codes.OK},
		{"empty message", data(reply("")), codes.OK},
		{"byte by byte", data(split(message)...), codes.OK},
		{"empty DATA between", data(nil, message, nil, nil), codes.OK},
		{"padded", func(p *peer, stream uint32) {
			p.head(stream)
			_ = p.out.WriteDataPadded(stream, false, message, make([]byte, 255))
			p.trailers(stream, "0")
		}, codes.OK},
		{"padding alone", func(p *peer, stream uint32) {
			p.head(stream)
			_ = p.out.WriteDataPadded(stream, false, nil, make([]byte, 255))
			_ = p.out.WriteData(stream, false, message)
			p.trailers(stream, "0")
		}, codes.OK},
		{"headers in pieces", func(p *peer, stream uint32) {
			block := p.encode(":status", "200", "content-type", "application/grpc")
			_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:1]})
			for i := range block[1:] {
				_ = p.out.WriteContinuation(stream, i == len(block)-2, block[1+i:2+i])
			}
			_ = p.out.WriteData(stream, false, message)
			p.trailers(stream, "0")
		}, codes.OK},
		{"headers with priority and padding", func(p *peer, stream uint32) {
			_ = p.out.WriteHeaders(http2.HeadersFrameParam{
				StreamID: stream, BlockFragment: p.encode(":status", "200", "content-type", "application/grpc+proto"), EndHeaders: true,
				PadLength: 200, Priority: http2.PriorityParam{StreamDep: 7, Weight: 3},
			})
			_ = p.out.WriteData(stream, false, message)
			p.trailers(stream, "0")
		}, codes.OK},
		{"informational before", then(fields(false, ":status", "103", "link", "x"), good), codes.OK},
		{"unknown frame", then(raw(0xfa, 0xff, -1, "what?"), good), codes.OK},
		{"unknown frame on stream 0", then(raw(0xfa, 0xff, 0, ""), good), codes.OK},
		{"PRIORITY", then(raw(http2.FramePriority, 0, -1, "\x00\x00\x00\x09\x10"), good), codes.OK},
		{"PING", then(raw(http2.FramePing, 0, 0, "12345678"), good), codes.OK},
		{"PING acknowledgement unasked", then(raw(http2.FramePing, http2.FlagPingAck, 0, "12345678"), good), codes.OK},
		{"SETTINGS of unknown kinds", then(raw(http2.FrameSettings, 0, 0, "\x00\x99\x00\x00\x00\x01"), good), codes.OK},
		{"WINDOW_UPDATE", then(raw(http2.FrameWindowUpdate, 0, -1, "\x00\x00\x00\x01"), good), codes.OK},
		{"GOAWAY that spares it", then(func(p *peer, stream uint32) { _ = p.out.WriteGoAway(stream, http2.ErrCodeNo, nil) }, good), codes.OK},

		{"trailers only", only("grpc-status", "5", "grpc-message", "no"), codes.NotFound},
		{"trailers only, OK without a message", only("grpc-status", "0"), codes.Internal},
		{"status after a message", then(func(p *peer, stream uint32) {
			p.head(stream)
			_ = p.out.WriteData(stream, false, message)
		}, fields(true, "grpc-status", "8")), codes.ResourceExhausted},
		{"status unknown to gRPC", only("grpc-status", "77"), codes.Code(77)},
		{"status no number", only("grpc-status", "x"), codes.Unknown},
		{"status of 30 digits", only("grpc-status", strings.Repeat("9", 30)), codes.Unknown},
		{"no status", only(), codes.Unknown},
		{"trailers without status", then(func(p *peer, stream uint32) {
			p.head(stream)
			_ = p.out.WriteData(stream, false, message)
		}, fields(true, "x", "y")), codes.Unknown},
		{"end without trailers", func(p *peer, stream uint32) {
			p.head(stream)
			_ = p.out.WriteData(stream, true, message)
		}, codes.Internal},
		{"end in the headers' place", func(p *peer, stream uint32) { _ = p.out.WriteData(stream, true, nil) }, codes.Internal},
		{"headers twice", then(func(p *peer, stream uint32) { p.head(stream) }, func(p *peer, stream uint32) { p.head(stream) }), codes.Internal},
		{"informational with its end", fields(true, ":status", "100"), codes.Internal},

		{"no HTTP status", fields(true, "x", "y"), codes.Internal},
		{"malformed HTTP status", fields(true, ":status", "2xx"), codes.Internal},
		{"content type of a page", fields(true, ":status", "200", "content-type", "text/html"), codes.Unknown},
		{"content type missing", fields(true, ":status", "200"), codes.Unknown},
		{"content type missing, with status", fields(true, ":status", "200", "grpc-status", "5"), codes.Unknown},
		{"content type missing in trailers", good, codes.OK},
		{"HTTP status 500 of gRPC", fields(true, ":status", "500", "content-type", "application/grpc", "grpc-status", "5"), codes.NotFound},
		{"HTTP status 503 of gRPC, then good", then(fields(false, ":status", "503", "content-type", "application/grpc"),
			body(message)), codes.OK},
		{"content type of another gRPC", fields(true, ":status", "200", "content-type", "application/grpcx", "grpc-status", "5"), codes.Unknown},

		{"compressed without encoding", data(flagged(1)), codes.Internal},
		{"compressed", then(fields(false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "snappy"),
			body(flagged(1))), codes.Internal},
		{"encoding announced and not used", then(fields(false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip"),
			body(message)), codes.OK},
		{"flag of 2", data(flagged(2)), codes.Internal},
		{"two messages", data(message, message), codes.Internal},
		{"two empty messages", data(reply(""), reply("")), codes.Internal},
		{"message and a half", data(message, message[:7]), codes.Internal},
		{"no message", data(), codes.Internal},
		{"prefix cut", data(message[:3]), codes.Internal},
		{"message cut", data(message[:9]), codes.Internal},
		{"message of 4 GiB", data(append([]byte{0, 0xff, 0xff, 0xff, 0xff}, message...)), codes.ResourceExhausted},
		{"no protobuf", data([]byte{0, 0, 0, 0, 3, 0xff, 0xff, 0xff}), codes.Internal},

		{"details", only("grpc-status", "5", "grpc-status-details-bin", "CAUSAm5v"), codes.NotFound},
		{"details of another code", only("grpc-status", "7", "grpc-status-details-bin", "CAUSAm5v"), codes.Internal},
		{"details that are no status", only("grpc-status", "5", "grpc-status-details-bin", "/w"), codes.NotFound},
		{"status of 200 characters", only("grpc-status", strings.Repeat("x", 200)), codes.Unknown},
		{"details that are none", only("grpc-status", "5", "grpc-status-details-bin", "!"), codes.Internal},
		{"message with percents", only("grpc-status", "5", "grpc-message", "100%25 %zz %e4%"), codes.NotFound},

		{"WINDOW_UPDATE of 0 on the stream", raw(http2.FrameWindowUpdate, 0, -1, "\x00\x00\x00\x00"), codes.Internal},
	}
	for _, code := range []int{301, 400, 401, 403, 404, 429, 500, 502, 503, 504, 999} {
		want, text := codeOfHTTP(code), strconv.Itoa(code)
		list = append(list, answer{"HTTP " + text, fields(true, ":status", text, "content-type", "text/plain"), want})
		page := func(p *peer, stream uint32) { _ = p.out.WriteData(stream, true, []byte("sorry")) }
		list = append(list, answer{
			"HTTP with a body " + text, then(fields(false, ":status", text, "content-type", "text/plain"), page), want,
		})
	}
	for code := http2.ErrCodeNo; code <= http2.ErrCodeHTTP11Required+1; code++ {
		if code != http2.ErrCodeRefusedStream { // after which it is sent again
			list = append(list, answer{"RST_STREAM " + code.String(), reset(code), codeOfReset(code)})
		}
	}
	// What ends the connection ends the call.
	for name, play := range map[string]func(*peer, uint32){
		"DATA on stream 0":             raw(http2.FrameData, 0, 0, "x"),
		"HEADERS on stream 0":          raw(http2.FrameHeaders, 4, 0, "\x88"),
		"padding too long":             raw(http2.FrameData, 8, -1, "\x09x"),
		"pad length missing":           raw(http2.FrameData, 8, -1, ""),
		"HEADERS without priority":     raw(http2.FrameHeaders, 0x24, -1, "\x00"),
		"header block malformed":       raw(http2.FrameHeaders, 4, -1, "\xff\xff\xff\xff\xff\xff\xff"),
		"header index of 0":            raw(http2.FrameHeaders, 4, -1, "\x80"),
		"RST_STREAM of 3 bytes":        raw(http2.FrameRSTStream, 0, -1, "123"),
		"RST_STREAM on stream 0":       raw(http2.FrameRSTStream, 0, 0, "1234"),
		"SETTINGS of 5 bytes":          raw(http2.FrameSettings, 0, 0, "12345"),
		"SETTINGS on a stream":         raw(http2.FrameSettings, 0, -1, ""),
		"SETTINGS window too large":    raw(http2.FrameSettings, 0, 0, "\x00\x04\xff\xff\xff\xff"),
		"SETTINGS acknowledged, full":  raw(http2.FrameSettings, 1, 0, "123456"),
		"PING of 7 bytes":              raw(http2.FramePing, 0, 0, "1234567"),
		"PING on a stream":             raw(http2.FramePing, 0, -1, "12345678"),
		"GOAWAY of 7 bytes":            raw(http2.FrameGoAway, 0, 0, "1234567"),
		"GOAWAY on a stream":           raw(http2.FrameGoAway, 0, -1, "12345678"),
		"WINDOW_UPDATE of 3 bytes":     raw(http2.FrameWindowUpdate, 0, 0, "123"),
		"WINDOW_UPDATE of 0":           raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"),
		"CONTINUATION alone":           raw(http2.FrameContinuation, 4, -1, "\x88"),
		"DATA within a header block":   then(raw(http2.FrameHeaders, 0, -1, "\x88"), raw(http2.FrameData, 0, -1, "")),
		"CONTINUATION, another stream": then(raw(http2.FrameHeaders, 0, -1, "\x88"), raw(http2.FrameContinuation, 4, 99, "")),
		"frame too long":               raw(http2.FrameData, 0, -1, strings.Repeat("x", maxFrame+1)),
		"connection closed":            func(p *peer, _ uint32) { _ = p.Close() },
		"head, connection closed":      func(p *peer, stream uint32) { p.head(stream); _ = p.Close() },
	} {
		list = append(list, answer{name, play, codes.Unavailable})
	}
	return list
}

func split(data []byte) (pieces [][]byte) {
	for i := range data {
		pieces = append(pieces, data[i:i+1])
	}
	return pieces
}

// A call ends with the same code as one of grpc-go's, whatever the server answers, once,
// and long before its deadline.
func TestCodesAreThoseOfGRPC(t *testing.T) {
	for _, a := range answers() {
		t.Run(a.name, a.compare)
	}
}

// compare compares the code of a call that gets the answer with the one that is wanted, for both
// transports.
func (a answer) compare(t *testing.T) {
	if lean := status.Code(a.outcome(t, leanTo)); lean != a.want {
		t.Errorf("%v, want %v", lean, a.want)
	}
	if other := status.Code(a.outcome(t, grpcTo)); other != a.want {
		t.Errorf("grpc-go: %v, want %v", other, a.want)
	}
}

func leanTo(t *testing.T, n *network) grpc.ClientConnInterface { return connect(t, n, Options{}) }
func grpcTo(t *testing.T, n *network) grpc.ClientConnInterface { return connectGRPC(t, n) }

// outcome returns the error of a call that gets the answer.
func (a answer) outcome(t *testing.T, connect func(*testing.T, *network) grpc.ClientConnInterface) (err error) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, _ []byte) { a.play(p, stream) })
		began := time.Now()
		var text string
		if text, err = callFor(t, connect(t, n), 10*time.Second, "question"); err == nil && text != "answer" && a.name != "empty message" {
			t.Errorf("answered %q", text)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
	return err
}
