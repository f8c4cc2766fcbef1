package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/lean"
)

var versions = flag.String("versions", "", "run the conformance suite on these versions of etcd, too: v3.5.21,v3.6.14")

// member is one etcd, inside this process or of another version.
type member struct {
	dir     string
	address string // host:port
	ipv6    string // the same; empty without IPv6
	unix    string // path of its socket
	config  map[string]any
	ca      *x509.CertPool
	cert    *tls.Certificate // of a client
	tokens  bool
}

// newMember prepares an etcd with more settings, by their names in its configuration file.
func newMember(t *testing.T, settings map[string]any) *member {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &member{dir: dir, address: freeAddress("127.0.0.1"), ipv6: freeAddress("::1"), unix: filepath.Join(dir, "socket")}
	peer := "http://" + freeAddress("127.0.0.1")
	urls := "http://" + m.address + ",unix://" + m.unix
	if settings["client-transport-security"] != nil {
		urls = "https://" + m.address
	} else if m.ipv6 != "" {
		urls += ",http://" + m.ipv6
	}
	m.config = map[string]any{
		"name": "m", "data-dir": filepath.Join(dir, "data"), "unsafe-no-fsync": true, "bcrypt-cost": 4, "log-level": "panic",
		"listen-client-urls": urls, "advertise-client-urls": "http://" + m.address,
		"listen-peer-urls": peer, "initial-advertise-peer-urls": peer, "initial-cluster": "m=" + peer,
		"log-outputs": []string{filepath.Join(dir, "log")},
	}
	for name, value := range settings {
		m.config[name] = value
	}
	return m
}

// freeAddress is empty where there is none.
func freeAddress(host string) string {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return ""
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the etcd of a program, or of this process where binary is empty.
func (m *member) start(t *testing.T, binary string) {
	t.Helper()
	text, err := json.Marshal(m.config)
	path := filepath.Join(m.dir, "config.json")
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if binary != "" {
		cmd := exec.Command(binary, "--config-file", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // its end was our doing
		})
		return
	}
	config, err := embed.ConfigFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()
}

// options are those of a pool of connections.
func (m *member) options(kind string) transport.Options {
	o := transport.Options{Endpoints: []string{m.address}, Conns: 2, Timeout: 10 * time.Second, Kind: kind}
	if m.ca != nil {
		o.TLS = &tls.Config{RootCAs: m.ca, MinVersion: tls.VersionTLS12}
		if m.cert != nil {
			o.TLS.Certificates = []tls.Certificate{*m.cert}
		}
	}
	return o
}

// newTLSMember prepares an etcd with TLS, and with certificates of clients where mutual.
func newTLSMember(t *testing.T, mutual bool) *member {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := writePEM(t, dir, "CERTIFICATE", der), writePEM(t, dir, "EC PRIVATE KEY", keyDER)
	security := map[string]any{"cert-file": certFile, "key-file": keyFile}
	if mutual {
		security["trusted-ca-file"], security["client-cert-auth"] = certFile, true
	}
	m := newMember(t, map[string]any{"client-transport-security": security})
	m.ca = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	m.ca.AddCert(parsed)
	if mutual {
		m.cert = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	return m
}

func writePEM(t *testing.T, dir, kind string, data []byte) (path string) {
	t.Helper()
	path = filepath.Join(dir, kind)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// jwt is etcd's setting for tokens that end after some seconds, whatever is done with
// them.
func jwt(t *testing.T, ttl time.Duration) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return fmt.Sprintf("jwt,pub-key=%s,priv-key=%s,sign-method=RS256,ttl=%v",
		writePEM(t, dir, "PUBLIC KEY", public), writePEM(t, dir, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), ttl)
}

// secure turns authentication on, for a user root with the password "pass".
func (m *member) secure(t *testing.T) {
	t.Helper()
	pool, err := transport.Dial(t.Context(), m.options(transport.GRPC))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	auth := pb.NewAuthClient(pool.Conns()[0])
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err = auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "root", Password: "pass"}); err == nil {
		_, err = auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"})
	}
	if err == nil {
		_, err = auth.AuthEnable(ctx, &pb.AuthEnableRequest{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Both transports do the same with etcd: plain, with TLS, with mutual TLS, and with tokens
// that end, alone and over TLS. Etcd is that of this process, and other versions where they are asked for.
func TestConformance(t *testing.T) {
	t.Parallel()
	binaries := map[string]string{"in process": ""}
	others := strings.Split(*versions, ",")
	if *versions == "" && os.Getenv("CI") != "" && !testing.Short() {
		others = []string{"v3.5.21", "v3.6.14"}
	}
	for _, version := range others {
		if version == "" {
			continue
		}
		binary, err := cluster.BuildVersion(t.Context(), version, "")
		if err != nil {
			t.Fatal(err)
		}
		binaries[version] = binary
	}
	for name, binary := range binaries {
		for kind, prepare := range map[string]func(t *testing.T) *member{
			"plain":      func(t *testing.T) *member { return newMember(t, nil) },
			"TLS":        func(t *testing.T) *member { return newTLSMember(t, false) },
			"mutual TLS": func(t *testing.T) *member { return newTLSMember(t, true) },
			"jwt":        func(t *testing.T) *member { return newMember(t, map[string]any{"auth-token": jwt(t, tokenTime)}) },
			"simple":     func(t *testing.T) *member { return newMember(t, map[string]any{"auth-token-ttl": tokenTime.Seconds()}) },
			"TLS and jwt": func(t *testing.T) *member {
				m := newTLSMember(t, false)
				m.config["auth-token"] = jwt(t, tokenTime)
				return m
			},
			"mutual TLS and simple": func(t *testing.T) *member {
				m := newTLSMember(t, true)
				m.config["auth-token-ttl"] = tokenTime.Seconds()
				return m
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				if testing.Short() && strings.Contains(kind, " and ") {
					t.Skip("a combination of the others")
				}
				m := prepare(t)
				m.start(t, binary)
				if m.tokens = strings.Contains(kind, "jwt") || strings.Contains(kind, "simple"); m.tokens {
					m.secure(t)
				}
				m.check(t)
				if kind == "plain" {
					m.checkAddresses(t)
				}
			})
		}
	}
}

// tokenTime is how long tokens last.
const tokenTime = 2 * time.Second

// check checks all transports.
func (m *member) check(t *testing.T) {
	pools := map[string]*transport.Pool{}
	for name, o := range map[string]transport.Options{
		"lean": m.options(transport.Lean), "polled": m.options(transport.Lean), "grpc": m.options(transport.GRPC),
	} {
		if o.Poll = name == "polled"; m.tokens {
			o.User, o.Password = "root", "pass"
			checkWrongPassword(t, o)
		}
		pool, err := transport.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		pools[name] = pool
		t.Run(name+", calls", func(t *testing.T) { checkCalls(t, pool.Conns()[0]) })
	}
	if m.tokens {
		time.Sleep(tokenTime + time.Second) // until the tokens have ended
	}
	for name, pool := range pools {
		t.Run(name+", many at a time", func(t *testing.T) { checkConcurrency(t, pool.Conns()) })
		t.Run(name+", streams", func(t *testing.T) { checkStream(t, pool.Conns()[1]) })
	}
	if m.ca != nil {
		t.Run("certificates", func(t *testing.T) { m.checkWithoutCertificate(t) })
	}
}

// checkAddresses checks the lean transport with IPv6 and with a socket of Unix.
func (m *member) checkAddresses(t *testing.T) {
	for name, o := range map[string]lean.Options{
		"IPv6": {Address: m.ipv6}, "unix": {Network: "unix", Address: m.unix},
	} {
		t.Run(name, func(t *testing.T) {
			if o.Address == "" {
				t.Skip("this machine has no IPv6")
			}
			c := lean.New(o)
			defer c.Close()
			checkCalls(t, c)
		})
	}
}

func checkWrongPassword(t *testing.T, o transport.Options) {
	t.Helper()
	o.Password = "wrong"
	pool, err := transport.Dial(t.Context(), o)
	if err == nil {
		pool.Close()
		t.Error("a wrong password was accepted")
	} else if !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("a wrong password: %v", err)
	}
}

// checkWithoutCertificate checks that calls without the server's authority, or without the
// client's certificate where there must be one, are never answered.
func (m *member) checkWithoutCertificate(t *testing.T) {
	for _, kind := range []string{transport.Lean, transport.GRPC} {
		o := m.options(kind)
		if o.TLS = (&tls.Config{MinVersion: tls.VersionTLS12}); m.cert != nil {
			o.TLS.RootCAs = m.ca
		}
		pool, err := transport.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := pb.NewKVClient(pool.Conns()[0]).Range(ctx, &pb.RangeRequest{Key: []byte("k")}); err == nil {
			t.Errorf("%s: it was answered without a certificate", kind)
		}
	}
}
