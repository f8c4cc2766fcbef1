package lean

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A Header is metadata that calls carry in addition to what gRPC requires, such as a token.
// The encoder distinguishes headers by address: use one for many calls.
type Header struct{ fields []hpack.HeaderField }

// NewHeader returns a header with the metadata's values. Names are in lower case. Values of
// names that end in "-bin" are encoded, and names that are reserved by gRPC are omitted.
func NewHeader(md metadata.MD) *Header {
	h := &Header{}
	for name, values := range md {
		if name = strings.ToLower(name); isReserved(name) {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(name, "-bin") {
				v = base64.RawStdEncoding.EncodeToString([]byte(v))
			}
			h.fields = append(h.fields, hpack.HeaderField{Name: name, Value: v})
		}
	}
	return h
}

// isReserved reports whether a name is reserved for the protocol, as in grpc-go.
func isReserved(name string) bool {
	switch name {
	case "", "content-type", "user-agent", "grpc-message-type", "grpc-encoding", "grpc-message", "grpc-status", "grpc-timeout", "te":
		return true
	}
	return name[0] == ':'
}

// outgoing returns the metadata of a context; nil is none. An error names the field that
// cannot be sent.
func outgoing(ctx context.Context) (*Header, error) {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok || len(md) == 0 {
		return nil, nil
	}
	h := NewHeader(md)
	for _, f := range h.fields {
		if strings.ContainsFunc(f.Name, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.", r)
		}) {
			return nil, status.Errorf(codes.Internal, "header key %q contains illegal characters not in [0-9a-z-_.]", f.Name)
		}
		if strings.ContainsFunc(f.Value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, status.Errorf(codes.Internal, "header key %q contains value with non-printable ASCII characters", f.Name)
		}
	}
	return h, nil
}

// has reports whether a header has a field of the given name.
func (h *Header) has(name string) bool {
	return h != nil && slices.ContainsFunc(h.fields, func(f hpack.HeaderField) bool { return f.Name == name })
}

// blockKey identifies a header block.
type blockKey struct {
	method  string
	header  *Header
	timeout time.Duration
}

// block is an encoded header block that can be sent again unchanged: it only refers to the
// table of the peer.
type block struct {
	key   blockKey
	table int // the state of the table
	bytes []byte
}

// encoder encodes the headers of requests. A block that only refers to the table is
// kept until the table changes.
type encoder struct {
	hpack             *hpack.Encoder
	buf               bytes.Buffer
	scheme, authority string

	table    int // counts the changes of the table
	last     *block
	blocks   map[blockKey]*block
	timeouts map[time.Duration]bool // the largest allowed size of the table
}

// Bounds of what an encoder keeps.
const (
	maxBlocks   = 256
	maxTimeouts = 8
)

func newEncoder(scheme, authority string) *encoder {
	e := &encoder{scheme: scheme, authority: authority, blocks: map[blockKey]*block{}, timeouts: map[time.Duration]bool{}}
	e.hpack = hpack.NewEncoder(&e.buf)
	return e
}

// encode returns the header block of a request, which is valid until the next call.
func (e *encoder) encode(method string, header, metadata *Header, timeout time.Duration) []byte {
	key := blockKey{method, header, roundUp(timeout)}
	if metadata != nil { // which differs from call to call
		e.buf.Reset()
		e.write(key, metadata)
		e.table++
		return e.buf.Bytes()
	}
	if b := e.last; b != nil && b.table == e.table && b.key == key {
		return b.bytes
	}
	if b := e.blocks[key]; b != nil && b.table == e.table {
		e.last = b
		return b.bytes
	}
	e.buf.Reset()
	e.write(key, nil)
	encoded := e.buf.Bytes()
	if !refersOnly(encoded) {
		e.table++
		return encoded
	}
	if len(e.blocks) >= maxBlocks {
		clear(e.blocks)
	}
	e.last = &block{key, e.table, bytes.Clone(encoded)}
	e.blocks[key] = e.last
	return encoded
}

func (e *encoder) write(key blockKey, metadata *Header) {
	field := func(name, value string) {
		_ = e.hpack.WriteField(hpack.HeaderField{Name: name, Value: value}) // a buffer takes everything
	}
	field(":method", "POST")
	field(":scheme", e.scheme)
	field(":path", key.method)
	field(":authority", e.authority)
	field("content-type", "application/grpc")
	field("user-agent", "etcdbench")
	field("te", "trailers")
	if key.timeout > 0 {
		if len(e.timeouts) < maxTimeouts {
			e.timeouts[key.timeout] = true
		}
		_ = e.hpack.WriteField(hpack.HeaderField{
			Name: "grpc-timeout", Value: formatTimeout(key.timeout),
			Sensitive: !e.timeouts[key.timeout], // kept out of the table, which it would fill
		})
	}
	if key.header != nil {
		for _, f := range key.header.fields {
			if !metadata.has(f.Name) {
				_ = e.hpack.WriteField(f)
			}
		}
	}
	if metadata != nil {
		for _, f := range metadata.fields {
			f.Sensitive = true // kept out of the table
			_ = e.hpack.WriteField(f)
		}
	}
}

// refersOnly reports whether a block consists of one-byte references to the table (RFC
// 7541, section 6.1). Longer references are not recognized.
func refersOnly(block []byte) bool {
	for _, b := range block {
		if b < 0x80 || b == 0xff {
			return false
		}
	}
	return true
}

// roundUp rounds a timeout up to two significant digits, so that calls with the same timeout
// that began at different times mostly send equal values.
func roundUp(d time.Duration) time.Duration {
	d = min(d, longestTimeout)
	unit := time.Duration(1)
	for d/unit >= 100 {
		unit *= 10
	}
	return (d + unit - 1) / unit * unit
}

// gRPC's timeouts have at most eight digits and a unit, of which seconds are the longest that
// is used.
const (
	digits         = 99_999_999
	longestTimeout = digits * time.Second
)

// formatTimeout returns a timeout in the format of gRPC.
func formatTimeout(d time.Duration) string {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{time.Millisecond, "m"}, {time.Second, "S"}} {
		if d >= u.length && d%u.length == 0 && d/u.length <= digits {
			return strconv.FormatInt(int64(d/u.length), 10) + u.name
		}
	}
	if d <= digits*time.Microsecond {
		return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10) + "u"
	}
	return strconv.FormatInt(int64(min((d+time.Second-1)/time.Second, digits)), 10) + "S"
}

// resize applies the peer's limit of the table.
func (e *encoder) resize(limit uint32) {
	e.hpack.SetMaxDynamicTableSizeLimit(limit)
	e.table++
}
