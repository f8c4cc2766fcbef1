package capacity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Kind is the kind of experiment that a search is.
const Kind = "capacity"

// Config is the configuration of a search, in addition to its base specification. Effort
// decides fields that are nil.
type Config struct {
	// SLO are the bounds that the load must meet. The default is the scenario's thresholds, or a
	// p99 of 50 ms for puts.
	SLO    []string          `json:"slo,omitempty"`
	Effort experiment.Effort `json:"effort,omitempty"`
	// Start is the first rate, or the parameter's first value.
	Start *float64 `json:"start,omitempty"`
	// Over is the parameter that is searched over, in place of the rate.
	Over string `json:"over,omitempty"`
	// Precision is the relative width at which the bisection ends.
	Precision *float64 `json:"precision,omitempty"`
	// Probe is the measured length of a probe, Soak that of the confirmation.
	Probe *time.Duration `json:"probe_ns,omitempty"`
	Soak  *time.Duration `json:"soak_ns,omitempty"`
	// Sweep measures the curve of latency against load.
	Sweep *bool `json:"sweep,omitempty"`
	// Repeat is the number of searches.
	Repeat *int `json:"repeat,omitempty"`
	// Demand is the rate, or the value of the parameter, that a plan is made for.
	Demand *float64 `json:"demand,omitempty"`
	// Safe is the share of the maximum that is safe to plan with. Growth is the growth of the
	// demand each month, as a share.
	Safe   *float64 `json:"safe_share,omitempty"`
	Growth *float64 `json:"growth,omitempty"`
}

// DefaultSafe is the share of the maximum that is safe to plan with, unless another is
// given.
const DefaultSafe = 0.7

// effort is the time that each part of a search takes.
type effort struct {
	probe, soak  time.Duration
	precision    float64
	factor, step float64
	extensions   int
	warmup       time.Duration
	repeat       int
	compactions  int // during a soak
	alpha        float64
	sweep        bool
	probes       int // the usual number of probes, with repetitions
}

// valueOr returns *given, or otherwise if given is nil.
func valueOr[T any](given *T, otherwise T) T {
	if given != nil {
		return *given
	}
	return otherwise
}

func (c Config) effort() effort {
	e := effort{
		probe: 30 * time.Second, soak: 2 * time.Minute, precision: 0.05, factor: 2, step: 0.03, extensions: 3, warmup: 3 * time.Second,
		repeat: 1, compactions: 2, sweep: true, probes: 18,
	}
	switch c.Effort {
	case experiment.Quick:
		e.probe, e.soak, e.precision, e.factor, e.step = 5*time.Second, 10*time.Second, 0.1, 4, 0.1
		e.extensions, e.warmup, e.compactions, e.alpha, e.sweep, e.probes = 1, 2*time.Second, 0, 0.1, false, 15
	case experiment.Thorough:
		e.probe, e.soak, e.precision, e.repeat = time.Minute, 10*time.Minute, 0.03, 3
	}
	e.probe, e.soak, e.precision = valueOr(c.Probe, e.probe), valueOr(c.Soak, e.soak), valueOr(c.Precision, e.precision)
	e.sweep, e.repeat = valueOr(c.Sweep, e.sweep), valueOr(c.Repeat, e.repeat)
	return e
}

// check returns an error that names the flag if the configuration is invalid.
func (c Config) check() error {
	switch {
	case c.Start != nil && !(*c.Start > 0):
		return fmt.Errorf("--start must be positive, not %v", *c.Start)
	case c.Precision != nil && !(*c.Precision >= 0.005 && *c.Precision <= 0.5):
		return fmt.Errorf("--precision must be between 0.005 and 0.5, not %v", *c.Precision)
	case c.Repeat != nil && (*c.Repeat < 1 || *c.Repeat > 100):
		return fmt.Errorf("--repeat must be between 1 and 100, not %d", *c.Repeat)
	case c.Demand != nil && !(*c.Demand > 0):
		return fmt.Errorf("--demand must be positive, not %v", *c.Demand)
	case c.Safe != nil && !(*c.Safe > 0 && *c.Safe <= 1):
		return fmt.Errorf("--safe must be a share above 0 and up to 1, not %v", *c.Safe)
	case c.Growth != nil && !(*c.Growth >= 0 && *c.Growth < 10):
		return fmt.Errorf("--growth must be a share of 0 or more, such as 5%%, not %v", *c.Growth)
	case c.Demand == nil && c.Over == "" && (c.Safe != nil || c.Growth != nil):
		return errors.New("--safe and --growth are for a plan: give a --demand")
	case c.Probe != nil && *c.Probe < time.Second:
		return fmt.Errorf("--probe-duration must be a second or more, not %v", *c.Probe)
	case c.Soak != nil && *c.Soak < 0:
		return fmt.Errorf("--soak must not be negative, but is %v", *c.Soak)
	}
	return nil
}

const (
	prefix = "/etcdbench/capacity/"
	// defaultStart is the first rate. Any cluster should sustain it.
	defaultStart = 200
	// defaultSLO is the SLO of puts.
	defaultSLO = "put.response_time.p99 < 50ms"
)

// Experiment is a configured search.
type Experiment struct {
	Config
	effort
	base       runner.Spec
	first      *runner.Resolved
	thresholds []judge.Threshold
	start      float64
	// most is the largest value of the parameter that is searched over, or 0 if there is none.
	most float64
	// undisturbed means that the specification has no disturbances.
	undisturbed bool
}

// New checks a search and sets the defaults of its configuration. It starts nothing.
func New(base runner.Spec, c Config) (*Experiment, error) {
	if base.Load.Rate != nil || base.Load.Duration != nil || base.Load.Total != nil {
		return nil, errors.New("a search chooses the rates: remove --rate, --duration and --total")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	e := &Experiment{Config: c, effort: c.effort(), base: base.Clone(), start: valueOr(c.Start, defaultStart)}
	known := e.base
	if c.Over == "" {
		known.Load.Rate = &e.start // an open loop, to which all options of a load apply
	}
	r, err := known.Resolve("")
	if err != nil {
		return nil, err
	}
	e.undisturbed = len(r.Scenario.Disturbances) == 0
	if err := e.chooseSLO(r); err != nil {
		return nil, err
	}
	if err := e.chooseStart(r); err != nil {
		return nil, err
	}
	e.first, err = e.spec(Probe{Rate: e.start, Length: e.probe}).Resolve("")
	return e, err
}

// chooseSLO sets the given bounds, or those of the scenario.
func (e *Experiment) chooseSLO(r *runner.Resolved) error {
	switch {
	case len(e.SLO) > 0:
	case len(r.Scenario.Thresholds) > 0:
		e.SLO = r.Scenario.Thresholds
	case r.Scenario.Name == "put":
		e.SLO = []string{defaultSLO}
	default:
		return fmt.Errorf("%s needs an --slo, such as '%s.response_time.p99 < 50ms'", r.Scenario.Name, exampleOperation(r))
	}
	for _, text := range e.SLO {
		t, err := judge.ParseThreshold(text)
		if err != nil {
			return fmt.Errorf("--slo: %w", err)
		}
		if err := t.CheckPhase(&r.Plan); err != nil {
			return fmt.Errorf("--slo: %w", err)
		}
		e.thresholds = append(e.thresholds, t)
	}
	r.Scenario.ReplaceThresholds("--slo", e.SLO)
	if err := r.Scenario.CheckThresholds(); err != nil {
		return err
	}
	// Every probe has the SLO as its thresholds.
	e.base.Thresholds = e.SLO
	return nil
}

// exampleOperation is the name of an operation of the load, for an example of an SLO.
func exampleOperation(r *runner.Resolved) string {
	if names, err := r.Scenario.Operations(); err == nil && len(names) > 0 {
		return names[0]
	}
	return "OPERATION"
}

// chooseStart sets the first rate and the largest rate.
func (e *Experiment) chooseStart(r *runner.Resolved) error {
	if e.Over == "" {
		return nil
	}
	sc := r.Scenario
	p, ok := sc.Parameters[e.Over]
	switch {
	case !ok && len(sc.Parameters) == 0:
		return fmt.Errorf("--over %s: %s has no parameters: search over the rate, or use a scenario with parameters", e.Over, sc.Name)
	case !ok:
		names := slices.Sorted(maps.Keys(sc.Parameters))
		return fmt.Errorf("--over %s: %s has no such parameter%s: use one of %s",
			e.Over, sc.Name, results.Nearest(e.Over, names), strings.Join(names, ", "))
	}
	if v, given := e.base.Parameters[e.Over]; given && e.Demand == nil {
		e.Demand = &v
	}
	e.start = valueOr(e.Start, math.Max(1, math.Round(sc.Given[e.Over]/10)))
	if p.Min != nil {
		e.start = math.Max(e.start, *p.Min)
	}
	e.most = valueOr(p.Max, 0)
	return nil
}

// spec derives the specification of a probe.
func (e *Experiment) spec(p Probe) runner.Spec {
	s := experiment.Derive(e.base, prefix)
	s.Load.Duration = &p.Length
	experiment.SetDefault(&s.Load.Warmup, e.warmup)
	if e.Over != "" {
		s.SetParameter(e.Over, p.Rate)
	} else {
		s.Load.Rate = &p.Rate
	}
	s.Experiment.MemberDown = p.MemberDown
	if s.Cluster.Running() {
		s.Experiment.CheckOtherClients = true
		return s
	}
	if p.Stage == results.StageSoak && e.undisturbed && e.compactions > 0 {
		// A long run includes etcd's background work.
		every := p.Length / time.Duration(e.compactions+1)
		s.Disturbances = append(s.Disturbances, results.PlanDisturbance{Kind: "compaction", At: every, Every: every})
	}
	return s
}

// made reports whether a run has the load of a probe: the same phases with the same rates and
// lengths, and the same parameters.
func (e *Experiment) made(p Probe, run *results.Run) bool {
	r, err := e.spec(p).Resolve("")
	if err != nil {
		return false
	}
	return slices.Equal(r.Plan.Phases, run.Plan.Phases) && maps.Equal(r.Plan.Parameters, run.Plan.Parameters)
}

// sweepShares are the shares of the maximum at which the curve is measured.
var sweepShares = [...]float64{0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.1}

// memberDown reports whether the experiment also searches with a member down.
func (e *Experiment) memberDown() bool {
	c := e.base.Cluster
	return e.Demand != nil && !c.Running() && e.first.Settings.Members > 1 && !c.Start.InProcess
}

// Plan returns what the search is expected to do. Its rates are known only during the search:
// each kind of probe is listed with the first rate.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	add := func(name string, count int, probe Probe) {
		probe.Rate = e.start
		spec := e.spec(probe)
		length := e.first.Estimate() - e.probe + probe.Length
		p.Runs = append(p.Runs, experiment.Planned{Name: name, Count: count * e.repeat, Spec: spec, Length: length})
	}
	add("probes at rates that the search chooses", e.probes, Probe{Stage: results.StageBracket, Length: e.probe})
	if e.soak > 0 {
		add("soak at the maximum", 1, Probe{Stage: results.StageSoak, Length: e.soak})
	}
	if e.sweep {
		add("curve from 10 to 110 % of the maximum", len(sweepShares), Probe{Stage: results.StageSweep, Length: e.probe})
	}
	if e.memberDown() {
		add("probes with a member down", 2, Probe{Stage: results.StageDown, Length: e.probe, MemberDown: true})
	}
	return p
}

// First returns the resolved specification of the first probe.
func (e *Experiment) First() *runner.Resolved { return e.first }

// Length returns the measured length of a probe.
func (e *Experiment) Length() time.Duration { return e.probe }

// Unit returns the text after a rate or a parameter's value.
func (e *Experiment) Unit() string {
	if e.Over != "" {
		return " " + e.Over
	}
	return "/s"
}

// Run searches, as often as configured. With an error, the document holds what was found until
// then. [ErrNothingSustained] and [ErrUnclear] are results; with other errors, the search is not
// finished.
func (e *Experiment) Run(ctx context.Context, o experiment.Options, progress func(Progress)) (*results.Capacity, error) {
	started := time.Now().Round(0)
	err := experiment.Prepare(ctx, o.Dir, e.first)
	list := []*results.Capacity{{Schema: results.CapacitySchema, SLO: e.SLO, Workload: e.first.Scenario.Name}}
	for repeat := 0; repeat < e.repeat && err == nil; repeat++ {
		var c *results.Capacity
		c, err = e.search(ctx, o, repeat, progress)
		list = append(list[:repeat], c)
	}
	c := list[len(list)-1]
	if err == nil && len(list) > 1 {
		c = judge.JoinCapacities(list)
	}
	c.ID, c.Started, c.Ended, c.Over = filepath.Base(o.Dir), started, time.Now().Round(0), e.Over
	if e.Demand != nil && c.Low > 0 {
		c.Plan = judge.NewPlan(c, *e.Demand, valueOr(e.Safe, DefaultSafe), valueOr(e.Growth, 0))
	}
	answered := err == nil || errors.Is(err, ErrNothingSustained) || errors.Is(err, ErrUnclear)
	if !answered && c.High == 0 {
		c.Stopped = experiment.NotFinished(err)
	}
	writes := 0.0 // of one operation
	if e.first.Scenario.Name == "put" {
		writes = 1
	}
	c.Target = judge.CapacityTarget(c, e.first.Plan.Target, writes)
	if !answered {
		err = experiment.Unfinished(err, english.Plural(len(c.Probes), "probe", ""), o.Dir)
	}
	return c, err
}

// search makes one of several searches.
func (e *Experiment) search(ctx context.Context, o experiment.Options, repeat int, progress func(Progress)) (*results.Capacity, error) {
	dir := o.Dir
	if e.repeat > 1 {
		dir = filepath.Join(o.Dir, fmt.Sprintf("search-%02d", repeat+1))
	}
	s := Options{
		Dir: dir, SLO: e.thresholds, Start: e.start, Precision: e.precision, Length: e.probe, Soak: e.soak, Extensions: e.extensions,
		Seed: e.first.Plan.Seed + uint64(repeat), Alpha: e.alpha, Factor: e.factor, Step: e.step,
		Whole: e.Over != "", Most: e.most, Unit: e.Unit(),
		MemberDown: repeat == 0 && e.memberDown(),
		Run: func(ctx context.Context, p Probe) (judge.Run, error) {
			run, err := o.Measure(ctx, e.spec(p), p.Dir)
			if err != nil {
				return judge.Run{}, err
			}
			return judge.Run{Run: run, Intervals: func(each func(*results.Interval) error) error { return results.EachInterval(p.Dir, each) }}, nil
		},
		Made: e.made,
		Progress: func(p Progress) {
			if p.Search, p.Searches = repeat+1, e.repeat; progress != nil {
				progress(p)
			}
		},
	}
	if e.sweep && repeat == 0 {
		s.Sweep = sweepShares[:]
	}
	c, err := Run(ctx, s)
	for i := range c.Probes {
		if short, relErr := filepath.Rel(o.Dir, filepath.Join(dir, c.Probes[i].Dir)); relErr == nil {
			c.Probes[i].Dir = short
		}
	}
	return c, err
}
