package lean

// flush writes what is to be sent. If another goroutine is writing, that goroutine also sends
// the new data. The lock is held, and released.
func (s *session) flush() {
	c := s.conn
	for len(s.out) > 0 && !s.flushing && s.failure == nil {
		out := s.out
		s.out, s.spare, s.flushing, s.answers = s.spare[:0], nil, true, 0
		if !s.wire.full() {
			s.control = 0
		}
		now := c.now()
		for i, call := range s.unsent {
			if call != nil {
				call.left = true
				if call.sent == 0 {
					call.sent = now
				}
			}
			s.unsent[i] = nil
		}
		s.unsent = s.unsent[:0]
		c.mu.Unlock()
		_, err := s.io.Write(out)
		if err != nil {
			_ = s.wire.Conn.Close() // the reader notices
		}
		c.mu.Lock()
		s.flushing = false
		if cap(out) <= maxSpare {
			s.spare = out[:0]
		}
		if s.blocked.head != nil {
			s.unblock()
		}
	}
	c.mu.Unlock()
}

// maxSpare is the largest buffer that is kept for later requests.
const maxSpare = 128 << 10

// flushSoon sends an answer to a control frame with the next data, at the latest after
// lazyTime. The lock is held.
func (s *session) flushSoon() {
	if !s.lazyArmed {
		s.lazyArmed = true
		s.lazy.Reset(lazyTime)
	}
}

func (s *session) flushLate() {
	s.conn.mu.Lock()
	s.lazyArmed = false
	s.flush()
}
