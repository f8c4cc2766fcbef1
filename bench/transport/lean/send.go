package lean

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// open sends a request on a new stream. The lock is held.
func (s *session) open(call *Call) {
	call.session, call.id = s, s.next
	s.streams.add(call)
	if s.next += 2; s.next > maxUint31 {
		s.draining = true
		s.conn.retire(s)
	}
	s.out = appendHeaders(s.out, call.id, s.encoder.encode(call.Method, call.header, call.Metadata, call.Timeout), s.maxFrame)
	size := proto.Size(call.Request)
	whole := prefixSize + size
	if whole > s.maxFrame || int64(whole) > min(s.window, s.initialWindow) || s.blocked.head != nil {
		s.openLarge(call, size)
		return
	}
	s.out = appendPrefix(appendFrameHeader(s.out, whole, http2.FrameData, http2.FlagDataEndStream, call.id), size)
	begin := len(s.out)
	out, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(s.out, call.Request)
	if err != nil || len(out) != begin+size {
		s.out = s.out[:begin-prefixSize-frameHeaderSize]
		s.refuse(call, err)
		return
	}
	s.out = out
	s.window, call.window = s.window-int64(whole), call.window-int32(whole)
	s.unsent = append(s.unsent, call)
}

// openLarge sends a request in pieces, as the windows allow.
func (s *session) openLarge(call *Call, size int) {
	rest, err := proto.MarshalOptions{}.MarshalAppend(appendPrefix(make([]byte, 0, prefixSize+size), size), call.Request)
	if err != nil || len(rest) != prefixSize+size {
		s.refuse(call, err)
		return
	}
	if call.rest = bytes.NewBuffer(rest); call.sent == 0 {
		call.sent = s.conn.now() // it may wait for the windows
	}
	s.blocked.push(call)
	s.unblock()
}

// refuse ends a call whose request cannot be encoded, later: not within Start.
func (s *session) refuse(call *Call, err error) {
	ended := s.conn.abandon(nil, call, status.Errorf(codes.Internal, "grpc: error while marshaling: %v", err))
	go s.conn.deliver(ended)
}

func appendPrefix(b []byte, size int) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0), uint32(size))
}

// maxOut is the number of bytes to be sent above which no more of a large request is added.
// flush adds more after a write, unless the queue of the wire is full.
const maxOut = 1 << 20

// unblock sends what the windows and the wire's queue allow of large requests, in turns.
// The lock is held.
func (s *session) unblock() {
	if s.wire.full() {
		return
	}
	var stuck queue
	for len(s.out) <= maxOut && s.window > 0 {
		call := s.blocked.pop()
		if call == nil {
			break
		}
		if call.session != s || call.rest == nil {
			continue
		}
		n := int(min(int64(call.rest.Len()), int64(s.maxFrame), s.window, s.initialWindow+int64(call.window)))
		if n <= 0 {
			stuck.push(call)
			continue
		}
		var flags http2.Flags
		if n == call.rest.Len() {
			flags = http2.FlagDataEndStream
		}
		s.out = append(appendFrameHeader(s.out, n, http2.FrameData, flags, call.id), call.rest.Next(n)...)
		s.window, call.window = s.window-int64(n), call.window-int32(n)
		if call.rest.Len() > 0 {
			s.blocked.push(call)
		} else {
			call.rest = nil
			s.unsent = append(s.unsent, call)
		}
	}
	for call := stuck.pop(); call != nil; call = stuck.pop() {
		s.blocked.push(call)
	}
}

// forget removes a call from its stream. The lock is held.
func (s *session) forget(call *Call) {
	s.streams.remove(call)
	s.buffered -= len(call.Reply)
	if call.rest != nil {
		s.blocked.remove(call)
	}
	if !call.left {
		s.unsend(call)
	}
	call.id = 0
	if s.draining && s.streams.count == 0 {
		s.close()
	}
}

// unsend removes a call from those that wait for the next write.
func (s *session) unsend(call *Call) {
	for i, c := range s.unsent {
		if c == call {
			s.unsent[i] = nil
		}
	}
}

// reset removes a call from its stream and resets the stream. The lock is held.
func (s *session) reset(call *Call) {
	s.out = appendReset(s.out, call.id, http2.ErrCodeCancel)
	s.forget(call)
}
