package lean

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxBlock bounds a header block, compressed and not.
const maxBlock = 1 << 20

// handle handles one frame. An error ends the connection. The lock is held.
func (s *session) handle(f frame, now time.Duration) error {
	if s.inBlock != 0 && f.kind != http2.FrameContinuation {
		return violated(http2.ErrCodeProtocol, "%v within a header block", f.kind)
	}
	if !s.isGreeted && f.kind != http2.FrameSettings {
		return violated(http2.ErrCodeProtocol, "%v before SETTINGS", f.kind)
	}
	switch f.kind {
	case http2.FrameData:
		return s.handleData(f, now)
	case http2.FrameHeaders:
		return s.handleHeaders(f, now)
	case http2.FrameContinuation:
		return s.handleContinuation(f, now)
	case http2.FrameRSTStream:
		return s.handleReset(f, now)
	case http2.FrameSettings:
		return s.handleSettings(f)
	case http2.FramePing:
		return s.handlePing(f)
	case http2.FrameGoAway:
		return s.handleGoAway(f, now)
	case http2.FrameWindowUpdate:
		return s.handleWindowUpdate(f, now)
	case http2.FramePushPromise:
		return violated(http2.ErrCodeProtocol, "PUSH_PROMISE, which is disabled")
	case http2.FramePriority:
		switch {
		case len(f.payload) != 5:
			return violated(http2.ErrCodeFrameSize, "PRIORITY of %d bytes", len(f.payload))
		case f.stream == 0:
			return violated(http2.ErrCodeProtocol, "PRIORITY on stream 0")
		}
	}
	return nil // unknown kinds are ignored
}

// stream returns the call of a frame's stream; nil if it has ended. A stream that was never
// opened is an error.
func (s *session) stream(f frame) (*Call, error) {
	if f.stream == 0 || f.stream%2 == 0 || f.stream >= s.next {
		return nil, violated(http2.ErrCodeProtocol, "%v on stream %d, which was not opened", f.kind, f.stream)
	}
	return s.streams.get(f.stream), nil
}

// finish ends a call whose stream the peer has closed.
func (s *session) finish(call *Call, err error, now time.Duration) {
	if call.rest != nil { // it answered before it had the whole request
		s.out = appendReset(s.out, call.id, http2.ErrCodeNo)
	}
	if err == nil && call.header != nil {
		s.accepted = call.header
	}
	s.forget(call)
	s.ended = s.conn.end(s.ended, call, err, now)
}

// stop ends a call because of what the peer sent, and resets its stream.
func (s *session) stop(call *Call, err error, code http2.ErrCode, now time.Duration) {
	s.out = appendReset(s.out, call.id, code)
	s.forget(call)
	call.Reply = nil
	s.ended = s.conn.end(s.ended, call, err, now)
}

func (s *session) handleData(f frame, now time.Duration) error {
	size := len(f.payload)
	call, err := s.stream(f)
	if err != nil {
		return err
	}
	if err := f.unpad(); err != nil {
		return err
	}
	if s.unread += size; s.unread >= connWindow/2 {
		s.out = appendWindowUpdate(s.out, 0, s.unread)
		s.unread = 0
	}
	if call == nil {
		return nil
	}
	ends := f.flags.Has(http2.FlagDataEndStream)
	if call.unread += uint32(size); call.unread >= streamWindow/2 && !ends {
		s.out = appendWindowUpdate(s.out, call.id, int(call.unread))
		call.unread = 0
	}
	if !call.headed {
		s.stop(call, status.Error(codes.Internal, "received DATA before the headers"), http2.ErrCodeProtocol, now)
		return nil
	}
	if err := s.message(call, f.payload); err != nil {
		s.stop(call, err, http2.ErrCodeCancel, now)
		return nil
	}
	if ends {
		s.finish(call, status.Error(codes.Internal, "server closed the stream without sending trailers"), now)
	}
	return nil
}

// message takes a piece of the reply, whose length comes first.
func (s *session) message(call *Call, data []byte) error {
	for call.prefixLen < prefixSize {
		if len(data) == 0 {
			return nil
		}
		if call.prefixLen > 0 {
			call.want = call.want<<8 | uint32(data[0])
		} else if flag := data[0]; flag != 0 {
			return status.Errorf(codes.Internal, "the reply is compressed without a request for it (flag %d)", flag)
		}
		call.prefixLen++
		data = data[1:]
		if call.prefixLen < prefixSize {
			continue
		}
		if call.want > math.MaxInt32 {
			return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", call.want, math.MaxInt32)
		}
		if len(data) == int(call.want) {
			call.Reply, call.hasMessage = data, true // all of it is here: no copy yet
			s.buffered += len(data)
			s.aliased = append(s.aliased, call)
			return nil
		}
	}
	if len(data) == 0 {
		return nil
	}
	if call.hasMessage || len(call.Reply)+len(data) > int(call.want) {
		return status.Error(codes.Internal, "cardinality violation: received more than one message for a unary call")
	}
	if s.buffered+len(data) > maxBuffered {
		return status.Errorf(codes.ResourceExhausted, "replies under way on one connection exceed %d bytes", maxBuffered)
	}
	if call.Reply == nil {
		call.Reply = make([]byte, 0, min(int(call.want), readBuffer))
	}
	call.Reply = append(call.Reply, data...)
	s.buffered += len(data)
	call.hasMessage = len(call.Reply) == int(call.want)
	return nil
}

func (s *session) handleHeaders(f frame, now time.Duration) error {
	if _, err := s.stream(f); err != nil {
		return err
	}
	if err := f.unpad(); err != nil {
		return err
	}
	s.blockEnds = f.flags.Has(http2.FlagHeadersEndStream)
	if f.flags.Has(http2.FlagHeadersEndHeaders) {
		return s.handleBlock(f.stream, f.payload, now)
	}
	s.inBlock, s.block = f.stream, append(s.block[:0], f.payload...)
	return nil
}

func (s *session) handleContinuation(f frame, now time.Duration) error {
	if s.inBlock == 0 || f.stream != s.inBlock {
		return violated(http2.ErrCodeProtocol, "CONTINUATION on stream %d, which has no open header block", f.stream)
	}
	if len(s.block)+len(f.payload) > maxBlock {
		return violated(http2.ErrCodeEnhanceYourCalm, "header block of more than %d bytes", maxBlock)
	}
	s.block = append(s.block, f.payload...)
	if !f.flags.Has(http2.FlagContinuationEndHeaders) {
		if len(f.payload) == 0 {
			return violated(http2.ErrCodeEnhanceYourCalm, "empty CONTINUATION")
		}
		return nil
	}
	s.inBlock = 0
	return s.handleBlock(f.stream, s.block, now)
}

// handleBlock handles a complete header block. It decodes the block even if its call has
// ended, because the block may change the table.
func (s *session) handleBlock(stream uint32, block []byte, now time.Duration) error {
	head, size, err := s.heads.decode(block)
	if err != nil {
		return violated(http2.ErrCodeCompression, "header block: %v", err)
	}
	call := s.streams.get(stream)
	if call == nil {
		return nil
	}
	switch first := !call.headed; {
	case head.malformed != "" && !s.blockEnds:
		s.stop(call, head.malformation(), http2.ErrCodeProtocol, now)
	case head.malformed != "":
		s.finish(call, head.malformation(), now)
	case size > maxBlock:
		s.endByHead(call, status.Errorf(codes.Internal, "header list of more than %d bytes", maxBlock), now)
	case first && !s.blockEnds && head.isInformational():
	case first:
		call.headed = true
		if err := head.check(); err != nil {
			s.endByHead(call, err, now)
		} else if s.blockEnds {
			s.endByHead(call, head.statusOf(call), now)
		}
	case !s.blockEnds:
		s.stop(call, status.Error(codes.Internal, "received headers in the middle of a reply"), http2.ErrCodeProtocol, now)
	default:
		s.endByHead(call, head.statusOf(call), now)
	}
	return nil
}

// statusOf returns the outcome of a call from its trailers.
func (h *responseHead) statusOf(call *Call) error {
	err := h.status()
	switch {
	case err != nil:
		return err
	case call.prefixLen == 0:
		return status.Error(codes.Internal, "cardinality violation: received no message for a unary call")
	case !call.hasMessage:
		return status.Error(codes.Internal, "the reply is cut off")
	}
	return nil
}

// endByHead ends a call because of a header block, which may leave the stream open.
func (s *session) endByHead(call *Call, err error, now time.Duration) {
	if s.blockEnds {
		s.finish(call, err, now)
	} else {
		s.stop(call, err, http2.ErrCodeCancel, now)
	}
}

func (s *session) handleReset(f frame, now time.Duration) error {
	if len(f.payload) != 4 {
		return violated(http2.ErrCodeFrameSize, "RST_STREAM of %d bytes", len(f.payload))
	}
	call, err := s.stream(f)
	if err != nil || call == nil {
		return err
	}
	code := http2.ErrCode(binary.BigEndian.Uint32(f.payload))
	if code == http2.ErrCodeRefusedStream && !call.retried && !call.headed { // it was not processed
		s.forget(call)
		call.retried = true
		s.conn.requeue(call)
		return nil
	}
	err = resetError(code)
	if code == http2.ErrCodeCancel && now >= call.deadline-call.Timeout/100 {
		err = errDeadline()
	}
	s.forget(call)
	s.ended = s.conn.end(s.ended, call, err, now)
	return nil
}

func (s *session) handlePing(f frame) error {
	switch {
	case len(f.payload) != 8:
		return violated(http2.ErrCodeFrameSize, "PING of %d bytes", len(f.payload))
	case f.stream != 0:
		return violated(http2.ErrCodeProtocol, "PING on stream %d", f.stream)
	case f.flags.Has(http2.FlagPingAck):
		return nil
	}
	s.out = appendPing(s.out, http2.FlagPingAck, f.payload)
	return s.count(len(f.payload))
}

// count counts an answer to a control frame, with its payload in bytes. Without a limit, a
// peer that sends many and reads no answer would exhaust the memory.
func (s *session) count(payload int) error {
	s.answers += frameHeaderSize + payload
	if s.control++; s.control > maxControl {
		return violated(http2.ErrCodeEnhanceYourCalm, "too many control frames")
	}
	return nil
}

// handleGoAway moves calls that the peer will not process to another connection. Calls that it has
// begun to answer nevertheless may have been processed, and end.
func (s *session) handleGoAway(f frame, now time.Duration) error {
	switch {
	case len(f.payload) < 8:
		return violated(http2.ErrCodeFrameSize, "GOAWAY of %d bytes", len(f.payload))
	case f.stream != 0:
		return violated(http2.ErrCodeProtocol, "GOAWAY on stream %d", f.stream)
	}
	last := binary.BigEndian.Uint32(f.payload) & maxUint31
	s.draining = true
	s.conn.retire(s)
	for call := range s.streams.all {
		if call.id <= last {
			continue
		}
		s.forget(call)
		if call.headed {
			err := status.Error(codes.Unavailable, "received GOAWAY for a call that was being answered")
			s.ended = s.conn.end(s.ended, call, err, now)
		} else {
			s.conn.requeue(call)
		}
	}
	if s.streams.count == 0 {
		s.close()
	}
	return nil
}

func (s *session) handleWindowUpdate(f frame, now time.Duration) error {
	if len(f.payload) != 4 {
		return violated(http2.ErrCodeFrameSize, "WINDOW_UPDATE of %d bytes", len(f.payload))
	}
	n := int64(binary.BigEndian.Uint32(f.payload) & maxUint31)
	if f.stream == 0 {
		if n == 0 {
			return violated(http2.ErrCodeProtocol, "WINDOW_UPDATE of 0")
		}
		if s.window += n; s.window > maxUint31 {
			return violated(http2.ErrCodeFlowControl, "the connection's window exceeds its limit")
		}
		s.widened = true
		return nil
	}
	call, err := s.stream(f)
	if err != nil || call == nil {
		return err
	}
	window := int64(call.window) + n
	if n == 0 || s.initialWindow+window > maxUint31 {
		s.stop(call, status.Error(codes.Internal, "malformed WINDOW_UPDATE"), http2.ErrCodeFlowControl, now)
		return nil
	}
	call.window, s.widest, s.widened = int32(window), max(s.widest, window), true
	return nil
}
