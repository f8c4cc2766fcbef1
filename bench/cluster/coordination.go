package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/etcdbench/etcdbench/bench/scratch"
)

// Coordination is an etcd of one member inside this process, through which the processes of a
// distributed run communicate. It keeps no data after the run and writes without fsync. Only
// clients with a certificate signed by its authority can connect.
type Coordination struct {
	// URL is the address for clients.
	URL string
	// Credentials are the PEM credentials for clients, see [NewCredentials].
	Credentials []byte

	dir  *scratch.Dir
	etcd *embed.Etcd
}

// coordinationRequest is the largest request in bytes. coordinationHistory is the number of
// revisions that are kept.
const (
	coordinationRequest = 8 << 20
	coordinationHistory = "10000"
	coordinationQuota   = 4 << 30
	// coordinationPing is the shortest time between pings of one client that is accepted.
	coordinationPing = time.Second
)

// CoordinationOptions set where a coordination listens, and which credentials it accepts.
type CoordinationOptions struct {
	// Listen is a host:port; port 0 takes a free one.
	Listen string
	// Hosts are the names and addresses at which clients reach it if Listen means every address of
	// this machine. The first one is part of the URL.
	Hosts []string
	// Credentials are the credentials of the server and its clients. If empty, new ones are made.
	Credentials []byte
}

// hosts are the names and addresses for clients. The first one is part of the URL.
func (o CoordinationOptions) hosts(host string) ([]string, error) {
	if len(o.Credentials) > 0 {
		return credentialHosts(o.Credentials)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}, nil
	}
	if len(o.Hosts) == 0 {
		return nil, errors.New("no host is known that agents can reach: give one with --coordinator-listen HOST:PORT")
	}
	return o.Hosts, nil
}

// StartCoordination starts the coordination etcd. The caller must stop it.
func StartCoordination(ctx context.Context, o CoordinationOptions) (_ *Coordination, err error) {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("start coordination: %q is not host:port", o.Listen)
	}
	hosts, err := o.hosts(host)
	if err != nil {
		return nil, fmt.Errorf("start coordination: %w", err)
	}
	c := &Coordination{Credentials: o.Credentials}
	if len(c.Credentials) == 0 {
		if c.Credentials, err = NewCredentials(append(hosts[:len(hosts):len(hosts)], loopback, "localhost")...); err != nil {
			return nil, err
		}
	}
	taken := map[int]bool{}
	if port == "0" {
		free, err := freePort(taken)
		if err != nil {
			return nil, fmt.Errorf("start coordination: %w", err)
		}
		port = fmt.Sprint(free)
	}
	if c.dir, err = scratch.Make(scratch.Coordination); err != nil {
		return nil, fmt.Errorf("start coordination: %w", err)
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if err := checkSpace(c.dir.Path, 1); err != nil { // etcd would panic
		return nil, fmt.Errorf("start coordination: %w: set TMPDIR to a directory with more space", err)
	}
	c.URL = "https://" + net.JoinHostPort(hosts[0], port)
	address, err := bindAddress(ctx, host)
	if err == nil {
		err = c.start(ctx, net.JoinHostPort(address, port), taken)
	}
	if err != nil {
		return nil, fmt.Errorf("start coordination at %s: %w", o.Listen, err)
	}
	return c, nil
}

// bindAddress returns the IP address that etcd listens on for a host. It returns the address
// of all interfaces for an empty host, and for a name that resolves to loopback only, as
// Debian configures a machine's own name.
func bindAddress(ctx context.Context, host string) (string, error) {
	if host == "" {
		return net.IPv4zero.String(), nil
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(addresses[0]); ip.IsLoopback() && net.ParseIP(host) == nil && host != "localhost" {
		return net.IPv4zero.String(), nil
	}
	return addresses[0], nil
}

// start starts etcd with an address for clients and waits until it serves them.
func (c *Coordination) start(ctx context.Context, address string, taken map[int]bool) error {
	peer, err := freePort(taken)
	if err != nil {
		return err
	}
	web, err := freePort(taken)
	if err != nil {
		return err
	}
	tls, err := c.writeCertificates()
	if err != nil {
		return err
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.UnsafeNoFsync = "coordination", filepath.Join(c.dir.Path, "data"), true
	cfg.Logger = "zap"
	if cfg.LogOutputs, err = logOutputs(filepath.Join(c.dir.Path, "log")); err != nil {
		return err
	}
	cfg.MaxRequestBytes, cfg.QuotaBackendBytes = coordinationRequest, coordinationQuota
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModeRevision, coordinationHistory
	client := url.URL{Scheme: "https", Host: address}
	own := url.URL{Scheme: "http", Host: net.JoinHostPort(loopback, fmt.Sprint(peer))}
	// HTTP has an address of its own: where both share one, etcd serves gRPC by a slower path, on
	// which a stream waits for the others of its connection.
	http := url.URL{Scheme: "https", Host: net.JoinHostPort(loopback, fmt.Sprint(web))}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls, cfg.ClientTLSInfo = []url.URL{client}, []url.URL{client}, *tls
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{own}, []url.URL{own}
	cfg.ListenClientHttpUrls, cfg.EnableGRPCGateway = []url.URL{http}, false
	cfg.GRPCKeepAliveMinTime = coordinationPing
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	if c.etcd, err = startEtcd(cfg); err != nil {
		return err
	}
	select {
	case <-c.etcd.Server.ReadyNotify():
		return nil
	case err := <-c.etcd.Err():
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stopTime is the time limit for the stop of etcd, which waits for responses to disconnected
// clients.
const stopTime = 2 * time.Second

// Stop ends the etcd and removes its data. It may be called more than once.
func (c *Coordination) Stop() {
	if c.etcd != nil {
		closed := make(chan struct{})
		go func(etcd *embed.Etcd) {
			etcd.Close()
			close(closed)
		}(c.etcd)
		select {
		case <-closed:
		case <-time.After(stopTime):
		}
		c.etcd = nil
	}
	_ = c.dir.Remove()
}
