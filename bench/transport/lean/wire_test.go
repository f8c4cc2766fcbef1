package lean

import (
	"io"
	"net"
	"testing"
)

// A wire takes data of any size without waiting, says when it is full, and calls roomy once
// the peer has read enough of it.
func TestBacklog(t *testing.T) {
	client, server := net.Pipe()
	w := newWire(client)
	roomy := make(chan bool, 10)
	w.roomy = func() { roomy <- w.full() }
	large := make([]byte, maxBacklog+1)
	if n, err := w.Write(large); err != nil || n != len(large) || !w.full() {
		t.Fatalf("wrote %d of %d bytes: %v, full: %t", n, len(large), err, w.full())
	}
	if n, err := w.Write(large[:10]); err != nil || n != 10 {
		t.Errorf("a full wire took %d bytes: %v", n, err)
	}
	total := int64(len(large)) + 10
	if n, err := io.CopyN(io.Discard, server, total); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, total, err)
	}
	if <-roomy {
		t.Error("the wire is full when it says that it has room")
	}
	_ = w.Close() // which waits for the goroutine
	_ = server.Close()
	if len(roomy) > 0 || w.queued.Load() != 0 {
		t.Errorf("%d bytes are queued in the end; there was room %d times more", w.queued.Load(), len(roomy))
	}
}
