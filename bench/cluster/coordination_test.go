package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// handshake connects with a join token, as an agent does.
func handshake(t *testing.T, address string, token []byte) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(token, token)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	var last []byte
	for b, rest := pem.Decode(token); b != nil; b, rest = pem.Decode(rest) {
		last = pem.EncodeToMemory(b)
	}
	pool.AppendCertsFromPEM(last)
	pair.Certificate = pair.Certificate[:1]
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: u.Hostname()})
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	_ = conn.Close()
}

// A coordination listens at every address, at a name and at an address; clients reach it
// at the host that it says.
func TestCoordinationListens(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{":0", "0.0.0.0:0", "127.0.0.1:0", "localhost:0", name + ":0"} {
		c, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: listen, Hosts: []string{"localhost"}})
		if err != nil {
			t.Errorf("%s: %v", listen, err)
			continue
		}
		handshake(t, c.URL, c.Credentials)
		c.Stop()
	}
}

// A coordination at the name of this machine can be reached at its other addresses, even
// where the name means loopback, as on Debian.
func TestCoordinationAtTheMachinesName(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	found, err := net.LookupHost(name)
	if err != nil || !slices.ContainsFunc(found, func(a string) bool { return net.ParseIP(a).IsLoopback() }) {
		t.Skipf("%s is not a name of loopback: %v, %v", name, found, err)
	}
	c, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: name + ":0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		conn, err := net.Dial("tcp", net.JoinHostPort(ip.IP.String(), u.Port()))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		_ = conn.Close()
	}
}

// A token that was made before is that of the coordination which starts later, and the
// host of the token is that of its address.
func TestCoordinationWithToken(t *testing.T) {
	t.Parallel()
	token, err := cluster.NewCredentials("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: ":0", Credentials: token})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if !strings.HasPrefix(c.URL, "https://localhost:") || string(c.Credentials) != string(token) {
		t.Errorf("%s", c.URL)
	}
	handshake(t, c.URL, token)
	for name, bad := range map[string]string{"no PEM": "x", "one block": string(token[:200]), "reversed": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"} {
		_, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: ":0", Credentials: []byte(bad)})
		if err == nil || !strings.Contains(err.Error(), "join token") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
