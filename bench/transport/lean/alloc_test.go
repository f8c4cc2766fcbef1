package lean

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// canned answers each request that ends with the same answer, and allocates nothing once
// it is under way: what is allocated then is the client's.
func canned(conn net.Conn) {
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	first := &recorded{}
	_ = newPeer(first).out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxUint31})
	newPeer(first).answer(0, reply("answer")) // puts its fields into the table
	settings := frameHeaderSize + 6
	later := appendHeaders(nil, 0, []byte{0x88, 0xbf}, maxFrame)
	later = append(appendFrameHeader(later, len(reply("answer")), http2.FrameData, 0, 0), reply("answer")...)
	later = append(appendFrameHeader(later, 1, http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 0), 0xbe)
	if _, err := conn.Write(first.Bytes()[:settings]); err != nil {
		return
	}
	answer, in, out, fill := first.Bytes()[settings:], make([]byte, 1<<16), make([]byte, 0, 1<<16), 0
	for {
		n, err := conn.Read(in[fill:])
		if err != nil {
			return
		}
		fill += n
		pos := 0
		for {
			f, size, err := nextFrame(in[pos:fill])
			if err != nil {
				return
			} else if size == 0 {
				break
			}
			if pos += size; f.kind == http2.FrameData && f.flags.Has(http2.FlagDataEndStream) {
				out = appendFor(out, answer, f.stream)
				out = appendWindowUpdate(out, 0, len(f.payload))
				answer = later
			}
		}
		fill = copy(in, in[pos:fill])
		if _, err := conn.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// appendFor appends frames with the number of a stream in each.
func appendFor(out, frames []byte, stream uint32) []byte {
	for begin := len(out); len(frames) > 0; begin = len(out) {
		_, size, _ := nextFrame(frames)
		out = append(out, frames[:size]...)
		binary.BigEndian.PutUint32(out[begin+5:], stream)
		frames = frames[size:]
	}
	return out
}

// In the steady state, a call that is started allocates nothing.
func TestStartedCallsAllocateNothing(t *testing.T) {
	for _, polled := range []bool{false, true} {
		t.Run(fmt.Sprint("polled ", polled), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var served sync.WaitGroup
			served.Go(func() {
				if conn, err := listener.Accept(); err == nil {
					canned(conn)
				}
			})
			defer served.Wait()
			defer listener.Close()
			o := Options{Address: listener.Addr().String()}
			if polled {
				if o.Poller, err = NewPoller(); err != nil {
					t.Skip(err)
				}
				defer o.Poller.Close()
			}
			c := New(o)
			defer c.Close()
			const calls = 20_000
			makeStartedCalls(t, c, calls/10) // until buffers have their sizes
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			makeStartedCalls(t, c, calls)
			runtime.ReadMemStats(&after)
			// What is allocated besides, such as by the test and for deadlines, is no more for more calls.
			if n := after.Mallocs - before.Mallocs; n > calls/50 {
				t.Errorf("%d allocations for %d calls", n, calls)
			} else {
				t.Logf("%d allocations for %d calls", n, calls)
			}
		})
	}
}

// makeStartedCalls makes calls, eight at a time: each starts the next.
func makeStartedCalls(t *testing.T, c *Conn, calls int) {
	const clients = 8
	var done sync.WaitGroup
	request := wrapperspb.String("request")
	for range clients {
		done.Add(1)
		left := calls / clients
		call := &Call{Method: method, Request: request, Timeout: 10 * time.Second}
		call.Handler = HandlerFunc(func(call *Call, err error) {
			if err != nil {
				t.Error(err)
				left = 1
			}
			if left--; left == 0 {
				done.Done()
				return
			}
			c.Start(call)
			c.Flush()
		})
		c.Start(call)
		c.Flush()
	}
	done.Wait()
}
