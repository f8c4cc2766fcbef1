package bench

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nanosleeper is the way not taken: a thread of its own in nanosleep, with a
// timer slack of 1 ns. It is here to be compared.
type nanosleeper struct{ locked bool }

func (s *nanosleeper) sleep(_ context.Context, d time.Duration) {
	if !s.locked {
		runtime.LockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		s.locked = true
	}
	ts := unix.NsecToTimespec(int64(min(d, maxSleep)))
	_ = unix.Nanosleep(&ts, nil)
}

func (s *nanosleeper) close() {
	if s.locked {
		runtime.UnlockOSThread()
	}
}

// echoWorker does an operation as a gRPC client would: over a socket.
type echoWorker struct {
	conn net.Conn
	buf  [64]byte
}

func (w *echoWorker) Do(context.Context, *Op) error {
	if _, err := w.conn.Write(w.buf[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(w.conn, w.buf[:])
	return err
}

type echoWorkload struct {
	fakeWorkload
	address string
	conns   []net.Conn
}

func (w *echoWorkload) NewWorker(context.Context, int) (Worker, error) {
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		return nil, err
	}
	w.conns = append(w.conns, c)
	return &echoWorker{conn: c}, nil
}

func (w *echoWorkload) Teardown(context.Context) error {
	for _, c := range w.conns {
		_ = c.Close()
	}
	return nil
}

// BenchmarkSleeper compares the ways to wait for the next arrival by what
// counts: how late an arrival reaches a client, at 10,000 a second for 3 s
// (0.3 s with -short).
func BenchmarkSleeper(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	length := 3 * time.Second
	if testing.Short() {
		length /= 10
	}
	for _, way := range []struct {
		name string
		make func() sleeper
	}{
		{"timerfd", newSleeper},
		{"nanosleep-thread", func() sleeper { return &nanosleeper{} }},
		{"go-timer", func() sleeper { return newTimerSleeper() }},
	} {
		b.Run(way.name, func(b *testing.B) {
			for range b.N {
				plan := measurePlan(32, PlanPhase{Duration: length, Load: Load{Rate: 10_000}})
				run, err := Run(context.Background(), plan, &echoWorkload{address: l.Addr().String()}, Options{sleeper: way.make})
				if err != nil {
					b.Fatal(err)
				}
				lag := run.Validity.Generator.SendLag
				b.ReportMetric(float64(lag.Percentile(50).Time)/1e3, "lag-p50-µs")
				b.ReportMetric(float64(lag.Percentile(99).Time)/1e3, "lag-p99-µs")
			}
		})
	}
}
