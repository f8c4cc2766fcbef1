package lean

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's end of one connection. What it does is decided frame by frame.
type peer struct {
	net.Conn
	out     *http2.Framer
	in      *http2.Framer
	decoder *hpack.Decoder
	block   bytes.Buffer
	encoder *hpack.Encoder

	settings []http2.Setting // of the greeting
	silent   bool            // does not greet, and acknowledges nothing
	generous bool            // gives back what it reads to the connection's window

	writing  sync.Mutex // held by whoever writes
	mu       sync.Mutex
	requests map[uint32][]byte // what has come of each stream's request
	resets   map[uint32]http2.ErrCode
	updates  map[uint32]uint64 // the sum of the WINDOW_UPDATE of each stream
	acks     int               // of our SETTINGS
	pongs    int               // answers to our PINGs
}

func newPeer(conn net.Conn) *peer {
	p := &peer{Conn: conn, requests: map[uint32][]byte{}, resets: map[uint32]http2.ErrCode{}, updates: map[uint32]uint64{}}
	p.out, p.in = http2.NewFramer(conn, nil), http2.NewFramer(io.Discard, conn)
	p.out.AllowIllegalWrites, p.in.AllowIllegalReads = true, true
	p.in.SetMaxReadFrameSize(1<<24 - 1)
	p.decoder = hpack.NewDecoder(4096, func(hpack.HeaderField) {})
	p.encoder = hpack.NewEncoder(&p.block)
	return p
}

// serve greets, and calls handle with each request that is complete. It returns when the
// connection ends.
func (p *peer) serve(handle func(p *peer, stream uint32, request []byte)) {
	defer p.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(p, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	if !p.silent {
		p.do(func() { _ = p.out.WriteSettings(p.settings...) })
	}
	for {
		f, err := p.in.ReadFrame()
		if err != nil {
			return
		}
		p.do(func() { p.take(f, handle) })
	}
}

// do lets one goroutine at a time write.
func (p *peer) do(what func()) {
	p.writing.Lock()
	defer p.writing.Unlock()
	what()
}

// later does something after a while.
func (p *peer) later(d time.Duration, what func()) { time.AfterFunc(d, func() { p.do(what) }) }

func (p *peer) take(f http2.Frame, handle func(p *peer, stream uint32, request []byte)) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			p.count(&p.acks)
		} else if !p.silent {
			_ = p.out.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if f.IsAck() {
			p.count(&p.pongs)
		} else if !p.silent {
			_ = p.out.WritePing(true, f.Data)
		}
	case *http2.HeadersFrame:
		p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.WindowUpdateFrame:
		p.mu.Lock()
		p.updates[f.StreamID] += uint64(f.Increment)
		p.mu.Unlock()
	case *http2.RSTStreamFrame:
		p.mu.Lock()
		p.resets[f.StreamID] = f.ErrCode
		p.mu.Unlock()
	case *http2.DataFrame:
		if p.generous && f.Length > 0 {
			_ = p.out.WriteWindowUpdate(0, f.Length)
		}
		p.mu.Lock()
		p.requests[f.StreamID] = append(p.requests[f.StreamID], f.Data()...)
		request := p.requests[f.StreamID]
		p.mu.Unlock()
		if f.StreamEnded() {
			handle(p, f.StreamID, request)
		}
	}
}

func (p *peer) decode(fragment []byte, ends bool) {
	_, _ = p.decoder.Write(fragment)
	if ends {
		_ = p.decoder.Close()
	}
}

func (p *peer) count(n *int) {
	p.mu.Lock()
	*n++
	p.mu.Unlock()
}

// get returns what has come of a stream's request, and how the client reset it.
func (p *peer) get(stream uint32) (request []byte, reset http2.ErrCode, wasReset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reset, wasReset = p.resets[stream]
	return p.requests[stream], reset, wasReset
}

// headers sends a header block, given as names and values in turn.
func (p *peer) headers(stream uint32, end bool, fields ...string) {
	_ = p.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.encode(fields...), EndStream: end, EndHeaders: true})
}

func (p *peer) encode(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(p.block.Bytes())
}

// head begins a good response, trailers ends one with a status.
func (p *peer) head(stream uint32) {
	p.headers(stream, false, ":status", "200", "content-type", "application/grpc")
}
func (p *peer) trailers(stream uint32, grpcStatus string) {
	p.headers(stream, true, "grpc-status", grpcStatus)
}

// answer sends a whole response.
func (p *peer) answer(stream uint32, message []byte) {
	p.head(stream)
	for piece := range slices.Chunk(message, maxFrame) {
		_ = p.out.WriteData(stream, false, piece)
	}
	p.trailers(stream, "0")
}

// echo answers with what was sent.
func echo(p *peer, stream uint32, request []byte) { p.answer(stream, request) }

// reply is an encoded message with its prefix.
func reply(text string) []byte {
	data, _ := proto.Marshal(wrapperspb.String(text))
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
}

// network makes connections in memory, and plays their servers' part.
type network struct {
	// accept plays one server's part, until the connection has ended.
	accept func(n int, p *peer)

	mu     sync.Mutex
	peers  []*peer
	served sync.WaitGroup
}

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	n.mu.Lock()
	p := newPeer(server)
	n.peers = append(n.peers, p)
	number := len(n.peers) - 1
	n.mu.Unlock()
	n.served.Go(func() {
		defer p.Close()
		n.accept(number, p)
	})
	return client, nil
}

func (n *network) dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.peers)
}

// peer returns the server's end of the newest connection.
func (n *network) peer() *peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers[len(n.peers)-1]
}

// serving is a network whose servers answer each request by handle.
func serving(handle func(p *peer, stream uint32, request []byte), settings ...http2.Setting) *network {
	return &network{accept: func(_ int, p *peer) { p.settings = settings; p.serve(handle) }}
}

// connect returns a connection over the network, which closes with the test.
func connect(t testing.TB, n *network, o Options) *Conn {
	o.Address, o.Dial = "server:1", n.dial
	c := New(o)
	t.Cleanup(func() {
		_ = c.Close()
		n.served.Wait()
	})
	return c
}

// connectGRPC returns a connection of grpc-go's over the network.
func connectGRPC(t testing.TB, n *network) *grpc.ClientConn {
	c, err := grpc.NewClient("passthrough:///server:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return n.dial(ctx, "", address) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		n.served.Wait()
	})
	return c
}

const method = "/test.Service/Call"

// call sends a text and returns the one that was answered.
func call(ctx context.Context, c grpc.ClientConnInterface, text string) (string, error) {
	var reply wrapperspb.StringValue
	err := c.Invoke(ctx, method, wrapperspb.String(text), &reply)
	return reply.GetValue(), err
}

func callFor(t testing.TB, c grpc.ClientConnInterface, timeout time.Duration, text string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return call(ctx, c, text)
}

// outcome is how a started call ended.
type outcome struct {
	err            error
	reply          string
	times          int
	began, ended   time.Time
	sent, answered time.Time
}

// start starts a call and returns its outcome, which is complete once done is closed.
func start(c *Conn, timeout time.Duration, text string) (call *Call, o *outcome, done chan struct{}) {
	o, done = &outcome{began: time.Now()}, make(chan struct{})
	call = &Call{Method: method, Request: wrapperspb.String(text), Timeout: timeout}
	call.Handler = HandlerFunc(func(call *Call, err error) {
		if o.times++; o.times > 1 {
			return
		}
		var reply wrapperspb.StringValue
		o.err, o.ended, o.sent, o.answered = err, time.Now(), call.Sent(), call.Answered()
		if o.err == nil {
			o.err = proto.Unmarshal(call.Reply, &reply)
		}
		o.reply = reply.GetValue()
		close(done)
	})
	c.Start(call)
	c.Flush()
	return call, o, done
}

func wantCode(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
