package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// TLSFiles names the files of a TLS connection, as in etcdctl.
type TLSFiles struct {
	CACert, Cert, Key string
	// InsecureSkipVerify accepts any server.
	InsecureSkipVerify bool
}

// Empty reports whether TLS is not configured.
func (f TLSFiles) Empty() bool { return f == TLSFiles{} }

// maxPEM bounds a file of certificates.
const maxPEM = 16 << 20

// Config reads the files. It returns an error for a certificate that has expired or is not yet
// valid, because the refusal of the server would not give the reason.
func (f TLSFiles) Config(now time.Time) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.InsecureSkipVerify}
	if f.CACert != "" {
		pem, err := results.ReadFile(f.CACert, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert: %s contains no PEM certificate", f.CACert)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("--cert and --key must be given together")
	}
	if f.Cert == "" {
		return cfg, nil
	}
	pair, err := f.pair()
	if err != nil {
		return nil, fmt.Errorf("--cert %s, --key %s: %w", f.Cert, f.Key, err)
	}
	switch leaf := pair.Leaf; {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("--cert %s expired on %s: renew it", f.Cert, leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("--cert %s is not valid before %s: check this machine's clock", f.Cert, leaf.NotBefore.Format(time.DateTime))
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// pair reads the client's certificate and its key.
func (f TLSFiles) pair() (tls.Certificate, error) {
	cert, err := results.ReadFile(f.Cert, maxPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := results.ReadFile(f.Key, maxPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}
