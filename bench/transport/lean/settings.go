package lean

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

// handleSettings applies and acknowledges the peer's settings. The lock is held.
func (s *session) handleSettings(f frame) error {
	switch {
	case f.stream != 0:
		return violated(http2.ErrCodeProtocol, "SETTINGS on stream %d", f.stream)
	case f.flags.Has(http2.FlagSettingsAck):
		if len(f.payload) > 0 {
			return violated(http2.ErrCodeFrameSize, "acknowledgement of SETTINGS with %d bytes", len(f.payload))
		}
		if !s.isGreeted {
			return violated(http2.ErrCodeProtocol, "acknowledgement before SETTINGS")
		}
		return nil
	case len(f.payload)%6 != 0:
		return violated(http2.ErrCodeFrameSize, "SETTINGS of %d bytes", len(f.payload))
	}
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := s.set(http2.SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	s.out = appendFrameHeader(s.out, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	if !s.isGreeted {
		s.isGreeted = true
		close(s.greeted)
	}
	s.widened = true
	return s.count(0)
}

// checkWindows returns an error if a stream's window exceeds its limit. It looks at the streams
// only if one had a window that would: a peer may send many settings.
func (s *session) checkWindows() error {
	if s.initialWindow+s.widest <= maxUint31 {
		return nil
	}
	s.widest = 0
	for call := range s.streams.all {
		s.widest = max(s.widest, int64(call.window))
	}
	if s.initialWindow+s.widest > maxUint31 {
		return violated(http2.ErrCodeFlowControl, "the window of a stream exceeds its limit")
	}
	return nil
}

func (s *session) set(id http2.SettingID, value uint32) error {
	switch id {
	case http2.SettingHeaderTableSize:
		s.encoder.resize(value)
	case http2.SettingEnablePush:
		if value != 0 {
			return violated(http2.ErrCodeProtocol, "the server enables push")
		}
	case http2.SettingMaxConcurrentStreams:
		s.maxStreams = value
	case http2.SettingInitialWindowSize:
		if value > maxUint31 {
			return violated(http2.ErrCodeFlowControl, "initial window of %d", value)
		}
		s.initialWindow = int64(value)
		return s.checkWindows()
	case http2.SettingMaxFrameSize:
		if value < maxFrame || value > 1<<24-1 {
			return violated(http2.ErrCodeProtocol, "maximum frame size of %d", value)
		}
		s.maxFrame = int(value)
	}
	return nil
}
