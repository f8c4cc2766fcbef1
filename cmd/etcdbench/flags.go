package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// specFlags turn flags into a specification. Every command that measures has all of
// them, with the same meaning.
type specFlags struct {
	spec runner.Spec
	// workload holds the flags of the workloads' parameters.
	workload *pflag.FlagSet
}

// add registers the flags, group by group.
func (f *specFlags) add(groups *flagGroups) {
	groups.add("Load", f.addLoad)
	f.workload = groups.addWorkloads()
	groups.add("Cluster to start", f.addStart)
	groups.add("Running cluster", f.addRemote)
	groups.add("Keys and safety", f.addSafety)
	groups.add("Measurement", f.addMeasurement)
}

func (f *specFlags) addLoad(fs *pflag.FlagSet) {
	l := &f.spec.Load
	intFlag(fs, &l.Clients, "clients", runner.DefaultClients, "virtual clients, each with one operation at a time")
	intFlag(fs, &l.Conns, "conns", runner.DefaultConns, "connections that the clients share")
	stringFlag(fs, &l.Transport, "transport", runner.TransportAuto,
		"transport of unary calls: auto (lean), lean (least CPU time) or grpc (grpc-go, as production clients use)")
	floatFlag(fs, &l.Rate, "rate", 0, "arrivals per second: an open loop (0: a closed loop)")
	stringFlag(fs, &l.Arrival, "arrival", bench.ArrivalConstant, "arrivals of an open loop: constant or poisson")
	durationFlag(fs, &l.Duration, "duration", runner.DefaultDuration, "length of the measured phase")
	uintFlag(fs, &l.Total, "total", 0, "number of operations to measure, instead of a --duration")
	durationFlag(fs, &l.Warmup, "warmup", runner.DefaultWarmup, "length of the warm-up (0: none)")
	durationFlag(fs, &l.Timeout, "timeout", runner.DefaultTimeout, "timeout of a request")
	durationFlag(fs, &l.Drain, "drain", runner.DefaultDrain, "longest wait for requests in flight at the end")
	intFlag(fs, &l.Queue, "queue", 0, "arrivals that may wait for a free client (0: the arrivals of ten seconds)")
	uintFlag(fs, &l.Seed, "seed", runner.DefaultSeed, "seed of keys, values and arrivals")
	floatFlag(fs, &l.Target, "target", results.DefaultTarget, "writes per second to compare with; when given, a missed target exits with 3")
	fs.Var(paramsValue{&f.spec.Parameters}, "param", "parameter of a scenario, as `name=number`; may be repeated")
	fs.Var(agentsValue{&f.spec.Agents}, "agents",
		"number of `processes` that generate the load and join with etcdbench agent; local:N starts them here, ssh:HOST,HOST on other machines")
	fs.Var(lossValue{&f.spec.Agents.Continue}, "on-agent-loss",
		"what the other agents do when one is lost: fail or continue; the run fails in both cases")
	fs.Var(disturbancesValue{&f.spec.Disturbances}, "disturb",
		"disturbance during the load, as `KIND@AT[/EVERY][,name=value]`, see etcdbench workloads; may be repeated")
}

func (f *specFlags) addStart(fs *pflag.FlagSet) {
	s, d := &f.spec.Cluster.Start, cluster.DefaultSettings()
	n := &s.Network
	intFlag(fs, &s.Members, "members", d.Members, "members of the cluster to start: 1, 3 or 5")
	fs.BoolVar(&s.InProcess, "in-process", false, "start the members inside this process: for trials, not for measurements")
	fs.StringVar(&s.Binary, "etcd-binary", "", "etcd `program` to start instead of the built-in one")
	stringFlag(fs, &s.Version, "etcd-version", "", "etcd `version` to build and start, such as v3.6.14")
	durationFlag(fs, &s.HeartbeatInterval, "heartbeat-interval", 0, "raft heartbeat interval (etcd's default: 100ms)")
	durationFlag(fs, &s.ElectionTimeout, "election-timeout", 0, "raft election timeout (etcd's default: 1s)")
	uintFlag(fs, &s.SnapshotCount, "snapshot-count", 0, "committed entries between snapshots (0: etcd's default)")
	sizeFlag(fs, &s.Quota, "quota", d.Quota, "size `limit` of the database, such as 8GiB")
	durationFlag(fs, &s.BackendBatchInterval, "backend-batch-interval", 0, "longest time between commits of the backend (0: etcd's default)")
	intFlag(fs, &s.BackendBatchLimit, "backend-batch-limit", 0, "most operations between commits of the backend (0: etcd's default)")
	stringFlag(fs, &s.AutoCompaction, "auto-compaction", "", "keep history for a `time` (5m) or a number of revisions (1000)")
	boolFlag(fs, &s.UnsafeNoFsync, "unsafe-no-fsync", false, "start members without fsync, which is noted in the result")
	stringFlag(fs, &s.TLS, "tls", runner.TLSOff, "TLS between clients and started members: off, or auto with temporary certificates")
	fs.StringArrayVar(&s.EtcdFlags, "etcd-flag", nil, "any other flag of etcd, as `name=value`; may be repeated")
	fs.Var(variablesValue{&s.Env}, "member-env", "environment variable of the members, as `NAME=value`, such as GOGC=20; may be repeated")
	fs.DurationVar(&n.RTT, "rtt", 0, "simulated round trip between any two members")
	fs.DurationVar(&n.Jitter, "jitter", 0, "variation of the delay in each direction")
	fs.Var(newBytes(&n.Bandwidth), "bandwidth", "limit of each link and direction per second, such as 100MiB (0: none)")
	fs.StringSliceVar(&n.Zones, "zones", nil, "`zones` to which the members are assigned in turn, such as a,b,c")
	fs.StringArrayVar(&n.ZoneRTTs, "zone-rtt", nil, "round trip between two zones, as `a-b=40ms`; may be repeated (others: --rtt)")
	fs.IntVar(&s.BasePort, "base-port", 0, "first loopback port of the members, two for each (0: free ports)")
	fs.StringVar(&s.DataDir, "data-dir", "", "`directory` for the members' data (default: in the run's directory)")
	durationFlag(fs, &s.StartTimeout, "start-timeout", d.StartTimeout, "timeout of the start")
	durationFlag(fs, &s.DiskProbe, "disk-probe", runner.DefaultDiskProbe, "length of the measurement of the data's disk, before the start")
}

func (f *specFlags) addRemote(fs *pflag.FlagSet) {
	f.addConnection(fs)
	c := &f.spec.Cluster
	r := &c.Remote
	fs.StringSliceVar(&r.Metrics, "metrics-endpoints", nil,
		"`addresses` of the members' metrics, in the order of --endpoints (default: --endpoints)")
	fs.StringSliceVar(&r.Pprof, "pprof-endpoints", nil,
		"`addresses` of the members' pprof, in the order of --endpoints (default: --endpoints)")
	fs.BoolVar(&c.TargetLeader, "target-leader", false, "send all requests to the leader")
}

// addConnection registers the flags for the connection to a running cluster.
func (f *specFlags) addConnection(fs *pflag.FlagSet) {
	c := &f.spec.Cluster
	r := &c.Remote
	fs.StringSliceVar(&c.Endpoints, "endpoints", nil, "`addresses` of a running cluster, separated by commas")
	fs.StringVar(&r.CACert, "cacert", "", "`file` of the authority that signed the servers' certificates")
	fs.StringVar(&r.Cert, "cert", "", "`file` of the client's certificate")
	fs.StringVar(&r.Key, "key", "", "`file` of the client's key")
	fs.BoolVar(&r.InsecureSkipVerify, "insecure-skip-tls-verify", false, "accept any server's certificate")
	fs.StringVar(&r.User, "user", "", "user `name`; the password comes from "+runner.PasswordVariable+" or a prompt")
	durationFlag(fs, &c.DialTimeout, "dial-timeout", runner.DefaultDialTimeout, "timeout of connecting to an endpoint at the start")
}

func (f *specFlags) addSafety(fs *pflag.FlagSet) {
	s := &f.spec
	fs.StringVar(&s.Prefix, "prefix", "", "`prefix` of every key (default: below /etcdbench/)")
	f.addPermissions(fs)
}

// addPermissions registers the flags that permit effects on a running cluster.
func (f *specFlags) addPermissions(fs *pflag.FlagSet) {
	s := &f.spec
	fs.BoolVar(&s.KeepData, "keep-data", false, "leave the run's keys in a remote cluster")
	fs.BoolVar(&s.AllowExisting, "allow-existing", false,
		"allow a --prefix with existing keys; the run may overwrite them, does not restore them, and deletes none")
	fs.BoolVar(&s.AllowDisturbances, "allow-disturbances", false, "allow disturbances that affect a running cluster beyond the run's own keys")
}

func (f *specFlags) addMeasurement(fs *pflag.FlagSet) {
	s := &f.spec
	boolFlag(fs, &s.Verify, "verify", true,
		"after the load, prove that the cluster holds the acknowledged writes (default: on in gates and for started clusters, "+
			"off with --endpoints and in other experiments)")
	boolFlag(fs, &s.ServerMetrics, "server-metrics", true, "read the members' metrics each second")
	fs.StringSliceVar(&s.Profile.Kinds, "profile", nil, "profile members and generator: `kinds` of cpu, heap, mutex, goroutine, block, trace")
	durationFlag(fs, &s.Profile.OnAnomaly, "profile-on-anomaly", 0,
		"take a short CPU profile and the goroutines when the p99 of a second exceeds this")
	fs.StringVar(&s.Label, "label", "", "`label` for this run, such as a commit; histories show it")
}

// specification returns the specification of the flags, for this scenario.
func (f *specFlags) specification(fs *pflag.FlagSet, scenario string) (runner.Spec, error) {
	s := f.spec.Clone()
	s.Schema, s.Scenario = runner.Schema, scenario
	if fs.Changed("endpoints") && len(s.Cluster.Endpoints) == 0 {
		return s, fmt.Errorf("--endpoints is empty")
	}
	f.workload.VisitAll(func(flag *pflag.Flag) {
		if !flag.Changed {
			return
		}
		if s.Workload == nil {
			s.Workload = map[string]string{}
		}
		s.Workload[flag.Name] = strings.Trim(flag.Value.String(), "[]")
	})
	return s, s.IncludeFile()
}

// disturbancesValue is the flag of disturbances.
type disturbancesValue struct{ list *[]results.PlanDisturbance }

func (v disturbancesValue) Set(s string) error {
	d, err := workloads.ParseDisturbance(s)
	if err != nil {
		return err
	}
	*v.list = append(*v.list, d)
	return nil
}

func (v disturbancesValue) String() string { return "" }
func (disturbancesValue) Type() string     { return "disturbance" }
