package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	etcdtransport "go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

// Coordination is an etcd of one member, inside this process, over which the processes of
// a distributed run find each other. It holds nothing after the run, so that it writes to
// disk without fsync. Only clients with a certificate that its authority signed may use
// it.
type Coordination struct {
	// URL is the address for clients.
	URL string
	// Credentials is the PEM of the authority, of a client's certificate and of its key.
	Credentials []byte

	dir  string
	etcd *embed.Etcd
}

// coordinationRequest is the largest request in bytes, and coordinationHistory how many
// revisions are kept.
const (
	coordinationRequest = 8 << 20
	coordinationHistory = "10000"
	coordinationQuota   = 4 << 30
)

// StartCoordination starts it at a host:port; port 0 takes a free one. Clients reach it
// at that host, or at hosts where that is every address of this machine.
func StartCoordination(ctx context.Context, listen string, hosts ...string) (_ *Coordination, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("start coordination: %q is not host:port", listen)
	}
	taken := map[int]bool{}
	if port == "0" {
		free, err := freePort(taken)
		if err != nil {
			return nil, fmt.Errorf("start coordination: %w", err)
		}
		port = fmt.Sprint(free)
	}
	peer, err := freePort(taken)
	if err != nil {
		return nil, fmt.Errorf("start coordination: %w", err)
	}
	c := &Coordination{}
	if c.dir, err = os.MkdirTemp("", "etcdbench-coordination-"); err != nil {
		return nil, fmt.Errorf("start coordination: %w", err)
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		hosts = []string{host}
	}
	if len(hosts) == 0 {
		return nil, errors.New("start coordination: name a host that agents can reach")
	}
	tls, err := c.makeCertificates(append(hosts, loopback, "localhost"))
	if err != nil {
		return nil, fmt.Errorf("start coordination: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.UnsafeNoFsync = "coordination", filepath.Join(c.dir, "data"), true
	cfg.Logger, cfg.LogOutputs = "zap", []string{filepath.Join(c.dir, "log")}
	cfg.MaxRequestBytes, cfg.QuotaBackendBytes = coordinationRequest, coordinationQuota
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModeRevision, coordinationHistory
	client := url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
	own := url.URL{Scheme: "http", Host: net.JoinHostPort(loopback, fmt.Sprint(peer))}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls, cfg.ClientTLSInfo = []url.URL{client}, []url.URL{client}, *tls
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{own}, []url.URL{own}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	if c.etcd, err = embed.StartEtcd(cfg); err != nil {
		return nil, fmt.Errorf("start coordination at %s: %w", listen, err)
	}
	c.URL = "https://" + net.JoinHostPort(hosts[0], port)
	select {
	case <-c.etcd.Server.ReadyNotify():
		return c, nil
	case err = <-c.etcd.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("start coordination: %w", err)
}

// Stop ends it and removes its data. It may be called more than once.
func (c *Coordination) Stop() {
	if c.etcd != nil {
		c.etcd.Close()
		c.etcd = nil
	}
	_ = os.RemoveAll(c.dir)
}

// certificateTime is how long the certificates are valid: longer than any run.
const certificateTime = 366 * 24 * time.Hour

// makeCertificates makes an authority that signs a certificate of the server and one for
// all clients, and forgets its key.
func (c *Coordination) makeCertificates(hosts []string) (*etcdtransport.TLSInfo, error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcdbench coordination"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	ca, caKey, err := sign(authority, nil, nil)
	if err != nil {
		return nil, err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, h)
		}
	}
	cert, key, err := signedPEM(server, authority, caKey)
	if err != nil {
		return nil, err
	}
	agent := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "agent"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	agentCert, agentKey, err := signedPEM(agent, authority, caKey)
	if err != nil {
		return nil, err
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})
	// The client's certificate comes first, its authority last.
	c.Credentials = append(append(agentCert, agentKey...), caPEM...)
	info := &etcdtransport.TLSInfo{ClientCertAuth: true}
	for _, f := range []struct {
		name string
		path *string
		data []byte
	}{{"ca.pem", &info.TrustedCAFile, caPEM}, {"cert.pem", &info.CertFile, cert}, {"key.pem", &info.KeyFile, key}} {
		*f.path = filepath.Join(c.dir, f.name)
		if err := os.WriteFile(*f.path, f.data, 0o600); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// sign makes a key and a certificate for it, signed by a parent, or by itself without one.
func sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(certificateTime)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	return der, key, err
}

// signedPEM is sign in PEM form.
func signedPEM(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (cert, key []byte, err error) {
	der, private, err := sign(template, parent, parentKey)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), nil
}
