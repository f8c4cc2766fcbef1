// Package runner carries out runs. A [Spec] holds everything that one run needs, as plain data.
// [Run] opens the cluster, claims the prefix, generates the load, captures profiles, makes the
// proof, cleans up and saves the result.
//
// Every command that measures and every experiment makes its runs with this package. Other
// programs can do the same: fill a Spec, call Run, change a field and call Run again.
package runner

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/fault"
	"github.com/etcdbench/etcdbench/results"
)

// Schema is the version of a saved specification.
const Schema = "etcdbench.spec/v1"

// Spec is everything one run needs. The zero value is the run that
// "etcdbench run" makes: puts to three members that are started for it.
//
// If a field is nil, empty or zero, the scenario decides, and if
// the scenario does not, the default applies (see [Spec.Resolve]). The tag "flag" names the
// field's flag of the command line. No field holds a secret in its JSON form.
type Spec struct {
	// Schema is empty or [Schema].
	Schema string `json:"schema,omitempty"`
	// Scenario is a workload, a scenario that comes with the program, or the path of a
	// scenario's file; empty means "put". Text is the file's content, see
	// [Spec.IncludeFile].
	Scenario string `json:"scenario,omitempty"`
	Text     string `json:"scenario_text,omitempty"`
	// Parameters are values of the scenario's parameters.
	Parameters map[string]float64 `json:"parameters,omitempty" flag:"param"`
	// Workload holds parameters of the scenario's workloads, such as val-size; each has
	// a flag of its own name.
	Workload map[string]string `json:"workload,omitempty"`

	Load    Load    `json:"load,omitzero"`
	Cluster Cluster `json:"cluster,omitzero"`

	// Disturbances are made beside the load, in addition to those of the scenario.
	Disturbances []results.PlanDisturbance `json:"disturbances,omitempty" flag:"disturb"`
	// AllowDisturbances permits disturbances of a running cluster that affect more than the
	// run's own keys.
	AllowDisturbances bool `json:"allow_disturbances,omitempty" flag:"allow-disturbances"`

	// Prefix is the prefix of every key; empty means /etcdbench/RUN-ID/.
	Prefix string `json:"prefix,omitempty" flag:"prefix"`
	// AllowExisting permits a prefix under which keys exist: the run may overwrite these keys,
	// but deletes none of them. KeepData leaves the run's keys in a running cluster.
	AllowExisting bool `json:"allow_existing,omitempty" flag:"allow-existing"`
	KeepData      bool `json:"keep_data,omitempty" flag:"keep-data"`

	// Verify requests a proof after the load; nil means true for started clusters and false for
	// running ones.
	Verify *bool `json:"verify,omitempty" flag:"verify"`
	// ServerMetrics enables the reading of the members' metrics each second; nil means true.
	ServerMetrics *bool   `json:"server_metrics,omitempty" flag:"server-metrics"`
	Profile       Profile `json:"profile,omitzero"`
	// Thresholds replace those of the scenario. A run does not apply them: it only saves them
	// in its plan.
	Thresholds []string `json:"thresholds,omitempty" flag:"threshold"`
	// Label is the user's label for the run.
	Label string `json:"label,omitempty" flag:"label"`

	Agents Agents `json:"agents,omitzero" flag:"agents"`

	Experiment Experiment `json:"experiment,omitzero"`
}

// Load describes the operations of the clients and their duration.
type Load struct {
	Clients *int `json:"clients,omitempty" flag:"clients"`
	Conns   *int `json:"conns,omitempty" flag:"conns"`
	// Transport is [TransportAuto], [results.TransportLean] or [results.TransportGRPC].
	Transport *string `json:"transport,omitempty" flag:"transport"`
	// Rate is in arrivals per second; 0 means a closed loop.
	Rate    *float64 `json:"rate,omitempty" flag:"rate"`
	Arrival *string  `json:"arrival,omitempty" flag:"arrival"`
	// Duration is the total length of the measured phases. Total is their number of operations,
	// as an alternative.
	Duration *time.Duration `json:"duration_ns,omitempty" flag:"duration"`
	Total    *uint64        `json:"total,omitempty" flag:"total"`
	Warmup   *time.Duration `json:"warmup_ns,omitempty" flag:"warmup"`
	// Timeout bounds a request. Drain bounds the wait for the requests in flight at the end.
	Timeout *time.Duration `json:"timeout_ns,omitempty" flag:"timeout"`
	Drain   *time.Duration `json:"drain_ns,omitempty" flag:"drain"`
	// Queue is the number of arrivals that may wait for a free client; 0 means ten seconds of
	// arrivals.
	Queue *int    `json:"queue,omitempty" flag:"queue"`
	Seed  *uint64 `json:"seed,omitempty" flag:"seed"`
	// Target is in writes per second.
	Target *float64 `json:"target,omitempty" flag:"target"`
	// Phases replace those that follow from the scenario, Duration, Total, Rate and
	// Warmup.
	Phases []results.PlanPhase `json:"phases,omitempty"`
}

// Cluster is the cluster that gets the load: running members, or a cluster to start.
type Cluster struct {
	// Endpoints are the addresses of a running cluster; if there are none, a cluster is
	// started.
	Endpoints []string `json:"endpoints,omitempty" flag:"endpoints"`
	Start     Start    `json:"start,omitzero"`
	Remote    Remote   `json:"remote,omitzero"`
	// DialTimeout bounds the wait for an endpoint at the start.
	DialTimeout *time.Duration `json:"dial_timeout_ns,omitempty" flag:"dial-timeout"`
	// TargetLeader sends all requests to the leader.
	TargetLeader bool `json:"target_leader,omitempty" flag:"target-leader"`
}

// Start describes a cluster to start. For nil fields, the scenario's settings or the defaults
// of etcd apply.
type Start struct {
	Members              *int           `json:"members,omitempty" flag:"members"`
	InProcess            bool           `json:"in_process,omitempty" flag:"in-process"`
	Binary               string         `json:"etcd_binary,omitempty" flag:"etcd-binary"`
	Version              *string        `json:"etcd_version,omitempty" flag:"etcd-version"`
	HeartbeatInterval    *time.Duration `json:"heartbeat_interval_ns,omitempty" flag:"heartbeat-interval"`
	ElectionTimeout      *time.Duration `json:"election_timeout_ns,omitempty" flag:"election-timeout"`
	SnapshotCount        *uint64        `json:"snapshot_count,omitempty" flag:"snapshot-count"`
	Quota                *int64         `json:"quota_bytes,omitempty" flag:"quota"`
	BackendBatchInterval *time.Duration `json:"backend_batch_interval_ns,omitempty" flag:"backend-batch-interval"`
	BackendBatchLimit    *int           `json:"backend_batch_limit,omitempty" flag:"backend-batch-limit"`
	// AutoCompaction is a duration ("5m") or a number of revisions ("1000").
	AutoCompaction *string `json:"auto_compaction,omitempty" flag:"auto-compaction"`
	UnsafeNoFsync  *bool   `json:"unsafe_no_fsync,omitempty" flag:"unsafe-no-fsync"`
	// TLS is "off" or "auto", between clients and members.
	TLS *string `json:"tls,omitempty" flag:"tls"`
	// EtcdFlags are additional flags of etcd, "name=value". They follow those of the scenario.
	EtcdFlags []string `json:"etcd_flags,omitempty" flag:"etcd-flag"`
	// Env holds variables of the members' environment.
	Env     []Variable      `json:"member_env,omitempty" flag:"member-env"`
	Network cluster.Network `json:"network,omitzero"`
	// BasePort is the first port of the members, which use two ports each; 0 means free ports.
	BasePort int `json:"base_port,omitempty" flag:"base-port"`
	// DataDir is the directory for the members' data; empty means the run's directory.
	DataDir      string         `json:"data_dir,omitempty" flag:"data-dir"`
	StartTimeout *time.Duration `json:"start_timeout_ns,omitempty" flag:"start-timeout"`
	// DiskProbe is the length of the disk measurement before the start.
	DiskProbe *time.Duration `json:"disk_probe_ns,omitempty" flag:"disk-probe"`
}

// Variable is a variable of the members' environment. Its value is never saved.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"-"`
}

// Remote describes how to reach a running cluster. The password is in [Options].
type Remote struct {
	// CACert, Cert and Key are paths of PEM files.
	CACert             string `json:"cacert,omitempty" flag:"cacert"`
	Cert               string `json:"cert,omitempty" flag:"cert"`
	Key                string `json:"key,omitempty" flag:"key"`
	InsecureSkipVerify bool   `json:"insecure_skip_tls_verify,omitempty" flag:"insecure-skip-tls-verify"`
	User               string `json:"user,omitempty" flag:"user"`
	// Metrics and Pprof are addresses, one for each endpoint; empty means the endpoints
	// themselves.
	Metrics []string `json:"metrics_endpoints,omitempty" flag:"metrics-endpoints"`
	Pprof   []string `json:"pprof_endpoints,omitempty" flag:"pprof-endpoints"`
}

// Profile selects the profiles to capture.
type Profile struct {
	// Kinds may contain cpu, heap, mutex, goroutine, block and trace.
	Kinds []string `json:"kinds,omitempty" flag:"profile"`
	// OnAnomaly captures a short profile when the p99 of an interval of one second exceeds it.
	OnAnomaly *time.Duration `json:"on_anomaly_ns,omitempty" flag:"profile-on-anomaly"`
}

// Wanted reports whether any profile is requested.
func (p Profile) Wanted() bool { return len(p.Kinds) > 0 || p.OnAnomaly != nil }

// Experiment holds the settings of experiments for their runs. The command line has no flags
// for them.
type Experiment struct {
	// MemberDown kills a follower before the load, which avoids that member.
	MemberDown bool `json:"member_down,omitempty"`
	// Faults are made one after the other. They replace the user's disturbances.
	Faults *Faults `json:"faults,omitempty"`
	// CheckOtherClients looks for other clients of a running cluster before the load.
	CheckOtherClients bool `json:"check_others,omitempty"`
	// Resilience measures elections, idle costs, outages and round trips.
	Resilience bool `json:"resilience,omitempty"`
}

// Faults describes the faults that are made to members during the load.
type Faults struct {
	// Kinds are fault kinds of package results, such as [results.FaultKillLeader], in order.
	Kinds []string `json:"kinds"`
	// Begin is the time of the first fault, since the start of the first measured phase.
	Begin time.Duration `json:"begin_ns"`
	// Election is the cluster's election timeout, which determines the time between faults.
	Election time.Duration `json:"election_timeout_ns"`
}

// schedule returns the times of the faults.
func (f Faults) schedule(bind func(results.PlanDisturbance) (func(context.Context) (string, error), error)) *fault.Schedule {
	return &fault.Schedule{Kinds: f.Kinds, Election: f.Election, Begin: f.Begin, Bind: bind}
}

// Length returns the time from the first fault to the end of the last one.
func (f Faults) Length() time.Duration { return f.schedule(nil).Length() }

// Clone returns a copy whose lists and maps can be changed without changing the original.
// Pointers are shared: set a new pointer instead of writing through it.
func (s Spec) Clone() Spec {
	s.Parameters, s.Workload = maps.Clone(s.Parameters), maps.Clone(s.Workload)
	s.Disturbances, s.Thresholds = slices.Clone(s.Disturbances), slices.Clone(s.Thresholds)
	s.Load.Phases = slices.Clone(s.Load.Phases)
	s.Profile.Kinds = slices.Clone(s.Profile.Kinds)
	c := &s.Cluster
	c.Endpoints = slices.Clone(c.Endpoints)
	c.Start.EtcdFlags, c.Start.Env = slices.Clone(c.Start.EtcdFlags), slices.Clone(c.Start.Env)
	c.Remote.Metrics, c.Remote.Pprof = slices.Clone(c.Remote.Metrics), slices.Clone(c.Remote.Pprof)
	return s
}

// SetParameter sets the value of a parameter of the scenario.
func (s *Spec) SetParameter(name string, value float64) {
	if s.Parameters == nil {
		s.Parameters = map[string]float64{}
	}
	s.Parameters[name] = value
}

// Running reports whether the load goes to a running cluster.
func (c Cluster) Running() bool { return len(c.Endpoints) > 0 }
