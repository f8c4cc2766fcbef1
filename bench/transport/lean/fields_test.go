package lean

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fields sends a header block.
func fields(end bool, fields ...string) func(*peer, uint32) {
	return func(p *peer, stream uint32) { p.headers(stream, end, fields...) }
}

func sendAnswer(p *peer, stream uint32) { _ = p.out.WriteData(stream, false, reply("answer")) }

func sequence(plays ...func(*peer, uint32)) func(*peer, uint32) {
	return func(p *peer, stream uint32) {
		for _, play := range plays {
			play(p, stream)
		}
	}
}

const grpcType = "application/grpc"

// withHead and withTrailers send a good response that has fields more in its headers, or these in
// its trailers. alone sends a response of one block.
func withHead(more ...string) func(*peer, uint32) {
	head := append([]string{":status", "200", "content-type", grpcType}, more...)
	return sequence(fields(false, head...), sendAnswer, fields(true, "grpc-status", "0"))
}

func withTrailers(trailers ...string) func(*peer, uint32) {
	return sequence(fields(false, ":status", "200", "content-type", grpcType), sendAnswer, fields(true, trailers...))
}

func alone(more ...string) func(*peer, uint32) {
	return fields(true, append([]string{":status", "200", "content-type", grpcType}, more...)...)
}

// malformedFields are answers with header fields that RFC 9113 does not allow, and similar ones.
func malformedFields() []answer {
	return []answer{
		{"name in upper case", withHead("X-Upper", "y"), codes.Internal},
		{"name in upper case in the trailers", withTrailers("grpc-status", "0", "X", "y"), codes.Internal},
		{"name in upper case in the only block", alone("grpc-status", "5", "X", "y"), codes.Internal},
		{"name of a status in upper case", withTrailers("Grpc-Status", "0"), codes.Internal},
		{"empty name", withHead("", "y"), codes.Internal},
		{"name with a space", withHead("a b", "y"), codes.Internal},
		{"name beyond ASCII", withHead("ä", "y"), codes.Internal},
		{"value with a line feed", withHead("x", "a\nb"), codes.Internal},
		{"value with a zero", withTrailers("grpc-status", "0", "x", "\x00"), codes.Internal},
		{"message with a line feed", alone("grpc-status", "5", "grpc-message", "a\r\nb"), codes.Internal},
		{"value beyond ASCII", withHead("x", "ä"), codes.OK},
		{"value with a tab", withHead("x", "a\tb"), codes.OK},
		{"pseudo field of a request", fields(false, ":status", "200", ":path", "/", "content-type", grpcType), codes.Internal},
		{"unknown pseudo field", fields(false, ":status", "200", ":x", "y", "content-type", grpcType), codes.Internal},
		{"HTTP status last", fields(false, "content-type", grpcType, ":status", "200"), codes.Internal},
		{"HTTP status twice", fields(false, ":status", "200", ":status", "200", "content-type", grpcType), codes.Internal},
		{"HTTP status twice, first empty", fields(false, ":status", "", ":status", "200", "content-type", grpcType), codes.Internal},
		{"HTTP status in the trailers", withTrailers(":status", "200", "grpc-status", "0"), codes.OK},
		{"HTTP status missing", sequence(fields(false, "content-type", grpcType), sendAnswer, fields(true, "grpc-status", "0")), codes.OK},
		{"informational, malformed", fields(false, ":status", "103", "X", "y"), codes.Internal},
	}
}

// unusualFields are answers with fields that are repeated, have unusual values or are in unusual
// places.
func unusualFields() []answer {
	return []answer{
		{"status in the headers", withHead("grpc-status", "5"), codes.OK},
		{"status in the headers, no number", withHead("grpc-status", "x"), codes.Unknown},
		{"status empty", alone("grpc-status", ""), codes.Unknown},
		{"status of a page, no number", fields(true, ":status", "400", "content-type", "text/html", "grpc-status", "x"), codes.Unknown},
		{"status of an informational response, no number", fields(false, ":status", "103", "grpc-status", "x"), codes.Unknown},
		{"status twice", alone("grpc-status", "0", "grpc-status", "5"), codes.NotFound},
		{"status twice, OK last", withTrailers("grpc-status", "5", "grpc-status", "0"), codes.OK},
		{"status twice, first no number", withTrailers("grpc-status", "x", "grpc-status", "0"), codes.Unknown},
		{"status with zeros", withTrailers("grpc-status", "000"), codes.OK},
		{"status with a sign", alone("grpc-status", "+5"), codes.NotFound},
		{"status negative", alone("grpc-status", "-1"), codes.Code(1<<32 - 1)},
		{"status of 2^31", alone("grpc-status", "2147483648"), codes.Unknown},
		{"status with a space", alone("grpc-status", " 5"), codes.Unknown},
		{"OK with a message", withTrailers("grpc-status", "0", "grpc-message", "fine"), codes.OK},

		{"content type twice", withHead("content-type", "text/html"), codes.OK},
		{"content type twice, of gRPC last", sequence(fields(false, ":status", "200", "content-type", "text/html", "content-type", grpcType),
			sendAnswer, fields(true, "grpc-status", "0")), codes.OK},
		{"content type in upper case", fields(true, ":status", "200", "content-type", "Application/grpc", "grpc-status", "5"), codes.Unknown},
		{"content type with parameters", sequence(fields(false, ":status", "200", "content-type", grpcType+"; charset=utf-8"), sendAnswer,
			fields(true, "grpc-status", "0")), codes.OK},

		{"HTTP status 1xx, no number", sequence(fields(false, ":status", "1xx"), withHead()), codes.Internal},
		{"HTTP status 100 with a sign", sequence(fields(false, ":status", "+100"), withHead()), codes.OK},
		{"HTTP status of four digits", fields(true, ":status", "1000"), codes.Unknown},
		{"HTTP status 0", fields(true, ":status", "0"), codes.Unknown},
		{"informational many times", sequence(fields(false, ":status", "100"), fields(false, ":status", "103"),
			fields(false, ":status", "199"), withHead()), codes.OK},
		{"informational after the headers", sequence(fields(false, ":status", "200", "content-type", grpcType),
			fields(false, ":status", "103")), codes.Internal},
		{"informational of gRPC", sequence(fields(false, ":status", "103", "content-type", grpcType), withHead()), codes.Internal},

		{"details twice", alone("grpc-status", "5", "grpc-status-details-bin", "CAUSAm5v", "grpc-status-details-bin", "CAc"), codes.NotFound},
		{"details padded", alone("grpc-status", "5", "grpc-status-details-bin", "CAUSAm5vAA=="), codes.NotFound},
		{"details of an OK", withTrailers("grpc-status", "0", "grpc-status-details-bin", "CAU"), codes.Internal},
	}
}

// fieldAnswers are all of these.
func fieldAnswers() []answer { return slices.Concat(malformedFields(), unusualFields()) }

// Header fields that RFC 9113 does not allow, and repeated ones, end a call with the code of grpc-go.
func TestCodesOfHeaderFields(t *testing.T) {
	for _, a := range fieldAnswers() {
		t.Run(a.name, a.compare)
	}
}

// The text of a status is the one of grpc-go, however it is encoded. What is no UTF-8 is replaced.
func TestTextOfStatus(t *testing.T) {
	for _, text := range []string{
		"", "plain", "%", "%2", "%25", "100%25 %zz", "%e4%b8%96", "%E4%B8%96%", "%ff", "a%0", "%00", "%+1", "%-1", "%0x", "%%41", "\xe4", "世",
	} {
		a := answer{text, func(p *peer, stream uint32) {
			p.headers(stream, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", text)
		}, codes.NotFound}
		want := strings.ToValidUTF8(status.Convert(a.outcome(t, grpcTo)).Message(), "\uFFFD")
		if got := status.Convert(a.outcome(t, leanTo)).Message(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A malformed header ends its call alone, with the reset that RFC 9113 requires. The table of
// header fields stays that of the server.
func TestMalformedHeadersEndTheirCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serving(func(p *peer, stream uint32, request []byte) {
			if stream == 1 {
				p.headers(stream, false, ":status", "200", "Upper", "x", "content-type", "application/grpc", "other", "y")
			} else {
				p.answer(stream, request)
			}
		})
		c := connect(t, n, Options{})
		_, err := callFor(t, c, time.Second, "malformed")
		wantCode(t, "malformed", err, codes.Internal)
		if err == nil || !strings.Contains(err.Error(), `"Upper"`) {
			t.Errorf("%v does not name the field", err)
		}
		if got, err := callFor(t, c, time.Second, "next"); err != nil || got != "next" || n.dials() != 1 {
			t.Errorf("next: %q, %v, on connection %d", got, err, n.dials())
		}
		if _, code, reset := n.peer().get(1); !reset || code != http2.ErrCodeProtocol {
			t.Errorf("the server got the reset %v %v, want PROTOCOL_ERROR", code, reset)
		}
	})
}
