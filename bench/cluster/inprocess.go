package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/etcdbench/etcdbench/results"
)

// InProcess is a cluster inside this process. It shares the scheduler, garbage collector and
// metrics registry with the generator: use it for tests and examples, not for measurements.
type InProcess struct {
	settings Settings
	tls      *tls.Config
	specs    []memberSpec
	servers  []*embed.Etcd
}

var _ Cluster = (*InProcess)(nil)

// StartInProcess starts a cluster and returns when it is ready.
func StartInProcess(ctx context.Context, s Settings) (_ *InProcess, err error) {
	if err := s.Validate(true); err != nil {
		return nil, err
	}
	tlsInfo, tlsConfig, err := s.prepare()
	if err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c := &InProcess{settings: s, tls: tlsConfig}
	if s.Network != nil || s.Disk.Any() {
		return nil, errors.New("start cluster: a network between members and supervised disks need member processes")
	}
	if c.specs, _, err = s.layout(tlsInfo); err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	defer func() {
		if err != nil {
			_ = c.Stop()
		}
	}()
	// All are parsed before any is started: etcd's flags write to variables that
	// its running members read.
	var configs []*embed.Config
	for _, spec := range c.specs {
		cfg, err := embedConfig(spec.args)
		if err != nil {
			return nil, fmt.Errorf("start cluster: member %s: %w", spec.name, err)
		}
		if cfg.LogOutputs, err = logOutputs(spec.log); err != nil {
			return nil, fmt.Errorf("start cluster: member %s: %w", spec.name, err)
		}
		configs = append(configs, cfg)
	}
	for i, spec := range c.specs {
		e, err := startEtcd(configs[i])
		if err != nil {
			return nil, fmt.Errorf("start cluster: member %s: %w", spec.name, err)
		}
		c.servers = append(c.servers, e)
	}
	ctx, cancel := context.WithTimeout(ctx, s.startTimeout())
	defer cancel()
	if err := waitReady(ctx, c, nil, c.died); err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	return c, nil
}

// logOutputs returns the value of etcd's flag log-outputs for a file. The path is absolute,
// because etcd takes a relative path with a colon for a URL.
func logOutputs(file string) ([]string, error) {
	path, err := filepath.Abs(file)
	return []string{path}, err
}

func (c *InProcess) died() error {
	for i, e := range c.servers {
		select {
		case err := <-e.Err():
			return fmt.Errorf("member %s: %w", c.specs[i].name, err)
		default:
		}
	}
	return nil
}

// Members implements [Cluster].
func (c *InProcess) Members() []Member {
	var ms []Member
	for _, spec := range c.specs {
		ms = append(ms, Member{Name: spec.name, Endpoint: spec.client, Log: spec.log})
	}
	return ms
}

// TLS implements [Cluster].
func (c *InProcess) TLS() *tls.Config { return c.tls }

// CertFile returns the path of the certificate that all members have.
func (c *InProcess) CertFile() string { return certFile(c.settings.DataDir) }

// Describe implements [Cluster].
func (c *InProcess) Describe() results.Cluster { return c.settings.describe(results.ClusterInProcess) }

// Stop implements [Cluster].
func (c *InProcess) Stop() error {
	// All at once: each waits for the others' connections.
	closed := make(chan struct{}, len(c.servers))
	for _, e := range c.servers {
		go func() { e.Close(); closed <- struct{}{} }()
	}
	timeout := time.After(3 * stopTimeout)
	for range c.servers {
		select {
		case <-closed:
		case <-timeout:
			return errors.New("stop cluster: a member did not close")
		}
	}
	c.servers = nil
	var errs []error
	for _, spec := range c.specs {
		errs = append(errs, os.RemoveAll(spec.dataDir))
	}
	return errors.Join(append(errs, os.RemoveAll(filepath.Join(c.settings.DataDir, "tls")))...)
}
