package runner

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// The defaults of a run. They apply if neither the specification nor the scenario sets a value.
const (
	DefaultScenario    = "put"
	DefaultClients     = 128
	DefaultConns       = 8 // rounded up to a multiple of the number of members
	DefaultDuration    = 30 * time.Second
	DefaultWarmup      = 5 * time.Second
	DefaultTimeout     = 10 * time.Second
	DefaultDrain       = 10 * time.Second
	DefaultSeed        = 1
	DefaultDialTimeout = 5 * time.Second
	// DefaultDiskProbe is the length of the disk measurement.
	DefaultDiskProbe = 2 * time.Second
)

// Resolved is a specification with its scenario and every default applied. It has passed all
// checks that need no cluster.
type Resolved struct {
	Spec Spec
	// ID names the run.
	ID       string
	Scenario *scenario.Scenario
	Plan     bench.Plan
	// Settings configures the cluster to start. Version is the version of etcd to build for it.
	Settings cluster.Settings
	Version  string

	// share is the part of the run that this process carries out as an agent, and assignment is
	// its assignment. Both are zero in other processes.
	share      bench.Share
	assignment *Assignment
}

// IncludeFile reads the file that Scenario names, if any, into Text, so that the specification
// can be carried out on a machine without the file.
func (s *Spec) IncludeFile() error {
	if s.Text != "" || !scenario.IsFile(s.scenarioName()) {
		return nil
	}
	text, err := scenario.Read(s.Scenario)
	s.Text = string(text)
	return fieldError("scenario", err)
}

func (s Spec) scenarioName() string { return cmp.Or(s.Scenario, DefaultScenario) }

// Resolve reads the scenario, applies the specification to it, and checks everything that can
// be checked without starting anything. id names the run; empty means a new name. Errors are
// [SpecError]s that name the flags of the command line.
func (s Spec) Resolve(id string) (*Resolved, error) {
	if s.Schema != "" && s.Schema != Schema {
		return nil, invalid("schema", "specification: schema %q is not known to this etcdbench, which reads %q", s.Schema, Schema)
	}
	if err := s.Load.check(); err != nil {
		return nil, err
	}
	r := &Resolved{Spec: s.Clone(), ID: cmp.Or(id, bench.NewID(time.Now()))}
	r.Spec.Prefix = cmp.Or(s.Prefix, "/etcdbench/"+r.ID+"/")
	if err := workloads.CheckPrefix(r.Spec.Prefix); err != nil {
		return nil, fieldError("prefix", err)
	}
	for _, step := range []func() error{
		r.readScenario, r.checkStorage, r.resolveCluster, r.makePlan, r.checkPlan, r.checkCluster, r.checkAgents,
	} {
		if err := step(); err != nil {
			return nil, asSpecError(err)
		}
	}
	return r, nil
}

// asSpecError returns err as a [SpecError]. It keeps an error that names its field already.
func asSpecError(err error) error {
	if _, ok := err.(*SpecError); ok {
		return err
	}
	return fieldError("", err)
}

// readScenario finds the scenario by its name and changes it as the specification says.
func (r *Resolved) readScenario() (err error) {
	s := &r.Spec
	if s.Text != "" {
		r.Scenario, err = scenario.Parse(s.Scenario, []byte(s.Text), s.Parameters)
	} else {
		r.Scenario, err = scenario.Find(s.scenarioName(), s.Parameters)
	}
	if err != nil {
		return fieldError("scenario", err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Workload)) {
		if r.Scenario.SetParam(name, s.Workload[name]) != nil {
			return fieldError("workload", unknownParam(name, r.Scenario.Name))
		}
	}
	for _, d := range s.Disturbances {
		if err := workloads.CheckDisturbance(d); err != nil {
			return invalid("disturbances", "--disturb: %w", err)
		}
		r.Scenario.AddDisturbance(d)
	}
	if len(s.Thresholds) > 0 {
		r.Scenario.ReplaceThresholds("--threshold", s.Thresholds)
	}
	return nil
}

// unknownParam returns an error that names the workload with that parameter, if there is one.
func unknownParam(name, of string) error {
	for _, e := range workloads.All() {
		if _, params, err := e.Configure(nil); err == nil && params.Lookup(name) != nil {
			return fmt.Errorf("--%s is a parameter of %s, not of %s", name, e.Name, of)
		}
	}
	return fmt.Errorf("no workload has a parameter %q", name)
}

// pick returns the first value that is set: the specification's, the scenario's, or the
// default.
func pick[T comparable](given *T, fromScenario, fallback T) T {
	var zero T
	switch {
	case given != nil:
		return *given
	case fromScenario != zero:
		return fromScenario
	}
	return fallback
}

// makePlan builds the plan from the scenario and the specification.
func (r *Resolved) makePlan() (err error) {
	s, l := r.Scenario, r.Spec.Load
	prefix := r.Spec.Prefix
	p := bench.Plan{
		Workload: s.Name, Seed: pick(l.Seed, s.Seed, DefaultSeed), Prefix: prefix,
		Clients: pick(l.Clients, s.Clients, DefaultClients), Conns: r.conns(), Transport: l.transport(),
		Timeout: pick(l.Timeout, time.Duration(s.Timeout), DefaultTimeout), Drain: pick(l.Drain, time.Duration(s.Drain), DefaultDrain),
		QueueLimit: pick(l.Queue, s.Queue, 0), Target: pick(l.Target, s.Target, results.DefaultTarget),
		Agents: r.Spec.Agents.Count, Parameters: s.Given, Thresholds: s.Thresholds, Verify: pick(r.Spec.Verify, false, !r.Spec.Cluster.Running()),
	}
	if r.onStorage() {
		p.Clients, p.Conns, p.Transport = pick(l.Clients, s.Clients, 1), 1, results.TransportDirect
		p.Target, p.Verify = 0, false
	}
	entries, err := s.PlanEntries(prefix)
	if err != nil {
		return fieldError("workload", err)
	}
	if p.Population, err = s.PlanPopulation(prefix); err != nil {
		return fieldError("scenario", err)
	}
	if len(entries) == 1 {
		p.Params = entries[0].Params
	}
	if len(entries) > 1 || entries[0].Workload != s.Name {
		p.Scenario, p.Mix = s.Name, entries
	}
	if p.Phases, err = r.makePhases(); err != nil {
		return err
	}
	r.Plan = p
	return nil
}

// conns returns the number of connections. Unless the specification sets it, it is a multiple
// of the number of members, so that each agent has the same number of connections to every
// member.
func (r *Resolved) conns() int {
	if given := r.Spec.Load.Conns; given != nil {
		return *given
	}
	even := r.endpoints() * max(1, r.Spec.Agents.Count)
	return (pick(nil, r.Scenario.Conns, DefaultConns) + even - 1) / even * even
}

// endpoints returns the number of endpoints over which the load's connections are spread.
func (r *Resolved) endpoints() int {
	switch c := r.Spec.Cluster; {
	case c.TargetLeader:
		return 1
	case c.Running():
		return len(c.Endpoints)
	}
	return max(1, r.Settings.Members)
}

// load returns the load of phases that the scenario does not describe.
func (r *Resolved) load() bench.Load {
	l := bench.Load{Rate: pick(r.Spec.Load.Rate, r.Scenario.MixRate(), 0)}
	if l.Rate != 0 {
		l.Arrival = pick(r.Spec.Load.Arrival, "", bench.ArrivalConstant)
	}
	return l
}

// makePhases returns the phases of the specification, or those of the scenario with the
// specification applied, or a warm-up and a measured phase.
func (r *Resolved) makePhases() ([]bench.PlanPhase, error) {
	l := r.Spec.Load
	if len(l.Phases) > 0 {
		return slices.Clone(l.Phases), nil
	}
	phases := r.Scenario.PlanPhases()
	if len(phases) == 0 {
		return r.defaultPhases(), nil
	}
	if l.Warmup != nil {
		phases = withWarmup(phases, *l.Warmup)
	}
	for i := range phases {
		switch ph := &phases[i]; {
		case l.Rate != nil:
			ph.Load = r.load()
		case l.Arrival != nil && ph.Load.Open():
			ph.Load.Arrival = *l.Arrival
		}
	}
	return phases, r.limit(phases)
}

// limit sets the total length of the measured phases to the requested one.
func (r *Resolved) limit(phases []bench.PlanPhase) error {
	measured, length := 0, time.Duration(0)
	for _, ph := range phases {
		if !ph.Warmup {
			measured++
			length += ph.Duration
		}
	}
	l := r.Spec.Load
	for i := range phases {
		ph := &phases[i]
		switch {
		case ph.Warmup:
		case l.Total != nil && measured > 1:
			return invalid("load.total", "--total is for one measured phase: %s has %d", r.Scenario.Name, measured)
		case l.Total != nil:
			ph.Duration, ph.Total = 0, *l.Total
		case l.Duration != nil && length == 0:
			ph.Duration, ph.Total = *l.Duration/time.Duration(measured), 0
		case l.Duration != nil:
			ph.Duration = time.Duration(float64(ph.Duration) / float64(length) * float64(*l.Duration))
		}
	}
	return nil
}

// withWarmup returns the phases with one warm-up of that length, or none if it is 0.
func withWarmup(phases []bench.PlanPhase, length time.Duration) []bench.PlanPhase {
	var kept []bench.PlanPhase
	load := bench.Load{}
	for _, ph := range phases {
		if !ph.Warmup {
			if len(kept) == 0 {
				load = bench.Load{Rate: ph.Load.Rate, Arrival: ph.Load.Arrival}
			}
			kept = append(kept, ph)
		}
	}
	if length > 0 {
		kept = append([]bench.PlanPhase{{Name: "warmup", Duration: length, Load: load, Warmup: true}}, kept...)
	}
	return kept
}

func (r *Resolved) defaultPhases() []bench.PlanPhase {
	l := r.Spec.Load
	var phases []bench.PlanPhase
	if warmup := pick(l.Warmup, 0, DefaultWarmup); warmup > 0 {
		phases = append(phases, bench.PlanPhase{Name: "warmup", Duration: warmup, Load: r.load(), Warmup: true})
	}
	measure := bench.PlanPhase{Name: "measure", Duration: pick(l.Duration, 0, DefaultDuration), Load: r.load()}
	if l.Total != nil {
		measure.Duration, measure.Total = 0, *l.Total
	}
	return append(phases, measure)
}

// resolveCluster applies the specification to the scenario's settings or to etcd's defaults.
func (r *Resolved) resolveCluster() error {
	if r.Spec.Cluster.Running() {
		return nil
	}
	s, c, d := r.Spec.Cluster.Start, r.Scenario.Cluster, cluster.DefaultSettings()
	var quota int64
	if c.Quota != "" {
		n, err := humanize.ParseBytes(c.Quota)
		if err != nil || n > math.MaxInt64 {
			return invalid("scenario", "scenario %s: quota: %q is not a size such as 8GiB", r.Scenario.Name, c.Quota)
		}
		quota = int64(n)
	}
	r.Settings = cluster.Settings{
		Members:              pick(s.Members, c.Members, d.Members),
		HeartbeatInterval:    pick(s.HeartbeatInterval, time.Duration(c.HeartbeatInterval), 0),
		ElectionTimeout:      pick(s.ElectionTimeout, time.Duration(c.ElectionTimeout), 0),
		SnapshotCount:        pick(s.SnapshotCount, c.SnapshotCount, 0),
		Quota:                pick(s.Quota, quota, d.Quota),
		BackendBatchInterval: pick(s.BackendBatchInterval, time.Duration(c.BackendBatchInterval), 0),
		BackendBatchLimit:    pick(s.BackendBatchLimit, c.BackendBatchLimit, 0),
		AutoCompaction:       pick(s.AutoCompaction, c.AutoCompaction, ""),
		UnsafeNoFsync:        pick(s.UnsafeNoFsync, c.UnsafeNoFsync, false),
		TLS:                  pick(s.TLS, "", TLSOff) == TLSAuto,
		// The last of two flags with the same name takes effect.
		EtcdFlags: slices.Concat(c.EtcdFlag, s.EtcdFlags),
		BasePort:  s.BasePort, StartTimeout: pick(s.StartTimeout, 0, d.StartTimeout),
	}
	if r.onStorage() {
		r.Settings.Members = 1
	}
	for _, v := range s.Env {
		r.Settings.Env = append(r.Settings.Env, v.Name+"="+v.Value)
	}
	needs, _, err := workloads.DisturbanceNeeds(r.Scenario.PlanDisturbances())
	if err != nil {
		return fieldError("disturbances", err)
	}
	if n := s.Network; !n.IsZero() || needs.Links || r.Spec.Experiment.Faults != nil {
		r.Settings.Network = &n
	}
	r.Settings.Disk = needs.Disk
	if s.Binary == "" {
		r.Version = pick(s.Version, c.EtcdVersion, "")
	}
	return nil
}

// The values of [Start].TLS.
const (
	TLSOff  = "off"
	TLSAuto = "auto"
)

// Length returns the minimum length of the run according to its plan, without start, population
// and proof. A phase with a Total counts as 0.
func (r *Resolved) Length() (sum time.Duration) {
	for _, ph := range r.Plan.Phases {
		sum += ph.Duration
	}
	return sum
}

// String describes the cluster that gets the load.
func (c Cluster) String() string {
	if c.Running() {
		return "endpoints " + strings.Join(c.Endpoints, ",")
	}
	return "a cluster to start"
}
