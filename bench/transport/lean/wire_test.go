package lean

import (
	"errors"
	"io"
	"net"
	"testing"
)

// A request may be of any size: only what piles up while the peer does not read is
// bounded.
func TestBacklog(t *testing.T) {
	client, server := net.Pipe()
	w := newWire(client)
	large := make([]byte, maxBacklog+1)
	if n, err := w.Write(large); err != nil || n != len(large) {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(large), err)
	}
	if n, err := io.CopyN(io.Discard, server, int64(len(large))); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(large), err)
	}
	written := 0
	for piece := large[:1<<24]; written < 4*maxBacklog; written += len(piece) {
		if _, err := w.Write(piece); err != nil {
			if !errors.Is(err, errNotReading) {
				t.Error(err)
			}
			break
		}
	}
	if written < maxBacklog || written > 2*maxBacklog {
		t.Errorf("%d bytes were taken from a peer that does not read", written)
	}
	_ = w.Close() // which waits for the goroutine
	_ = server.Close()
}
