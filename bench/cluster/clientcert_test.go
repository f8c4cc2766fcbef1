package cluster_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
)

// A server that wants a client certificate is told from one that is broken.
func TestMissingClientCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	address := server.Listener.Addr().String()
	for range 10 { // what the client sees depends on what comes first
		pool, err := transport.Dial(t.Context(), transport.Options{
			Endpoints: []string{address}, Conns: 1, Timeout: 5 * time.Second, Kind: transport.GRPC, TLS: &tls.Config{InsecureSkipVerify: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = cluster.Reach(ctx, []cluster.Member{{Endpoint: address}}, pool.Conns())
		cancel()
		pool.Close()
		if err == nil || !strings.Contains(err.Error(), "--cert") {
			t.Errorf("error %v", err)
		}
	}
}
