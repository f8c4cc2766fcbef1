package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// passwordVariable is where the password of --user comes from.
const passwordVariable = "ETCDBENCH_PASSWORD"

// clusterOptions say where the load goes: a cluster to start, or endpoints.
type clusterOptions struct {
	settings    cluster.Settings
	inProcess   bool
	binary      string
	version     string
	tlsMode     string
	dataDir     string
	endpoints   []string
	files       transport.TLSFiles
	user        string
	dialTimeout time.Duration
	leaderOnly  bool
	metrics     []string
	pprof       []string
	network     cluster.Network

	password  string
	tlsConfig *tls.Config
	// probe is how long the disk is measured before the cluster starts.
	probe time.Duration
}

// Flags that only make sense for a cluster we start, and for one that runs.
var (
	startFlags  = [...]string{"members", "in-process", "etcd-binary", "etcd-version", "heartbeat-interval", "election-timeout", "snapshot-count", "quota", "backend-batch-interval", "backend-batch-limit", "auto-compaction", "unsafe-no-fsync", "tls", "etcd-flag", "member-env", "base-port", "data-dir", "start-timeout", "rtt", "jitter", "bandwidth", "zones", "zone-rtt"}
	remoteFlags = [...]string{"cacert", "cert", "key", "insecure-skip-tls-verify", "user", "target-leader", "metrics-endpoints", "pprof-endpoints"}
)

func (o *clusterOptions) addStartFlags(fs *pflag.FlagSet) {
	o.settings = cluster.DefaultSettings()
	o.probe = probeTime
	s := &o.settings
	fs.IntVar(&s.Members, "members", s.Members, "members of the cluster to start: 1, 3 or 5")
	fs.BoolVar(&o.inProcess, "in-process", false, "start the members inside this process: for a quick look, not for numbers")
	fs.StringVar(&o.binary, "etcd-binary", "", "etcd `program` to start instead of the built-in one")
	fs.StringVar(&o.version, "etcd-version", "", "etcd `version` to build and start, such as v3.6.14")
	fs.DurationVar(&s.HeartbeatInterval, "heartbeat-interval", 0, "raft heartbeat interval (etcd's default: 100ms)")
	fs.DurationVar(&s.ElectionTimeout, "election-timeout", 0, "raft election timeout (etcd's default: 1s)")
	fs.Uint64Var(&s.SnapshotCount, "snapshot-count", 0, "committed entries between snapshots (0: etcd's default)")
	fs.Var(newBytes(&s.Quota), "quota", "size `limit` of the database, such as 8GiB")
	fs.DurationVar(&s.BackendBatchInterval, "backend-batch-interval", 0, "longest time between commits of the backend (0: etcd's default)")
	fs.IntVar(&s.BackendBatchLimit, "backend-batch-limit", 0, "most operations between commits of the backend (0: etcd's default)")
	fs.StringVar(&s.AutoCompaction, "auto-compaction", "", "keep history for a `time` (5m) or a number of revisions (1000)")
	fs.BoolVar(&s.UnsafeNoFsync, "unsafe-no-fsync", false, "start members without fsync; the result says so")
	fs.StringVar(&o.tlsMode, "tls", "off", "between clients and members we start: off, or auto to make certificates")
	fs.StringArrayVar(&s.EtcdFlags, "etcd-flag", nil, "any other flag of etcd, as `name=value`; may be repeated")
	fs.StringArrayVar(&s.Env, "member-env", nil, "environment variable of the members, as `NAME=value`, such as GOGC=20; may be repeated")
	fs.DurationVar(&o.network.RTT, "rtt", 0, "round trip between any two members, made by a proxy on each link")
	fs.DurationVar(&o.network.Jitter, "jitter", 0, "by how much each way's delay scatters")
	fs.Var(newBytes(&o.network.Bandwidth), "bandwidth", "most that a link carries per second, each way, such as 100MiB (0: no bound)")
	fs.StringSliceVar(&o.network.Zones, "zones", nil, "`zones` of the members, by turns, such as a,b,c")
	fs.StringArrayVar(&o.network.ZoneRTTs, "zone-rtt", nil, "round trip between two zones, as `a-b=40ms`; may be repeated (others: --rtt)")
	fs.IntVar(&s.BasePort, "base-port", 0, "first of the members' loopback ports, two each (0: free ones)")
	fs.StringVar(&o.dataDir, "data-dir", "", "`directory` for the members' data (default: in the run's directory)")
	fs.DurationVar(&s.StartTimeout, "start-timeout", s.StartTimeout, "longest time that the start may take")
}

func (o *clusterOptions) addRemoteFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.endpoints, "endpoints", nil, "`addresses` of a cluster that runs already, separated by commas")
	fs.StringVar(&o.files.CACert, "cacert", "", "`file` of the authority that signed the servers' certificates")
	fs.StringVar(&o.files.Cert, "cert", "", "`file` of the client's certificate")
	fs.StringVar(&o.files.Key, "key", "", "`file` of the client's key")
	fs.BoolVar(&o.files.InsecureSkipVerify, "insecure-skip-tls-verify", false, "accept any server's certificate")
	fs.StringVar(&o.user, "user", "", "user `name`; the password comes from "+passwordVariable+" or a prompt")
	fs.DurationVar(&o.dialTimeout, "dial-timeout", 5*time.Second, "longest time to wait for an endpoint at the start")
	fs.StringSliceVar(&o.metrics, "metrics-endpoints", nil, "`addresses` of the members' metrics, in the order of --endpoints (default: --endpoints)")
	fs.StringSliceVar(&o.pprof, "pprof-endpoints", nil, "`addresses` of the members' pprof, in the order of --endpoints (default: --endpoints)")
	fs.BoolVar(&o.leaderOnly, "target-leader", false, "send everything to the leader")
}

// validate checks everything that can be checked without starting anything.
func (o *clusterOptions) validate(cmd *cobra.Command) error {
	fs := cmd.Flags()
	if o.dialTimeout < 0 {
		return errors.New("--dial-timeout must not be negative")
	}
	if len(o.endpoints) > 0 {
		for _, name := range startFlags {
			if fs.Changed(name) {
				return fmt.Errorf("--%s is for clusters that etcdbench starts and does not go with --endpoints", name)
			}
		}
		return o.validateRemote(cmd.InOrStdin(), cmd.ErrOrStderr())
	}
	if fs.Changed("endpoints") {
		return errors.New("--endpoints is empty")
	}
	for _, name := range remoteFlags {
		if fs.Changed(name) && name != "target-leader" {
			return fmt.Errorf("--%s is for clusters that run already: it needs --endpoints", name)
		}
	}
	return o.validateStart()
}

func (o *clusterOptions) validateStart() error {
	foreign := o.binary != "" || o.version != ""
	switch {
	case o.binary != "" && o.version != "":
		return errors.New("--etcd-binary and --etcd-version exclude each other")
	case o.inProcess && len(o.settings.Env) > 0:
		return errors.New("--member-env is for members with processes of their own: it does not go with --in-process")
	case o.inProcess && foreign:
		return errors.New("--in-process runs the built-in etcd: it does not go with --etcd-binary or --etcd-version")
	case o.tlsMode != "off" && o.tlsMode != "auto":
		return fmt.Errorf("--tls must be off or auto, not %q", o.tlsMode)
	}
	o.settings.TLS = o.tlsMode == "auto"
	o.settings.Network = nil
	if o.network.RTT != 0 || o.network.Jitter != 0 || o.network.Bandwidth != 0 || len(o.network.Zones)+len(o.network.ZoneRTTs) > 0 {
		if o.settings.Network = &o.network; o.inProcess {
			return errors.New("--rtt and the like are for members with processes of their own: they do not go with --in-process")
		}
	}
	if o.binary != "" {
		info, err := os.Stat(o.binary)
		if err != nil {
			return fmt.Errorf("--etcd-binary: %w", err)
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("--etcd-binary: %s is not a program", o.binary)
		}
	}
	if o.version != "" {
		if err := cluster.CheckVersion(o.version); err != nil {
			return err
		}
	}
	return o.settings.Validate(!foreign)
}

func (o *clusterOptions) validateRemote(stdin io.Reader, stderr io.Writer) error {
	if o.inProcess {
		return errors.New("--in-process starts a cluster and does not go with --endpoints")
	}
	for _, f := range []struct {
		name      string
		addresses []string
	}{{"metrics-endpoints", o.metrics}, {"pprof-endpoints", o.pprof}} {
		if len(f.addresses) > 0 && len(f.addresses) != len(o.endpoints) {
			return fmt.Errorf("--%s has %d addresses, --endpoints %d: give one for each", f.name, len(f.addresses), len(o.endpoints))
		}
	}
	secure := !o.files.Empty()
	for _, ep := range slices.Concat(o.endpoints, o.metrics, o.pprof) {
		if err := transport.CheckEndpoint(ep); err != nil {
			return err
		}
		secure = secure || strings.HasPrefix(ep, "https://")
	}
	if secure {
		cfg, err := o.files.Config(time.Now())
		if err != nil {
			return err
		}
		o.tlsConfig = cfg
	}
	if o.user == "" {
		return nil
	}
	if strings.Contains(o.user, ":") {
		return fmt.Errorf("--user takes the name alone: put the password into %s, where other processes cannot read it", passwordVariable)
	}
	if o.password = os.Getenv(passwordVariable); o.password != "" {
		return nil
	}
	return o.prompt(stdin, stderr)
}

// prompt asks for the password on a terminal.
func (o *clusterOptions) prompt(stdin io.Reader, stderr io.Writer) error {
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return fmt.Errorf("--user needs a password: set %s", passwordVariable)
	}
	fmt.Fprintf(stderr, "password of %s: ", o.user)
	data, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(stderr)
	if err != nil || len(data) == 0 {
		return errors.New("no password was given")
	}
	o.password = string(data)
	return nil
}

// announce says what start is about to do.
func (o *clusterOptions) announce(stderr io.Writer) {
	switch {
	case len(o.endpoints) > 0:
	case o.version != "":
		fmt.Fprintf(stderr, "starting an etcd %s cluster of %d, after building it if need be\n", o.version, o.settings.Members)
	default:
		fmt.Fprintf(stderr, "starting an etcd cluster of %d\n", o.settings.Members)
	}
}

// start returns the cluster, ready, with its data in dataDir and its logs in
// runDir.
func (o *clusterOptions) start(ctx context.Context, dataDir, runDir string) (cluster.Cluster, error) {
	if len(o.endpoints) > 0 {
		return cluster.NewRemote(o.endpoints, o.tlsConfig), nil
	}
	s := o.settings
	s.DataDir, s.LogDir = dataDir, filepath.Join(runDir, results.MembersDir)
	binary := o.binary
	if o.version != "" {
		var err error
		if binary, err = cluster.BuildVersion(ctx, o.version, ""); err != nil {
			return nil, err
		}
	}
	// Not returned directly: a nil pointer would make an interface that is not nil.
	var (
		c   cluster.Cluster
		err error
	)
	if o.inProcess {
		c, err = cluster.StartInProcess(ctx, s)
	} else {
		c, err = cluster.StartProcesses(ctx, cluster.ProcessOptions{Settings: s, Binary: binary})
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// makeDataDir makes the directory in which our members' data lie, named after
// the run, so that what is removed afterwards is our own. It returns "" where
// no cluster is started.
func (o *clusterOptions) makeDataDir(runDir, runID string) (string, error) {
	if len(o.endpoints) > 0 {
		return "", nil
	}
	dir := filepath.Join(runDir, "data")
	if o.dataDir != "" {
		dir = filepath.Join(o.dataDir, "etcdbench-"+runID)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("--data-dir: %w", err)
	}
	return filepath.Abs(dir)
}
