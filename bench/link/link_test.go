package link

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers with what it gets, and is closed with the test.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func dial(t *testing.T, o Options) net.Conn {
	t.Helper()
	p, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); p.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func roundTrip(t *testing.T, c net.Conn, data string) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := io.WriteString(c, data); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != data {
		t.Fatalf("got %q, %v", got, err)
	}
	return time.Since(begin)
}

// A round trip takes at least both delays, and much data no longer than little: what
// is under way does not wait for what is before it.
func TestDelay(t *testing.T) {
	c := dial(t, Options{Target: echo(t), Up: NewDirection(Conditions{Delay: 30 * time.Millisecond}), Down: NewDirection(Conditions{Delay: 20 * time.Millisecond})})
	if got := roundTrip(t, c, "x"); got < 50*time.Millisecond {
		t.Errorf("a round trip took %v", got)
	}
	// 50 pieces one after the other would take 50 delays.
	begin := time.Now()
	go func() {
		for range 50 {
			_, _ = c.Write(make([]byte, 1000))
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := io.ReadFull(c, make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	if got := time.Since(begin); got > 20*50*time.Millisecond {
		t.Errorf("50 pieces took %v", got)
	}
}

// What comes out is what went in, in its order, whatever the conditions.
func TestContent(t *testing.T) {
	c := dial(t, Options{Target: echo(t), Up: NewDirection(Conditions{Delay: 2 * time.Millisecond, Jitter: 2 * time.Millisecond}), Down: NewDirection(Conditions{Bandwidth: 20 << 20})})
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	go func() { _, _ = c.Write(data) }()
	got := make([]byte, len(data))
	begin := time.Now()
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%v, equal: %v", err, bytes.Equal(got, data))
	}
	if took := time.Since(begin); took < 140*time.Millisecond {
		t.Errorf("3 MiB at 20 MiB/s took %v", took)
	}
}

// An outage holds back, and lets go of what it held when it is over.
func TestOutage(t *testing.T) {
	up := NewDirection(Conditions{})
	c := dial(t, Options{Target: echo(t), Up: up, Down: NewDirection(Conditions{})})
	roundTrip(t, c, "before")
	up.Set(Conditions{Down: true})
	time.AfterFunc(300*time.Millisecond, func() { up.Set(Conditions{}) })
	if got := roundTrip(t, c, "during"); got < 290*time.Millisecond {
		t.Errorf("it took %v", got)
	}
	roundTrip(t, c, "after")
}

// A connection takes its own directions from the moment that it is known, also when
// the mark comes in two parts.
func TestIdentify(t *testing.T) {
	mine := NewDirection(Conditions{Delay: 500 * time.Millisecond})
	c := dial(t, Options{
		Target: echo(t), Up: NewDirection(Conditions{}), Down: NewDirection(Conditions{}),
		Identify: func(sent []byte) (up, down *Direction, ok bool) {
			return mine, NewDirection(Conditions{}), bytes.Contains(sent, []byte("from: me"))
		},
	})
	if got := roundTrip(t, c, "hello fro"); got > 400*time.Millisecond {
		t.Errorf("unknown, it took %v", got)
	}
	if got := roundTrip(t, c, "m: me"); got < 500*time.Millisecond {
		t.Errorf("known, it took %v", got)
	}
}

// A proxy that is closed while everything stands still leaves nothing behind.
func TestCloseDuringOutage(t *testing.T) {
	down := Conditions{Down: true}
	c := dial(t, Options{Target: echo(t), Up: NewDirection(down), Down: NewDirection(down)})
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
}
