package lean

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Whichever way a server ends its connections, also in one direction only, calls end in time and
// none gets a wrong answer: over sockets, with TLS and without, read by a poller and by goroutines.
func TestHostileServerOverSockets(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	for _, polled := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("polled %v, TLS %v", polled, secure), func(t *testing.T) {
				ways := 0
				var mu sync.Mutex
				o := Options{Address: socketServer(t, func(_ int, p *peer) {
					mu.Lock()
					way := ways
					ways++
					mu.Unlock()
					tcp := p.Conn.(*net.TCPConn)
					if secure {
						p = newPeer(tls.Server(tcp, server))
					}
					halfClosing(p, tcp, way)
				})}
				if secure {
					o.TLS = client
				}
				if polled {
					var err error
					if o.Poller, err = NewPoller(); err != nil {
						t.Skip(err)
					}
					defer o.Poller.Close()
				}
				c := New(o)
				defer c.Close()
				for i := range 16 {
					text := fmt.Sprint("call ", i)
					if got, err := callFor(t, c, 10*time.Second, text); err == nil && got != text {
						t.Errorf("%s got %q", text, got)
					} else if code := status.Code(err); err != nil && code != codes.Unavailable && !strings.Contains(err.Error(), "cut off") {
						t.Errorf("%s: %v, want Unavailable", text, err)
					}
				}
			})
		}
	}
}

// certificates returns the configurations of a server and of clients that trust it.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	}, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// halfClosing serves a connection for a while, each in another way, and closes one direction of
// it. The connection may carry TLS.
func halfClosing(p *peer, tcp *net.TCPConn, way int) {
	left := 2 + way%3
	p.serve(func(p *peer, stream uint32, request []byte) {
		if left--; left > 0 {
			p.answer(stream, request)
			return
		}
		switch way % 5 {
		case 0:
			_ = tcp.CloseWrite()
		case 1:
			_ = tcp.SetLinger(0) // a reset
			_ = tcp.Close()
		case 2:
			_ = tcp.CloseRead()
			p.answer(stream, request)
			_ = tcp.Close()
		case 3:
			p.answer(stream, request[:len(request)-1])
			_ = tcp.CloseWrite()
			_, _ = io.Copy(io.Discard, tcp)
		case 4:
			if c, ok := p.Conn.(*tls.Conn); ok {
				_ = c.CloseWrite() // the end of TLS, not of TCP
			} else {
				_, _ = tcp.Write([]byte{0, 0}) // the begin of a frame
				_ = tcp.CloseWrite()
			}
		}
	})
}

// A server that does not offer HTTP/2, has a certificate that is not trusted, or speaks no TLS
// is named in the errors of calls, which end at their deadlines.
func TestServersWithoutSuitableTLS(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	http1 := server.Clone()
	http1.NextProtos = []string{"http/1.1"}
	other, _ := certificates(t)
	for name, test := range map[string]struct {
		server *tls.Config
		want   string
	}{
		"no HTTP/2":   {&tls.Config{Certificates: server.Certificates, MinVersion: tls.VersionTLS12}, "does not speak HTTP/2"},
		"HTTP/1.1":    {http1, "TLS handshake"},
		"not trusted": {other, "certificate"},
		"no TLS":      {nil, "TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New(Options{TLS: client, Address: socketServer(t, func(_ int, p *peer) {
				if test.server != nil {
					p = newPeer(tls.Server(p.Conn, test.server))
				} else {
					_, _ = p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				}
				p.serve(echo)
			})})
			defer c.Close()
			failed := func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.dialErr != nil
			}
			for deadline := time.Now().Add(10 * time.Second); !failed() && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			_, o, done := start(c, 10*time.Millisecond, "x")
			<-done
			wantCode(t, "call", o.err, codes.DeadlineExceeded)
			if o.err == nil || !strings.Contains(o.err.Error(), test.want) {
				t.Errorf("%v, want %q", o.err, test.want)
			}
		})
	}
}
