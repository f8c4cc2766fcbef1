package lean

import (
	"bytes"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/metadata"
)

// recorded is a connection to which a server writes what is to be kept.
type recorded struct {
	net.Conn
	bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) { return r.Buffer.Write(p) }
func (r *recorded) Read(p []byte) (int, error)  { return 0, io.EOF }
func (r *recorded) Close() error                { return nil }

// record returns the bytes of an answer to the first stream.
func record(a answer) []byte {
	r := &recorded{}
	a.play(newPeer(r), 1)
	return r.Bytes()
}

// The frame reader finds the same frames as that of golang.org/x/net, with the same
// payloads, and refuses the same.
func FuzzFrames(f *testing.F) {
	for _, a := range answers() {
		f.Add(record(a))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for {
			got, size, err := nextFrame(data)
			other := http2.NewFramer(io.Discard, bytes.NewReader(data))
			other.AllowIllegalReads = true
			other.SetMaxReadFrameSize(maxFrame)
			want, wantErr := other.ReadFrame()
			if err != nil || size == 0 {
				if tooLarge := wantErr == http2.ErrFrameTooLarge; tooLarge != (err != nil) {
					t.Fatalf("%v, golang.org/x/net says %v", err, wantErr)
				}
				if size == 0 && err == nil && wantErr != io.EOF && wantErr != io.ErrUnexpectedEOF {
					t.Fatalf("incomplete, golang.org/x/net says %v, %v", want, wantErr)
				}
				return
			}
			compareFrames(t, got, want, wantErr)
			data = data[size:]
		}
	})
}

func compareFrames(t *testing.T, got frame, want http2.Frame, wantErr error) {
	if got.kind != http2.FrameData && got.kind != http2.FrameHeaders || got.stream == 0 { // which handle looks at
		if wantErr != nil {
			return
		}
	} else if err := got.unpad(); (err != nil) != (wantErr != nil) {
		t.Fatalf("%+v: %v, golang.org/x/net says %v", got, err, wantErr)
	} else if err != nil {
		return
	}
	h := want.Header()
	if h.Type != got.kind || h.Flags != got.flags || h.StreamID != got.stream {
		t.Fatalf("%+v, want %v", got, h)
	}
	var payload []byte
	switch want := want.(type) {
	case *http2.DataFrame:
		payload = want.Data()
	case *http2.HeadersFrame:
		payload = want.HeaderBlockFragment()
	case *http2.ContinuationFrame:
		payload = want.HeaderBlockFragment()
	case *http2.UnknownFrame:
		payload = want.Payload()
	default:
		return
	}
	if !bytes.Equal(payload, got.payload) {
		t.Fatalf("%+v: payload %x, want %x", h, got.payload, payload)
	}
}

// Whatever bytes a server sends, in pieces of any length, with calls under way: each call
// ends once and by its deadline.
func FuzzServer(f *testing.F) {
	for _, a := range slices.Concat(answers(), fieldAnswers()) {
		f.Add(record(a), uint16(7))
	}
	large := strings.Repeat("x", defaultWindow)
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{accept: func(i int, p *peer) {
				go func() { _, _ = io.Copy(io.Discard, p.Conn) }()
				_ = p.out.WriteSettings()
				if i > 0 {
					time.Sleep(time.Second)
					return
				}
				time.Sleep(time.Millisecond) // until the requests are there
				for part := range slices.Chunk(data, 1+int(piece)) {
					if _, err := p.Write(part); err != nil {
						return
					}
				}
				time.Sleep(500 * time.Millisecond)
			}}
			c := connect(t, n, Options{})
			var outcomes []*outcome
			for _, text := range []string{"question", "question", "question", large} { // the last one waits for its window
				_, o, _ := start(c, time.Second, text)
				outcomes = append(outcomes, o)
			}
			time.Sleep(1010 * time.Millisecond)
			synctest.Wait()
			for i, o := range outcomes {
				if took := o.ended.Sub(o.began); o.times != 1 || took > 1010*time.Millisecond {
					t.Errorf("call %d ended %d times, after %v: %v", i, o.times, took, o.err)
				}
			}
		})
	})
}

// Header blocks say what they are to say, whatever was sent before and however large the
// peer's table is. A timeout is never shortened.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 1, 2, 255, 0, 1, 2}, int64(time.Second))
	f.Add([]byte{255, 255, 0, 64, 0, 255, 3, 0, 255, 9, 0, 200, 100}, int64(1))
	f.Add(bytes.Repeat([]byte{0, 1, 60, 130, 255, 1}, 40), int64(1<<62))
	f.Add([]byte{0, 3, 6}, int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, steps []byte, timeout int64) {
		headers := []*Header{nil, NewHeader(metadata.Pairs("token", "a", "hasleader", "true")), NewHeader(metadata.Pairs("token", string(steps)))}
		e := newEncoder("http", "server:2379")
		var fields []hpack.HeaderField
		d := hpack.NewDecoder(4096, func(f hpack.HeaderField) { fields = append(fields, f) })
		for i := 0; i < len(steps); i++ {
			if steps[i] == 255 && i+1 < len(steps) {
				i++
				size := uint32(steps[i]) * 20
				e.resize(size)
				d.SetAllowedMaxDynamicTableSize(size)
				continue
			}
			header, method := headers[int(steps[i])%len(headers)], "/service/"+strconv.Itoa(int(steps[i]/3)%50)
			for range int(steps[i] % 3) {
				timeout = timeout*31 + 17
			}
			fields = nil
			_, err := d.Write(e.encode(method, header, nil, time.Duration(timeout)))
			if err == nil {
				err = d.Close()
			}
			if err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			checkHeader(t, fields, method, header, time.Duration(timeout))
		}
	})
}

func checkHeader(t *testing.T, got []hpack.HeaderField, method string, header *Header, timeout time.Duration) {
	want := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: method},
		{Name: ":authority", Value: "server:2379"}, {Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "etcdbench"}, {Name: "te", Value: "trailers"},
	}
	if timeout > 0 {
		if len(got) <= len(want) || got[len(want)].Name != "grpc-timeout" {
			t.Fatalf("no timeout in %v", got)
		}
		field := got[len(want)]
		checkTimeout(t, field.Value, timeout)
		want = append(want, hpack.HeaderField{Name: "grpc-timeout", Value: field.Value, Sensitive: field.Sensitive})
	}
	if header != nil {
		want = append(want, header.fields...)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// checkTimeout checks a timeout as gRPC defines it: at most eight digits and a unit.
func checkTimeout(t *testing.T, text string, want time.Duration) {
	units := map[byte]float64{'H': 3600e9, 'M': 60e9, 'S': 1e9, 'm': 1e6, 'u': 1e3, 'n': 1}
	digits := text[:len(text)-1]
	n, err := strconv.ParseUint(digits, 10, 64)
	if unit := units[text[len(text)-1]]; err != nil || len(digits) > 8 || unit == 0 {
		t.Fatalf("malformed timeout %q", text)
	} else if got := float64(n) * unit; want < 99_999_999*time.Second && (got < float64(want) || got > 1.1*float64(want)+1e3) {
		t.Fatalf("timeout %q, want %v", text, want)
	}
}
