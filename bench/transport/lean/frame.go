package lean

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
)

// frameHeaderSize is the length of the header before a frame's payload, in bytes.
const frameHeaderSize = 9

// maxFrame is the longest payload that is accepted, and the least that a peer may set: the
// default of RFC 9113.
const maxFrame = 1 << 14

// maxUint31 is the highest stream identifier and the largest window.
const maxUint31 = 1<<31 - 1

// A frame is one HTTP/2 frame. Its payload is part of the read buffer.
type frame struct {
	kind    http2.FrameType
	flags   http2.Flags
	stream  uint32
	payload []byte
}

// connError is an error that ends the connection.
type connError struct {
	code   http2.ErrCode
	reason string
}

func (e connError) Error() string { return fmt.Sprintf("HTTP/2 %s: %s", e.code, e.reason) }

func violated(code http2.ErrCode, format string, args ...any) error {
	return connError{code, fmt.Sprintf(format, args...)}
}

// nextFrame returns the first frame of data. size is 0 if data holds only a part of it.
func nextFrame(data []byte) (f frame, size int, err error) {
	if len(data) < frameHeaderSize {
		return f, 0, nil
	}
	length := int(data[0])<<16 | int(data[1])<<8 | int(data[2])
	if length > maxFrame {
		return f, 0, violated(http2.ErrCodeFrameSize, "frame of %d bytes", length)
	}
	size = frameHeaderSize + length
	if len(data) < size {
		return f, 0, nil
	}
	f = frame{
		kind: http2.FrameType(data[3]), flags: http2.Flags(data[4]),
		stream: binary.BigEndian.Uint32(data[5:]) & maxUint31, payload: data[frameHeaderSize:size:size],
	}
	return f, size, nil
}

// unpad removes the padding and, from HEADERS, the priority.
func (f *frame) unpad() error {
	padding := 0
	if f.flags.Has(http2.FlagDataPadded) { // the same bit in HEADERS
		if len(f.payload) < 1 {
			return violated(http2.ErrCodeFrameSize, "%v without its pad length", f.kind)
		}
		padding, f.payload = int(f.payload[0]), f.payload[1:]
	}
	if f.kind == http2.FrameHeaders && f.flags.Has(http2.FlagHeadersPriority) {
		if len(f.payload) < 5 {
			return violated(http2.ErrCodeFrameSize, "HEADERS without its priority")
		}
		f.payload = f.payload[5:]
	}
	if padding > len(f.payload) {
		return violated(http2.ErrCodeProtocol, "%v with more padding than payload", f.kind)
	}
	f.payload = f.payload[:len(f.payload)-padding]
	return nil
}

// appendFrameHeader appends the header of a frame whose payload follows.
func appendFrameHeader(b []byte, length int, kind http2.FrameType, flags http2.Flags, stream uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendSetting(b []byte, id http2.SettingID, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(id)), value)
}

func appendWindowUpdate(b []byte, stream uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHeader(b, 4, http2.FrameWindowUpdate, 0, stream), uint32(n))
}

func appendReset(b []byte, stream uint32, code http2.ErrCode) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHeader(b, 4, http2.FrameRSTStream, 0, stream), uint32(code))
}

func appendPing(b []byte, flags http2.Flags, data []byte) []byte {
	return append(appendFrameHeader(b, len(data), http2.FramePing, flags, 0), data...)
}

func appendGoAway(b []byte, code http2.ErrCode) []byte {
	b = appendFrameHeader(b, 8, http2.FrameGoAway, 0, 0)
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), uint32(code))
}

// appendHeaders appends a header block as HEADERS and, where it is long, CONTINUATION.
func appendHeaders(b []byte, stream uint32, block []byte, limit int) []byte {
	kind := http2.FrameHeaders
	for {
		n, flags := min(len(block), limit), http2.Flags(0)
		if n == len(block) {
			flags = http2.FlagHeadersEndHeaders
		}
		b = append(appendFrameHeader(b, n, kind, flags, stream), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return b
		}
		kind = http2.FrameContinuation
	}
}
