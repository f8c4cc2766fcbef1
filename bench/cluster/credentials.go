package cluster

import (
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
	"os"
	"path/filepath"
	"slices"
	"time"

	etcdtransport "go.etcd.io/etcd/client/pkg/v3/transport"
)

// certificateTime is the validity of the certificates: longer than any run.
const certificateTime = 366 * 24 * time.Hour

// NewCredentials makes the credentials of a coordination at the given hosts: the PEM of one
// certificate for the server and all its clients, its private key, and the certificate of the
// authority, whose key is discarded. A separate server certificate would not limit clients: a
// client that can write can act as the coordinator.
func NewCredentials(hosts ...string) ([]byte, error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcdbench coordination"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	ca, caKey, err := sign(authority, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	own := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "etcdbench"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			own.IPAddresses = append(own.IPAddresses, ip)
		} else {
			own.DNSNames = append(own.DNSNames, h)
		}
	}
	der, key, err := sign(own, authority, caKey)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: ca})), nil
}

// Types of PEM blocks.
const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "EC PRIVATE KEY"
)

// errCredentials is the error for credentials that no coordination server has.
var errCredentials = errors.New("the join token is invalid: use one from etcdbench agent token")

// splitCredentials returns the PEM of the certificate, the key and the authority.
func splitCredentials(credentials []byte) (cert, key, authority []byte, err error) {
	var blocks [3][]byte
	for i, kind := range [...]string{certificateBlock, keyBlock, certificateBlock} {
		var b *pem.Block
		if b, credentials = pem.Decode(credentials); b == nil || b.Type != kind {
			return nil, nil, nil, errCredentials
		}
		blocks[i] = pem.EncodeToMemory(b)
	}
	return blocks[0], blocks[1], blocks[2], nil
}

// credentialHosts returns the hosts that the certificate is valid for.
func credentialHosts(credentials []byte) (hosts []string, err error) {
	cert, _, _, err := splitCredentials(credentials)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(cert)
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCredentials, err)
	}
	hosts = c.DNSNames
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 || !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return nil, errCredentials
	}
	return hosts, nil
}

// writeCertificates writes the files of the credentials.
func (c *Coordination) writeCertificates() (*etcdtransport.TLSInfo, error) {
	cert, key, authority, err := splitCredentials(c.Credentials)
	if err != nil {
		return nil, err
	}
	info := &etcdtransport.TLSInfo{ClientCertAuth: true}
	for _, f := range []struct {
		name string
		path *string
		data []byte
	}{{"ca.pem", &info.TrustedCAFile, authority}, {"cert.pem", &info.CertFile, cert}, {"key.pem", &info.KeyFile, key}} {
		*f.path = filepath.Join(c.dir.Path, f.name)
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
