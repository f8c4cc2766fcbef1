package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// The scheme of an endpoint decides about TLS, where it has one, in the same way for both
// kinds of connection.
func TestSchemeDecidesAboutTLS(t *testing.T) {
	const handshake, plain = 0x16, 'P' // the first byte of TLS, and of HTTP/2's preface
	for _, kind := range []string{Lean, GRPC} {
		for _, test := range []struct {
			scheme string
			tls    *tls.Config
			want   byte
		}{
			{"", nil, plain}, {"", &tls.Config{}, handshake}, {"http://", nil, plain}, {"http://", &tls.Config{}, plain},
			{"https://", nil, handshake}, {"https://", &tls.Config{}, handshake},
		} {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			pool, err := Dial(t.Context(), Options{
				Endpoints: []string{test.scheme + listener.Addr().String()}, Conns: 1, Timeout: time.Second, TLS: test.tls, Kind: kind,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var connecting sync.WaitGroup
			connecting.Go(func() { pool.Reconnect(ctx) })
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, 1)
			if _, err := io.ReadFull(conn, first); err != nil || first[0] != test.want {
				t.Errorf("%s, %q, TLS %v: first byte %q, %v, want %q", kind, test.scheme, test.tls != nil, first, err, test.want)
			}
			cancel()
			connecting.Wait()
			_ = conn.Close()
			pool.Close()
			_ = listener.Close()
		}
	}
}
