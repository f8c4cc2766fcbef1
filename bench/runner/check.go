package runner

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

const maxConns = 10_000

// check validates the load of the specification without its scenario.
func (l Load) check() error {
	switch {
	case l.Duration != nil && l.Total != nil:
		return invalid("load", "--duration and --total cannot be combined")
	case l.Duration != nil && *l.Duration <= 0:
		return invalid("load.duration_ns", "--duration must be positive, not %v", *l.Duration)
	case l.Total != nil && *l.Total == 0:
		return invalid("load.total", "--total must be positive")
	case l.Clients != nil && *l.Clients < 1:
		return invalid("load.clients", "--clients must be at least 1, not %d", *l.Clients)
	case l.Conns != nil && (*l.Conns < 1 || *l.Conns > maxConns):
		return invalid("load.conns", "--conns must be between 1 and %d, not %d", maxConns, *l.Conns)
	case l.Transport != nil && !slices.Contains([]string{TransportAuto, results.TransportLean, results.TransportGRPC}, *l.Transport):
		return invalid("load.transport", "--transport must be auto, lean or grpc, not %q", *l.Transport)
	case l.Rate != nil && (!(*l.Rate >= 0) || math.IsInf(*l.Rate, 0)):
		return invalid("load.rate", "--rate must not be negative, but is %v", *l.Rate)
	case l.Warmup != nil && *l.Warmup < 0:
		return invalid("load.warmup_ns", "--warmup must not be negative, but is %v", *l.Warmup)
	}
	return nil
}

// checkPlan validates the whole plan.
func (r *Resolved) checkPlan() error {
	if err := bench.ValidatePlan(r.Plan); err != nil {
		return fieldError("load", err)
	}
	open := slices.ContainsFunc(r.Plan.Phases, func(ph bench.PlanPhase) bool { return ph.Load.Open() })
	s := &r.Spec
	switch {
	case s.Load.Arrival != nil && !open:
		return invalid("load.arrival", "--arrival is for an open loop: it needs --rate")
	case s.Load.Queue != nil && !open:
		return invalid("load.queue", "--queue is for an open loop: it needs --rate")
	case s.KeepData && !s.Cluster.Running():
		return invalid("keep_data", "--keep-data is for remote clusters: one that etcdbench starts is removed with its data")
	}
	if err := r.checkThresholds(); err != nil {
		return err
	}
	if err := r.checkDisturbances(); err != nil {
		return err
	}
	return r.checkProfile()
}

// checkThresholds returns an error if a threshold cannot be applied to a result of the plan.
func (r *Resolved) checkThresholds() error {
	if err := r.Scenario.CheckThresholds(); err != nil {
		return fieldError("thresholds", err)
	}
	for _, text := range r.Plan.Thresholds {
		t, err := judge.ParseThreshold(text)
		if err == nil {
			err = t.CheckPhase(&r.Plan)
		}
		if err != nil && len(r.Spec.Thresholds) > 0 {
			err = fmt.Errorf("--%w", err) // "--threshold ..."
		}
		if err != nil {
			return fieldError("thresholds", err)
		}
	}
	return nil
}

// checkDisturbances returns an error if the cluster does not support a disturbance, or if a
// disturbance of a running cluster affects more than the run's own keys without permission.
func (r *Resolved) checkDisturbances() error {
	needs, started, err := workloads.DisturbanceNeeds(r.Scenario.PlanDisturbances())
	if err != nil {
		return fieldError("disturbances", err)
	}
	if err := r.checkTimes(); err != nil {
		return err
	}
	switch {
	case started == "":
	case r.Spec.Cluster.Running():
		return invalid("disturbances", "--disturb %s is for clusters that etcdbench starts: it cannot be combined with --endpoints", started)
	case r.Spec.Cluster.Start.InProcess:
		return invalid("disturbances", "--disturb %s needs members with their own processes: it cannot be combined with --in-process", started)
	case needs.Members > r.Settings.Members:
		return invalid("disturbances", "--disturb %s needs %d members: raise --members from %d", started, needs.Members, r.Settings.Members)
	case needs.Disk.Any():
		if err := disk.Check(); err != nil {
			return invalid("disturbances", "--disturb: %w", err)
		}
	}
	if !r.Spec.Cluster.Running() || r.Spec.AllowDisturbances {
		return nil
	}
	what, err := workloads.Wide(r.Plan.Entries())
	if err != nil {
		return fieldError("workload", err)
	}
	for _, d := range r.Scenario.Disturbances {
		if e, err := workloads.FindDisturbance(d.Kind); err == nil && e.Wide {
			what = d.Kind
		}
	}
	if what != "" {
		return invalid("allow_disturbances",
			"%s affects more of the cluster than the run's own keys: allow it with --allow-disturbances", what)
	}
	return nil
}

// checkTimes returns an error if a disturbance of the specification comes after the load. Those
// of a scenario are not checked, because its load can be shortened.
func (r *Resolved) checkTimes() error {
	length, known := r.Plan.Measured()
	for _, d := range r.Spec.Disturbances {
		if known && d.At >= length {
			return invalid("disturbances", "--disturb %s@%v: the load is over after %v: use an earlier time or a longer --duration",
				d.Kind, d.At, length)
		}
	}
	return nil
}

func (r *Resolved) checkProfile() error {
	p := r.Spec.Profile
	if err := profiles.CheckKinds(p.Kinds); err != nil {
		return invalid("profile.kinds", "--profile: %w", err)
	}
	switch {
	case p.OnAnomaly != nil && *p.OnAnomaly <= 0:
		return invalid("profile.on_anomaly_ns", "--profile-on-anomaly must be positive, not %v", *p.OnAnomaly)
	case len(r.Spec.Cluster.Remote.Pprof) > 0 && !p.Wanted():
		return invalid("profile", "--pprof-endpoints is for profiles: it needs --profile or --profile-on-anomaly")
	}
	return nil
}

// checkCluster validates everything about the cluster that can be validated without connecting
// to it.
func (r *Resolved) checkCluster() error {
	c := r.Spec.Cluster
	if c.DialTimeout != nil && *c.DialTimeout < 0 {
		return invalid("cluster.dial_timeout_ns", "--dial-timeout must not be negative")
	}
	if c.Running() {
		for _, name := range flagsSet(c.Start) {
			return invalid("cluster.start", "--%s is for clusters that etcdbench starts and cannot be combined with --endpoints", name)
		}
		if r.Spec.Experiment.Faults != nil || r.Spec.Experiment.MemberDown {
			return invalid("experiment", "faults are for clusters that etcdbench starts: they cannot be combined with --endpoints")
		}
		return r.checkRunning()
	}
	if c.Start.DiskProbe != nil && *c.Start.DiskProbe <= 0 {
		return invalid("cluster.start.disk_probe_ns", "--disk-probe must be positive, not %v", *c.Start.DiskProbe)
	}
	for _, name := range flagsSet(c.Remote) {
		return invalid("cluster.remote", "--%s is for running clusters: it needs --endpoints", name)
	}
	return r.checkStart()
}

func (r *Resolved) checkStart() error {
	s := r.Spec.Cluster.Start
	foreign := s.Binary != "" || r.Version != ""
	switch {
	case s.Binary != "" && s.Version != nil && *s.Version != "":
		return invalid("cluster.start", "--etcd-binary and --etcd-version cannot be combined")
	case s.InProcess && len(s.Env) > 0:
		return invalid("cluster.start", "--member-env is for members with processes of their own: it cannot be combined with --in-process")
	case s.InProcess && foreign:
		return invalid("cluster.start", "--in-process runs the built-in etcd: it cannot be combined with --etcd-binary or --etcd-version")
	case s.TLS != nil && *s.TLS != TLSOff && *s.TLS != TLSAuto:
		return invalid("cluster.start.tls", "--tls must be off or auto, not %q", *s.TLS)
	case s.InProcess && r.Settings.Network != nil:
		return invalid("cluster.start", "--rtt and other network flags need member processes: they cannot be combined with --in-process")
	case s.InProcess && (r.Spec.Experiment.Faults != nil || r.Spec.Experiment.MemberDown):
		return invalid("experiment", "faults are for members with processes of their own: they cannot be combined with --in-process")
	}
	if s.Binary != "" {
		info, err := os.Stat(s.Binary)
		if err != nil {
			return invalid("cluster.start.etcd_binary", "--etcd-binary: %w", err)
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return invalid("cluster.start.etcd_binary", "--etcd-binary: %s is not a program", s.Binary)
		}
	}
	if r.Version != "" {
		if err := cluster.CheckVersion(r.Version); err != nil {
			return fieldError("cluster.start.etcd_version", err)
		}
	}
	return fieldError("cluster.start", r.Settings.Validate(!foreign))
}

func (r *Resolved) checkRunning() error {
	c := r.Spec.Cluster
	for _, f := range []struct {
		field, flag string
		addresses   []string
	}{{"metrics_endpoints", "metrics-endpoints", c.Remote.Metrics}, {"pprof_endpoints", "pprof-endpoints", c.Remote.Pprof}} {
		if len(f.addresses) > 0 && len(f.addresses) != len(c.Endpoints) {
			return invalid("cluster.remote."+f.field, "--%s has %d addresses, --endpoints %d: give one for each",
				f.flag, len(f.addresses), len(c.Endpoints))
		}
	}
	for _, ep := range slices.Concat(c.Endpoints, c.Remote.Metrics, c.Remote.Pprof) {
		if err := transport.CheckEndpoint(ep); err != nil {
			return fieldError("cluster.endpoints", err)
		}
	}
	if c.usesTLS() {
		if _, err := c.files().Config(time.Now()); err != nil {
			return fieldError("cluster.remote", err)
		}
	}
	if strings.Contains(c.Remote.User, ":") {
		return invalid("cluster.remote.user",
			"--user takes the name alone: put the password into %s, where other processes cannot read it", PasswordVariable)
	}
	return nil
}

// PasswordVariable is the environment variable that contains the password of --user.
const PasswordVariable = "ETCDBENCH_PASSWORD"

// files returns the TLS files of the specification.
func (c Cluster) files() transport.TLSFiles {
	r := c.Remote
	return transport.TLSFiles{CACert: r.CACert, Cert: r.Cert, Key: r.Key, InsecureSkipVerify: r.InsecureSkipVerify}
}

// usesTLS reports whether connections to a running cluster use TLS.
func (c Cluster) usesTLS() bool {
	return !c.files().Empty() || slices.ContainsFunc(slices.Concat(c.Endpoints, c.Remote.Metrics, c.Remote.Pprof),
		func(endpoint string) bool { return strings.HasPrefix(endpoint, "https://") })
}
