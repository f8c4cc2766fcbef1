package cluster

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	etcdtransport "go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// Settings configure a cluster that the package starts. Zero values mean the defaults of etcd,
// except where [DefaultSettings] differs.
type Settings struct {
	// Members is 1, 3 or 5.
	Members              int
	HeartbeatInterval    time.Duration
	ElectionTimeout      time.Duration
	SnapshotCount        uint64
	Quota                int64 // bytes
	BackendBatchInterval time.Duration
	BackendBatchLimit    int
	// AutoCompaction is "" (off), a duration ("5m") or a number of revisions ("1000").
	AutoCompaction string
	UnsafeNoFsync  bool
	// TLS enables TLS between clients and members, with certificates that are made for the
	// cluster.
	TLS bool
	// EtcdFlags are flags of etcd, "name=value". They override all other settings.
	EtcdFlags []string
	// Env are environment variables for the members, "NAME=value", in addition to those of this
	// process. Results contain their names, but not their values.
	Env []string
	// Network is the network between the members; nil means loopback without changes.
	Network *Network
	// Disk selects the calls of the members that [Processes.SetDisk] can delay or fail. Each of
	// these calls takes longer, because another process handles it.
	Disk disk.Calls
	// BasePort makes member i listen on BasePort+2i, and on the next port for peers. 0 means free
	// ports.
	BasePort int

	// DataDir is the directory for the data. Each member has its own directory in it, which is
	// removed at the end. DataDir must exist.
	DataDir string
	// LogDir is the directory for one log per member.
	LogDir string
	// StartTimeout bounds the start; 0 means one minute.
	StartTimeout time.Duration
}

// DefaultSettings returns a cluster of three members whose quota is larger than the data of
// most runs.
func DefaultSettings() Settings {
	return Settings{Members: 3, Quota: 8 << 30, StartTimeout: time.Minute}
}

// Defaults of etcd for the heartbeat interval and election timeout, and bounds that are
// checked before the start.
const (
	DefaultHeartbeat = 100 * time.Millisecond
	DefaultElection  = time.Second
	maxElection      = 50 * time.Second
	// minSpace is the disk space in bytes that a member needs before its first write: two
	// preallocated segments of the write-ahead log and a margin.
	minSpace = 160 << 20
)

// ownFlags are the flags of etcd that differ between members, or that decide which files
// remain.
var ownFlags = [...]string{
	"name", "data-dir", "wal-dir", "config-file", "log-outputs",
	"listen-client-urls", "listen-peer-urls", "advertise-client-urls", "initial-advertise-peer-urls",
	"initial-cluster", "initial-cluster-token", "cert-file", "key-file",
}

// Validate returns an error that names the flag if the settings are invalid. embedded means
// that the built-in etcd runs, whose flags are known.
func (s Settings) Validate(embedded bool) error {
	heartbeat, election := cmp.Or(s.HeartbeatInterval, DefaultHeartbeat), cmp.Or(s.ElectionTimeout, DefaultElection)
	switch {
	case s.Members != 1 && s.Members != 3 && s.Members != 5:
		return fmt.Errorf("--members must be 1, 3 or 5, not %d", s.Members)
	case heartbeat < time.Millisecond || heartbeat%time.Millisecond != 0 || election%time.Millisecond != 0:
		return fmt.Errorf("--heartbeat-interval and --election-timeout must be whole milliseconds, not %v and %v", heartbeat, election)
	case 5*heartbeat > election:
		return fmt.Errorf("--election-timeout must be at least five times --heartbeat-interval, not %v with %v", election, heartbeat)
	case election > maxElection:
		return fmt.Errorf("--election-timeout must be at most %[2]v, not %[1]v", election, maxElection)
	case s.Quota < 0 || s.BackendBatchInterval < 0 || s.BackendBatchLimit < 0:
		return errors.New("--quota, --backend-batch-interval and --backend-batch-limit must not be negative")
	case s.BasePort < 0 || s.BasePort+2*s.Members > 65536:
		return fmt.Errorf("--base-port %d is too high for %d ports", s.BasePort, 2*s.Members)
	}
	if s.Network != nil {
		if err := s.Network.Validate(); err != nil {
			return err
		}
	}
	if s.AutoCompaction != "" {
		d, errD := time.ParseDuration(s.AutoCompaction)
		n, errN := strconv.ParseInt(s.AutoCompaction, 10, 64)
		if (errD != nil || d <= 0) && (errN != nil || n < 0) {
			return fmt.Errorf("--auto-compaction %q is neither a duration (5m) nor a number of revisions (1000)", s.AutoCompaction)
		}
	}
	for _, kv := range s.Env {
		if name, _, ok := strings.Cut(kv, "="); !ok || name == "" || strings.HasPrefix(name, "ETCD") {
			return fmt.Errorf("--member-env must be NAME=value and not start with ETCD_, not %q: give flags of etcd with --etcd-flag", kv)
		}
	}
	for _, kv := range s.EtcdFlags {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" || strings.HasPrefix(name, "-") {
			return fmt.Errorf("--etcd-flag %q is not name=value", kv)
		}
		if slices.Contains(ownFlags[:], name) {
			return fmt.Errorf("--etcd-flag %s is set by etcdbench for each member and cannot be changed", name)
		}
		if err := checkMetricsURLs(kv); err != nil {
			return err
		}
	}
	if embedded {
		if _, err := embedConfig(args(s.flags())); err != nil {
			return fmt.Errorf("--etcd-flag: %w", err)
		}
	}
	return nil
}

// checkMetricsURLs returns an error for a flag, "name=value", that would serve metrics to
// other machines.
func checkMetricsURLs(flag string) error {
	urls, ok := strings.CutPrefix(flag, "listen-metrics-urls=")
	if !ok {
		return nil
	}
	for _, text := range strings.Split(urls, ",") {
		u, err := url.Parse(text)
		if err != nil {
			return fmt.Errorf("--etcd-flag listen-metrics-urls: %q is not a URL", text)
		}
		if ip := net.ParseIP(u.Hostname()); u.Scheme != "unix" && u.Scheme != "unixs" && u.Hostname() != "localhost" && !ip.IsLoopback() {
			return fmt.Errorf("--etcd-flag listen-metrics-urls: %s is not a loopback address: use 127.0.0.1", text)
		}
	}
	return nil
}

// flags returns the settings as flags of etcd, without names, paths and addresses.
func (s Settings) flags() map[string]string {
	f := map[string]string{"enable-pprof": "true", "log-outputs": "stderr"}
	set := func(name string, isSet bool, value any) {
		if isSet {
			f[name] = fmt.Sprint(value)
		}
	}
	set("heartbeat-interval", s.HeartbeatInterval > 0, s.HeartbeatInterval.Milliseconds())
	set("election-timeout", s.ElectionTimeout > 0, s.ElectionTimeout.Milliseconds())
	set("snapshot-count", s.SnapshotCount > 0, s.SnapshotCount)
	set("quota-backend-bytes", s.Quota > 0, s.Quota)
	set("backend-batch-interval", s.BackendBatchInterval > 0, s.BackendBatchInterval)
	set("backend-batch-limit", s.BackendBatchLimit > 0, s.BackendBatchLimit)
	set("unsafe-no-fsync", s.UnsafeNoFsync, true)
	if s.AutoCompaction != "" {
		f["auto-compaction-retention"] = s.AutoCompaction
		f["auto-compaction-mode"] = "periodic"
		if _, err := strconv.ParseInt(s.AutoCompaction, 10, 64); err == nil {
			f["auto-compaction-mode"] = "revision"
		}
	}
	for _, kv := range s.EtcdFlags {
		name, value, _ := strings.Cut(kv, "=")
		f[name] = value
	}
	return f
}

// args returns the flags as arguments, in a fixed order.
func args(flags map[string]string) []string {
	var list []string
	for name, value := range flags {
		list = append(list, "--"+name+"="+value)
	}
	slices.Sort(list)
	return list
}

// memberSpec is one member to start.
type memberSpec struct {
	name    string
	client  string // host:port
	peer    string
	dataDir string
	log     string
	args    []string
}

// layout sets the names, ports and directories of all members. If the settings have a network,
// it returns the links between the members, otherwise nil.
func (s Settings) layout(tlsInfo *etcdtransport.TLSInfo) ([]memberSpec, *links, error) {
	specs, err := s.places()
	if err != nil {
		return nil, nil, err
	}
	var peers []string // the address for peers
	for _, m := range specs {
		peers = append(peers, m.peer)
	}
	var l *links
	if s.Network != nil {
		if l, err = newLinks(*s.Network, peers); err != nil {
			return nil, nil, err
		}
		for i, p := range l.proxies {
			peers[i] = p.Address
		}
	}
	var initial []string
	for i, m := range specs {
		initial = append(initial, m.name+"=http://"+peers[i])
	}
	scheme := "http"
	if tlsInfo != nil {
		scheme = "https"
	}
	for i := range specs {
		m := &specs[i]
		f := map[string]string{
			"name": m.name, "data-dir": m.dataDir,
			"listen-client-urls": scheme + "://" + m.client, "advertise-client-urls": scheme + "://" + m.client,
			"listen-peer-urls": "http://" + m.peer, "initial-advertise-peer-urls": "http://" + peers[i],
			"initial-cluster": strings.Join(initial, ","), "initial-cluster-token": filepath.Base(filepath.Dir(m.dataDir)),
		}
		if tlsInfo != nil {
			f["cert-file"], f["key-file"] = tlsInfo.CertFile, tlsInfo.KeyFile
		}
		for name, value := range s.flags() {
			f[name] = value
		}
		m.args = args(f)
	}
	return specs, l, nil
}

// places sets the names, addresses and directories of the members.
func (s Settings) places() ([]memberSpec, error) {
	taken := map[int]bool{}
	port := func(i int) (int, error) {
		if s.BasePort == 0 {
			return freePort(taken)
		}
		if err := portFree(s.BasePort + i); err != nil {
			return 0, fmt.Errorf("port %d is not free: %w", s.BasePort+i, err)
		}
		return s.BasePort + i, nil
	}
	var specs []memberSpec
	for i := range s.Members {
		client, err := port(2 * i)
		if err != nil {
			return nil, err
		}
		peer, err := port(2*i + 1)
		if err != nil {
			return nil, err
		}
		m := memberSpec{name: fmt.Sprintf("m%d", i+1), client: fmt.Sprintf("%s:%d", loopback, client), peer: fmt.Sprintf("%s:%d", loopback, peer)}
		m.dataDir = filepath.Join(s.DataDir, m.name)
		m.log = filepath.Join(s.LogDir, m.name+".log")
		specs = append(specs, m)
	}
	return specs, nil
}

// certFile returns the path at which etcd writes the certificate of members with that
// directory.
func certFile(dataDir string) string { return filepath.Join(dataDir, "tls", "cert.pem") }

// checkSpace returns an error if the disk of a directory has too little space for the members.
func checkSpace(dir string, members int) error {
	free, err := machine.FreeSpace(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if need := uint64(members) * minSpace; free < need {
		return fmt.Errorf("data directory %s: no space left: %d MiB are free, %s at least %d MiB",
			dir, free>>20, needs(members), need>>20)
	}
	return nil
}

// needs returns the beginning of the error about the space that members need.
func needs(members int) string {
	if members == 1 {
		return "one member needs"
	}
	return fmt.Sprintf("%d members need", members)
}

// prepare checks the disk space and makes the directories and certificates.
func (s Settings) prepare() (*etcdtransport.TLSInfo, *tls.Config, error) {
	if s.DataDir == "" || s.LogDir == "" {
		return nil, nil, errors.New("a cluster needs a data directory and a log directory")
	}
	if err := checkSpace(s.DataDir, s.Members); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(s.LogDir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make log directory: %w", err)
	}
	if !s.TLS {
		return nil, nil, nil
	}
	info, err := etcdtransport.SelfCert(zap.NewNop(), filepath.Join(s.DataDir, "tls"), []string{loopback + ":0", "localhost:0"}, 1)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificates: %w", err)
	}
	pem, err := os.ReadFile(info.CertFile)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificates: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &info, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: loopback}, nil
}

func (s Settings) describe(kind string) results.Cluster {
	flags := s.flags()
	delete(flags, "log-outputs")
	for _, kv := range s.Env { // their values may be secrets
		name, _, _ := strings.Cut(kv, "=")
		flags["env:"+name] = "(set)"
	}
	if s.Network != nil {
		maps.Copy(flags, s.Network.settings())
	}
	if s.Disk.Any() {
		flags["disk:supervised"] = s.Disk.String()
	}
	return results.Cluster{Kind: kind, TLS: s.TLS, Settings: flags}
}

// flagLock is held while flags of etcd are bound and while a member starts: some flags are
// variables of etcd's package rafthttp, which a start reads and which all clusters of a
// process share.
var flagLock sync.Mutex

// startEtcd starts a member in this process.
func startEtcd(cfg *embed.Config) (*embed.Etcd, error) {
	flagLock.Lock()
	defer flagLock.Unlock()
	return embed.StartEtcd(cfg)
}

// embedConfig parses the flags of etcd as etcd's main function does.
func embedConfig(args []string) (*embed.Config, error) {
	flagLock.Lock()
	defer flagLock.Unlock()
	cfg := embed.NewConfig()
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	cfg.AddFlags(fs)
	fs.StringVar(&cfg.ClusterState, "initial-cluster-state", cfg.ClusterState, "of a member that replaces another: existing")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag of etcd", fs.Arg(0))
	}
	copyFlags(cfg, fs)
	return cfg, nil
}
