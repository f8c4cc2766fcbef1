package lean

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// socketServer accepts connections on a real socket, and plays the server's part on each.
func socketServer(t *testing.T, accept func(number int, p *peer)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var served sync.WaitGroup
	served.Go(func() {
		for number := 0; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			served.Go(func() { accept(number, newPeer(conn)) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		served.Wait()
	})
	return listener.Addr().String()
}

// bothTo returns a connection of each transport to a server.
func bothTo(t *testing.T, address string, o Options) map[string]grpc.ClientConnInterface {
	t.Helper()
	o.Address = address
	c := New(o)
	g, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = g.Close() })
	return map[string]grpc.ClientConnInterface{"lean": c, "grpc": g}
}

// The outgoing metadata of a context reaches the server as with grpc-go.
func TestOutgoingMetadata(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	address := socketServer(t, func(_ int, p *peer) {
		p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
			if slices.Contains([]string{"token", "hasleader", "data-bin", "te", "grpc-timeout"}, f.Name) && f.Value != "trailers" {
				mu.Lock()
				got = append(got, f.Name+"="+f.Value)
				mu.Unlock()
			}
		})
		p.serve(echo)
	})
	conns := bothTo(t, address, Options{})
	for name, c := range map[string]struct {
		metadata metadata.MD
		want     string
		code     codes.Code
	}{
		"none":           {},
		"token":          {metadata.Pairs("token", "secret"), "token=secret", codes.OK},
		"several values": {metadata.Pairs("hasleader", "true", "hasleader", "no"), "hasleader=true hasleader=no", codes.OK},
		"binary":         {metadata.Pairs("data-bin", "\x00\xff"), "data-bin=AP8", codes.OK},
		"reserved":       {metadata.Pairs("grpc-timeout", "1H", "te", "x", "token", "a"), "token=a", codes.OK},
		"wrong name":     {metadata.MD{"töken": {"a"}}, "", codes.Internal},
		"wrong value":    {metadata.Pairs("token", "a\nb"), "", codes.Internal},
	} {
		for _, kind := range slices.Sorted(maps.Keys(conns)) {
			for range 3 { // also when the fields could be in the table
				mu.Lock()
				got = nil
				mu.Unlock()
				ctx := metadata.NewOutgoingContext(t.Context(), c.metadata)
				_, err := call(ctx, conns[kind], "x")
				wantCode(t, kind+", "+name, err, c.code)
				mu.Lock()
				if text := strings.Join(got, " "); text != c.want {
					t.Errorf("%s, %s: the server got %q, want %q", kind, name, text, c.want)
				}
				mu.Unlock()
			}
		}
	}
}

// The metadata of a context replaces fields of the credentials' header, for its call only.
func TestMetadataBesideCredentials(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	address := socketServer(t, func(_ int, p *peer) {
		p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
			if f.Name == "token" || f.Name == "version" {
				mu.Lock()
				got = append(got, f.Name+"="+f.Value)
				mu.Unlock()
			}
		})
		p.serve(echo)
	})
	c := New(Options{Address: address, Credentials: fixed{NewHeader(metadata.MD{"version": {"3"}, "token": {"shared"}})}})
	defer c.Close()
	for _, own := range []string{"", "own", "", "other"} {
		mu.Lock()
		got = nil
		mu.Unlock()
		ctx, want := t.Context(), "shared"
		if own != "" {
			ctx, want = metadata.AppendToOutgoingContext(ctx, "token", own), own
		}
		if _, err := call(ctx, c, "x"); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		slices.Sort(got)
		if text := strings.Join(got, " "); text != "token="+want+" version=3" {
			t.Errorf("the server got %q", text)
		}
		mu.Unlock()
	}
}

// fixed are credentials that never change.
type fixed struct{ header *Header }

func (f fixed) Header(string) *Header                                               { return f.header }
func (fixed) Accepted(*Header)                                                      {}
func (fixed) Refused(error) bool                                                    { return false }
func (fixed) Renew(context.Context, grpc.ClientConnInterface, *Header, error) error { return nil }

// A server that turns every call away with GOAWAY is asked again after pauses, which grow.
func TestServerThatTurnsCallsAway(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := 0
	address := socketServer(t, func(_ int, p *peer) {
		p.serve(func(p *peer, _ uint32, _ []byte) {
			mu.Lock()
			calls++
			mu.Unlock()
			_ = p.out.WriteGoAway(0, http2.ErrCodeNo, nil)
		})
	})
	c := New(Options{Address: address})
	defer c.Close()
	_, err := callFor(t, c, time.Second, "x")
	wantCode(t, "call", err, codes.DeadlineExceeded)
	mu.Lock()
	defer mu.Unlock()
	if calls < 2 || calls > 12 { // with pauses of 20 ms, 32 ms and so on, less a fifth each
		t.Errorf("the server got %d calls within 1 s", calls)
	}
}

// A server that does not read for a while gets all calls that it has time for: those that
// exceed the queue wait, and the connection stays.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	var mu sync.Mutex
	connections := 0
	address := socketServer(t, func(_ int, p *peer) {
		mu.Lock()
		connections++
		mu.Unlock()
		p.settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: maxUint31}}
		_ = p.out.WriteSettings(p.settings...)
		_ = p.out.WriteWindowUpdate(0, 1<<30)
		<-read
		p.serve(func(p *peer, stream uint32, _ []byte) { p.answer(stream, reply("answer")) })
	})
	c := New(Options{Address: address})
	defer c.Close()
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 8<<20)
	const count = 16 // 128 MiB
	var outcomes []*outcome
	var ends []chan struct{}
	for range count {
		_, o, done := start(c, time.Minute, large)
		outcomes, ends = append(outcomes, o), append(ends, done)
	}
	// The windows may arrive after the calls.
	for full := false; !full; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		full = c.session.wire.full()
		c.mu.Unlock()
	}
	_, late, lateDone := start(c, 100*time.Millisecond, "x")
	<-lateDone
	wantCode(t, "a call without time", late.err, codes.DeadlineExceeded)
	if late.err == nil || !strings.Contains(late.err.Error(), "does not read") {
		t.Errorf("the error does not say why: %v", late.err)
	}
	c.mu.Lock()
	queued := c.session.wire.queued.Load()
	c.mu.Unlock()
	if queued > maxBacklog+int64(len(large))+(1<<20) {
		t.Errorf("%d MiB are queued", queued>>20)
	}
	close(read)
	for i, o := range outcomes {
		<-ends[i]
		if o.err != nil || o.reply != "answer" {
			t.Errorf("call %d: %q, %v", i, o.reply, o.err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if connections != 1 {
		t.Errorf("%d connections", connections)
	}
}
