package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/workloads"
)

// loadScenario finds what a name stands for, and lets the flags override it.
func (o *runOptions) loadScenario(fs *pflag.FlagSet, name string) error {
	params, err := parseParams(o.params)
	if err != nil {
		return err
	}
	if o.scenario, err = workloads.FindScenario(name, params); err != nil {
		return err
	}
	if err := o.overrideParams(fs); err != nil {
		return err
	}
	for _, text := range o.disturb {
		d, err := workloads.ParseDisturbance(text)
		if err != nil {
			return fmt.Errorf("--disturb: %w", err)
		}
		o.scenario.Disturbances = append(o.scenario.Disturbances, d)
	}
	return o.applySettings(fs)
}

func parseParams(list []string) (map[string]float64, error) {
	params := map[string]float64{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("--param %q is not name=number", text)
		}
		params[name] = v
	}
	return params, nil
}

// overrideParams gives the workloads' flags to every workload of the scenario
// that knows them. The command has the flags of all workloads; one that none of
// these knows is a mistake.
func (o *runOptions) overrideParams(fs *pflag.FlagSet) error {
	done := map[string]bool{}
	for _, e := range workloads.All() {
		own := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		e.Define().AddFlags(own)
		var err error
		own.VisitAll(func(f *pflag.Flag) {
			if err != nil || !o.given[f.Name] || done[f.Name] {
				return
			}
			done[f.Name] = true
			value := strings.Trim(fs.Lookup(f.Name).Value.String(), "[]")
			if o.scenario.SetParam(f.Name, value) != nil {
				err = fmt.Errorf("--%s is a parameter of %s, not of %s", f.Name, e.Name, o.scenario.Name)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// applySettings puts the scenario's settings into the flags that were not given.
func (o *runOptions) applySettings(fs *pflag.FlagSet) error {
	s := o.scenario
	settings := map[string]string{}
	set := func(name string, value any, isSet bool) {
		if isSet && !o.given[name] {
			settings[name] = fmt.Sprint(value)
		}
	}
	set("clients", s.Clients, s.Clients > 0)
	set("conns", s.Conns, s.Conns > 0)
	set("timeout", time.Duration(s.Timeout), s.Timeout > 0)
	set("drain", time.Duration(s.Drain), s.Drain > 0)
	set("queue", s.Queue, s.Queue > 0)
	set("seed", s.Seed, s.Seed > 0)
	set("target", s.Target, s.Target > 0)
	set("rate", s.MixRate(), s.MixRate() > 0 && len(s.Phases) == 0)
	if len(o.cluster.endpoints) == 0 {
		c := s.Cluster
		set("members", c.Members, c.Members > 0)
		set("heartbeat-interval", time.Duration(c.HeartbeatInterval), c.HeartbeatInterval > 0)
		set("election-timeout", time.Duration(c.ElectionTimeout), c.ElectionTimeout > 0)
		set("snapshot-count", c.SnapshotCount, c.SnapshotCount > 0)
		set("quota", c.Quota, c.Quota != "")
		set("backend-batch-interval", time.Duration(c.BackendBatchInterval), c.BackendBatchInterval > 0)
		set("backend-batch-limit", c.BackendBatchLimit, c.BackendBatchLimit > 0)
		set("auto-compaction", c.AutoCompaction, c.AutoCompaction != "")
		set("unsafe-no-fsync", c.UnsafeNoFsync, c.UnsafeNoFsync)
		set("etcd-version", c.EtcdVersion, c.EtcdVersion != "" && !o.given["etcd-binary"])
		// The last of two wins.
		o.cluster.settings.EtcdFlags = append(slices.Clone(c.EtcdFlag), o.cluster.settings.EtcdFlags...)
	}
	for name, value := range settings {
		if err := fs.Set(name, value); err != nil {
			return fmt.Errorf("scenario %s: %s: %w", s.Name, name, err)
		}
	}
	return nil
}

// makePlan is the scenario with the flags applied.
func (o *runOptions) makePlan() (bench.Plan, error) {
	s := o.scenario
	p := bench.Plan{
		Workload: s.Name, Seed: o.seed, Prefix: o.prefix,
		Clients: o.clients, Conns: o.conns, Timeout: o.timeout, Drain: o.drain, QueueLimit: o.queue, Target: o.target,
		Parameters: s.Given, Thresholds: s.Thresholds, Verify: o.verify,
	}
	if len(o.cluster.endpoints) > 0 && !o.given["verify"] {
		p.Verify = false
	}
	entries, err := s.Entries(o.prefix)
	if err != nil {
		return p, err
	}
	if p.Population, err = s.Populate(o.prefix); err != nil {
		return p, err
	}
	if len(entries) == 1 {
		p.Params = entries[0].Params
	}
	if len(entries) > 1 || entries[0].Workload != s.Name {
		p.Scenario, p.Mix = s.Name, entries
	}
	if err := o.checkDisturbances(); err != nil {
		return p, err
	}
	if p.Phases, err = o.makePhases(); err != nil {
		return p, err
	}
	return p, s.CheckThresholds()
}

// checkDisturbances keeps what reaches beyond our own keys off remote clusters.
func (o *runOptions) checkDisturbances() error {
	if len(o.cluster.endpoints) == 0 || o.allowDisturbances {
		return nil
	}
	for _, d := range o.scenario.Disturbances {
		if e, err := workloads.FindDisturbance(d.Kind); err == nil && e.Wide {
			return fmt.Errorf("%s would touch more of that cluster than the run's own keys: allow it with --allow-disturbances", d.Kind)
		}
	}
	return nil
}

// makePhases are the scenario's phases, or a warm-up and a measured one, with
// the flags applied.
func (o *runOptions) makePhases() ([]bench.PlanPhase, error) {
	phases := o.scenario.PlanPhases()
	if len(phases) == 0 {
		return o.defaultPhases(), nil
	}
	if o.given["warmup"] {
		phases = withWarmup(phases, o.warmup)
	}
	measured := 0
	var length time.Duration
	for _, ph := range phases {
		if !ph.Warmup {
			measured++
			length += ph.Duration
		}
	}
	for i := range phases {
		ph := &phases[i]
		if o.given["rate"] {
			ph.Load = o.load()
		} else if o.given["arrival"] && ph.Load.Open() {
			ph.Load.Arrival = o.arrival
		}
		switch {
		case ph.Warmup:
		case o.given["total"] && measured > 1:
			return nil, fmt.Errorf("--total is for one measured phase: %s has %d", o.scenario.Name, measured)
		case o.given["total"]:
			ph.Duration, ph.Total = 0, o.total
		case o.given["duration"] && length == 0:
			ph.Duration, ph.Total = o.duration/time.Duration(measured), 0
		case o.given["duration"]:
			ph.Duration = time.Duration(float64(ph.Duration) / float64(length) * float64(o.duration))
		}
	}
	return phases, nil
}

// withWarmup gives the phases one warm-up of that length, or none.
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

func (o *runOptions) load() bench.Load {
	load := bench.Load{Rate: o.rate}
	if o.rate > 0 {
		load.Arrival = o.arrival
	}
	return load
}

func (o *runOptions) defaultPhases() []bench.PlanPhase {
	var phases []bench.PlanPhase
	if o.warmup > 0 {
		phases = append(phases, bench.PlanPhase{Name: "warmup", Duration: o.warmup, Load: o.load(), Warmup: true})
	}
	measure := bench.PlanPhase{Name: "measure", Duration: o.duration, Load: o.load()}
	if o.total > 0 {
		measure.Duration, measure.Total = 0, o.total
	}
	return append(phases, measure)
}

// bind makes the plan's workload and disturbances for a cluster.
func (o *runOptions) bind(s *session) (bench.Workload, []bench.Disturbance, error) {
	parts, err := workloads.Parts(o.plan.Entries())
	if err != nil {
		return nil, nil, err
	}
	target := workloads.Target{
		Conns: o.loadConns(s), Members: s.admin.Conns(), Prefix: o.prefix, Seed: o.seed,
		Verify: o.plan.Verify, Disposable: len(o.cluster.endpoints) == 0,
	}
	w, err := workloads.Compose(workloads.Composition{Name: o.plan.Workload, Population: o.plan.Population, Parts: parts}, target)
	if err != nil {
		return nil, nil, err
	}
	disturbances, err := workloads.Bind(o.scenario.Disturbances, target)
	return w, disturbances, err
}

// loadConns are the connections that the load uses.
func (o *runOptions) loadConns(s *session) []grpc.ClientConnInterface {
	if o.steer != nil {
		return s.load.Steered(o.steer)
	}
	return s.load.Conns()
}

// printPlan prints the resolved plan in the form of a scenario, which does the
// same when it is run.
func (o *runOptions) printPlan(w io.Writer) error {
	s := *o.scenario
	s.Clients, s.Conns, s.Queue, s.Seed, s.Target = o.clients, o.conns, o.queue, o.seed, o.target
	s.Timeout, s.Drain = workloads.Duration(o.timeout), workloads.Duration(o.drain)
	s.SetPhases(o.plan.Phases)
	s.SetEntries(o.plan.Entries(), o.prefix)
	target := "# endpoints: " + strings.Join(o.cluster.endpoints, ",")
	if len(o.cluster.endpoints) == 0 {
		s.Cluster = wish(&o.cluster)
		target = fmt.Sprintf("# starts a cluster of %d", s.Cluster.Members)
	} else {
		s.Cluster = workloads.ClusterWish{}
	}
	text, err := s.Text()
	if err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n# prefix: %s\n# verify: %v\n%s", target, o.prefix, o.plan.Verify, text)
	return err
}

// wish is the inverse of applySettings for a cluster to start.
func wish(o *clusterOptions) workloads.ClusterWish {
	c := o.settings
	w := workloads.ClusterWish{
		Members: c.Members, SnapshotCount: c.SnapshotCount, BackendBatchLimit: c.BackendBatchLimit, AutoCompaction: c.AutoCompaction,
		HeartbeatInterval: workloads.Duration(c.HeartbeatInterval), ElectionTimeout: workloads.Duration(c.ElectionTimeout),
		BackendBatchInterval: workloads.Duration(c.BackendBatchInterval),
		UnsafeNoFsync:        c.UnsafeNoFsync, EtcdVersion: o.version, EtcdFlag: c.EtcdFlags,
	}
	if c.Quota != cluster.DefaultSettings().Quota {
		w.Quota = strconv.FormatInt(c.Quota, 10)
	}
	return w
}
