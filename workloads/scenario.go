package workloads

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// Scenario is a load with a name: the cluster it wants, what is there before,
// phases, a mix of workloads, disturbances and thresholds. docs/scenarios.md
// teaches its YAML form. Zero values leave the command line's defaults.
type Scenario struct {
	Name    string `yaml:"name,omitempty" jsonschema:"description=Name of the scenario; by default that of its file."`
	Summary string `yaml:"summary,omitempty" jsonschema:"description=What it stands for, in one line."`
	// Parameters can be set with --param and used in any value as ${expression}.
	Parameters map[string]Parameter `yaml:"parameters,omitempty" jsonschema:"description=Numbers that can be given with --param and used in values as ${expression}."`

	Cluster ClusterWish `yaml:"cluster,omitempty" jsonschema:"description=The cluster to start where none is given."`

	Clients int      `yaml:"clients,omitempty" jsonschema:"description=Virtual clients."`
	Conns   int      `yaml:"conns,omitempty" jsonschema:"description=Connections that the clients share."`
	Timeout Duration `yaml:"timeout,omitempty" jsonschema:"description=Longest time that a request may take."`
	Drain   Duration `yaml:"drain,omitempty" jsonschema:"description=Longest wait for requests in flight at the end."`
	Queue   int      `yaml:"queue,omitempty" jsonschema:"description=Arrivals that may wait for a free client."`
	Seed    uint64   `yaml:"seed,omitempty" jsonschema:"description=Fixes keys\\, values\\, mix and arrivals."`
	Target  float64  `yaml:"target,omitempty" jsonschema:"description=Writes per second to measure against."`

	Population   []Population  `yaml:"population,omitempty" jsonschema:"description=Keys that are there before\\, besides those of the workloads."`
	Phases       []Phase       `yaml:"phases,omitempty" jsonschema:"description=Stretches of the run\\, one after the other."`
	Mix          []MixEntry    `yaml:"mix" jsonschema:"description=The workloads."`
	Disturbances []Disturbance `yaml:"disturbances,omitempty" jsonschema:"description=What is done to the cluster beside the load."`
	Thresholds   []string      `yaml:"thresholds,omitempty" jsonschema:"description=For a gate: such as put.response_time.p99 < 20ms."`

	// Given are the values of the parameters, after reading.
	Given map[string]float64 `yaml:"-" json:"-"`
	file  string
}

// Parameter is a number that a scenario can be given.
type Parameter struct {
	Default *float64 `yaml:"default,omitempty" jsonschema:"description=Its value when none is given; without\\, one must be."`
	Min     *float64 `yaml:"min,omitempty" jsonschema:"description=Least value."`
	Max     *float64 `yaml:"max,omitempty" jsonschema:"description=Greatest value."`
	Help    string   `yaml:"help,omitempty" jsonschema:"description=What it is."`
}

// ClusterWish has the names and meanings of the flags for a cluster to start.
type ClusterWish struct {
	Members              int      `yaml:"members,omitempty" jsonschema:"enum=1,enum=3,enum=5"`
	HeartbeatInterval    Duration `yaml:"heartbeat-interval,omitempty"`
	ElectionTimeout      Duration `yaml:"election-timeout,omitempty"`
	SnapshotCount        uint64   `yaml:"snapshot-count,omitempty"`
	Quota                string   `yaml:"quota,omitempty"`
	BackendBatchInterval Duration `yaml:"backend-batch-interval,omitempty"`
	BackendBatchLimit    int      `yaml:"backend-batch-limit,omitempty"`
	AutoCompaction       string   `yaml:"auto-compaction,omitempty"`
	UnsafeNoFsync        bool     `yaml:"unsafe-no-fsync,omitempty"`
	EtcdVersion          string   `yaml:"etcd-version,omitempty"`
	EtcdFlag             []string `yaml:"etcd-flag,omitempty"`
}

// Population is keys that are written before the workloads set up.
type Population struct {
	Prefix  string `yaml:"prefix" jsonschema:"description=Under the run's own prefix."`
	Keys    int64  `yaml:"keys"`
	KeySize int    `yaml:"key-size,omitempty"`
	ValSize string `yaml:"val-size,omitempty"`
	line    int
}

// Phase is a stretch of the run with one load: an open loop with a rate, or a
// closed loop without. Where the entries of the mix have rates, their sum is the
// phases' rate unless they say otherwise.
type Phase struct {
	Name     string   `yaml:"name"`
	Duration Duration `yaml:"duration,omitempty"`
	Total    uint64   `yaml:"total,omitempty" jsonschema:"description=Operations\\, instead of a duration."`
	Rate     float64  `yaml:"rate,omitempty" jsonschema:"description=Arrivals per second: an open loop."`
	RateEnd  float64  `yaml:"rate-end,omitempty" jsonschema:"description=Makes a ramp from rate to this."`
	Arrival  string   `yaml:"arrival,omitempty" jsonschema:"enum=constant,enum=poisson"`
	Closed   bool     `yaml:"closed,omitempty" jsonschema:"description=A closed loop although the mix has rates."`
	Warmup   bool     `yaml:"warmup,omitempty" jsonschema:"description=Loaded and recorded\\, but not measured."`
	line     int
}

// MixEntry is one workload of the mix. It has a weight or a rate; with weight 0
// it only does what it does by itself, such as watching.
type MixEntry struct {
	Name     string   `yaml:"name,omitempty" jsonschema:"description=By default that of the workload."`
	Workload string   `yaml:"workload"`
	Weight   *float64 `yaml:"weight,omitempty" jsonschema:"description=Share of the operations\\, relative to the others."`
	Rate     *float64 `yaml:"rate,omitempty" jsonschema:"description=Operations per second."`
	Prefix   *string  `yaml:"prefix,omitempty" jsonschema:"description=Under the run's own prefix; entries with the same prefix share their keys."`
	Params   Params   `yaml:"params,omitempty" jsonschema:"description=Parameters of the workload: see etcdbench workloads NAME."`
	line     int
}

// Disturbance is something done to the cluster beside the load.
type Disturbance struct {
	Kind   string   `yaml:"kind"`
	At     Duration `yaml:"at,omitempty" jsonschema:"description=From the start of the first measured phase."`
	Every  Duration `yaml:"every,omitempty" jsonschema:"description=Again at this interval."`
	Params Params   `yaml:"params,omitempty"`
	line   int
}

// Params are the parameters of a workload or a disturbance, as text.
type Params map[string]Scalar

// Scalar is a value as it was written.
type Scalar struct {
	Text string
	line int
}

// Texts are the values alone.
func (p Params) Texts() map[string]string {
	texts := map[string]string{}
	for k, v := range p {
		texts[k] = v.Text
	}
	return texts
}

// Duration is a time with its unit, such as 90s or 1h30m.
type Duration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	switch {
	case err != nil:
		return fmt.Errorf("line %d: %q is not a time with its unit, such as 90s", n.Line, n.Value)
	case v < 0:
		return fmt.Errorf("line %d: %q is negative", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML implements [yaml.Marshaler].
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// IsZero implements [yaml.IsZeroer].
func (d Duration) IsZero() bool { return d == 0 }

// UnmarshalYAML implements [yaml.Unmarshaler]: numbers stay as they were written,
// and a list is joined with commas.
func (s *Scalar) UnmarshalYAML(n *yaml.Node) error {
	s.line = n.Line
	switch n.Kind {
	case yaml.ScalarNode:
		s.Text = n.Value
	case yaml.SequenceNode:
		var list []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a list here holds plain values", item.Line)
			}
			list = append(list, item.Value)
		}
		s.Text = strings.Join(list, ",")
	default:
		return fmt.Errorf("line %d: a parameter is a plain value or a list of such", n.Line)
	}
	return nil
}

// MarshalYAML implements [yaml.Marshaler].
func (s Scalar) MarshalYAML() (any, error) { return s.Text, nil }

// The structs that errors point into remember their line.

// UnmarshalYAML implements [yaml.Unmarshaler].
func (p *Population) UnmarshalYAML(n *yaml.Node) error {
	type plain Population
	p.line = n.Line
	return n.Decode((*plain)(p))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (p *Phase) UnmarshalYAML(n *yaml.Node) error {
	type plain Phase
	p.line = n.Line
	return n.Decode((*plain)(p))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (e *MixEntry) UnmarshalYAML(n *yaml.Node) error {
	type plain MixEntry
	e.line = n.Line
	return n.Decode((*plain)(e))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Disturbance) UnmarshalYAML(n *yaml.Node) error {
	type plain Disturbance
	d.line = n.Line
	return n.Decode((*plain)(d))
}

// Solo is the scenario of one workload alone, with the command line's phases.
func Solo(workload string, params map[string]string) *Scenario {
	prefix := ""
	p := Params{}
	for k, v := range params {
		p[k] = Scalar{Text: v}
	}
	return &Scenario{Name: workload, Mix: []MixEntry{{Name: workload, Workload: workload, Params: p, Prefix: &prefix}}}
}

// at puts file and line before an error, where there are any.
func (s *Scenario) at(line int, err error) error {
	switch {
	case err == nil || s.file == "":
		return err
	case line == 0:
		return fmt.Errorf("%s: %w", s.file, err)
	}
	return fmt.Errorf("%s:%d: %w", s.file, line, err)
}

// maxMix is how many workloads a mix may have.
const maxMix = 100

// validate checks what can be checked without the run's prefix.
func (s *Scenario) validate() error {
	if len(s.Mix) == 0 {
		return s.at(0, errors.New("the mix is empty: name a workload"))
	}
	if len(s.Mix) > maxMix {
		return s.at(s.Mix[maxMix].line, fmt.Errorf("the mix has more than %d entries", maxMix))
	}
	if s.Clients < 0 || s.Conns < 0 || s.Queue < 0 || s.Target < 0 || math.IsNaN(s.Target) {
		return s.at(0, errors.New("clients, conns, queue and target must not be negative"))
	}
	if err := s.validateMix(); err != nil {
		return err
	}
	if err := s.validatePhases(); err != nil {
		return err
	}
	for i := range s.Population {
		p := &s.Population[i]
		p.KeySize, p.ValSize = cmp.Or(p.KeySize, 128), cmp.Or(p.ValSize, "256")
		if p.Keys < 1 {
			return s.at(p.line, fmt.Errorf("keys must be at least 1, not %d", p.Keys))
		}
		if err := checkOwnPrefix(p.Prefix); err != nil {
			return s.at(p.line, err)
		}
	}
	for _, d := range s.Disturbances {
		if _, err := newDisturbance(d); err != nil {
			return s.at(d.line, err)
		}
	}
	for _, t := range s.Thresholds {
		if _, err := results.ParseThreshold(t); err != nil {
			return s.at(0, err)
		}
	}
	return nil
}

func (s *Scenario) validateMix() error {
	rates, weight := false, 0.0
	names := map[string]bool{}
	for i := range s.Mix {
		e := &s.Mix[i]
		e.Name = cmp.Or(e.Name, e.Workload)
		entry, err := Find(e.Workload)
		switch {
		case err != nil:
			return s.at(e.line, err)
		case e.Name == "" || strings.ContainsAny(e.Name, ". \t\n/"):
			return s.at(e.line, fmt.Errorf("%q is no name for an entry: use letters, digits and hyphens", e.Name))
		case names[e.Name]:
			return s.at(e.line, fmt.Errorf("two entries of the mix are called %q: name them apart", e.Name))
		case e.Weight != nil && e.Rate != nil:
			return s.at(e.line, fmt.Errorf("%s: weight and rate exclude each other", e.Name))
		case e.Weight != nil && !validShare(*e.Weight), e.Rate != nil && !validShare(*e.Rate):
			return s.at(e.line, fmt.Errorf("%s: weight or rate must be a number, not negative", e.Name))
		}
		names[e.Name] = true
		if e.share() == 0 && !entry.Active {
			return s.at(e.line, fmt.Errorf("%s: with no share of the operations, %s does nothing", e.Name, e.Workload))
		}
		rates = rates || e.Rate != nil
		weight += e.share()
		if e.Prefix != nil && len(s.Mix) > 1 {
			if err := checkOwnPrefix(*e.Prefix); err != nil {
				return s.at(e.line, err)
			}
		}
		if err := e.checkParams(entry); err != nil {
			return s.at(cmp.Or(err.line, e.line), err)
		}
	}
	if weight <= 0 || math.IsInf(weight, 0) {
		return s.at(s.Mix[0].line, fmt.Errorf("the weights of the mix sum to %v: nothing would be done", weight))
	}
	for _, e := range s.Mix {
		if rates && e.Rate == nil && (e.Weight == nil || *e.Weight > 0) {
			return s.at(e.line, fmt.Errorf("%s has no rate, but others have: give all of them rates, or all weights", e.Name))
		}
	}
	return nil
}

func validShare(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

// share is the entry's weight, or its rate.
func (e *MixEntry) share() float64 {
	switch {
	case e.Rate != nil:
		return *e.Rate
	case e.Weight != nil:
		return *e.Weight
	}
	return 1
}

type paramError struct {
	line int
	err  error
}

func (e *paramError) Error() string { return e.err.Error() }

// checkParams sets each parameter on a definition of the workload.
func (e *MixEntry) checkParams(entry Entry) *paramError {
	fs := pflag.NewFlagSet(entry.Name, pflag.ContinueOnError)
	entry.Define().AddFlags(fs)
	for _, name := range sortedKeys(e.Params) {
		if err := setFlag(fs, name, e.Params[name].Text); err != nil {
			return &paramError{e.Params[name].line, fmt.Errorf("%s: %w", e.Name, err)}
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// mixRate is the sum of the entries' rates, 0 where they have weights.
func (s *Scenario) mixRate() float64 {
	sum := 0.0
	for _, e := range s.Mix {
		if e.Rate != nil {
			sum += *e.Rate
		}
	}
	return sum
}

func (s *Scenario) validatePhases() error {
	names := map[string]bool{}
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.Rate == 0 && p.RateEnd == 0 && !p.Closed {
			p.Rate = s.mixRate()
		}
		switch {
		case p.Name == "":
			return s.at(p.line, errors.New("a phase needs a name"))
		case names[p.Name]:
			return s.at(p.line, fmt.Errorf("two phases are called %q", p.Name))
		case p.Closed && (p.Rate > 0 || p.RateEnd > 0):
			return s.at(p.line, fmt.Errorf("phase %s: closed and rate exclude each other", p.Name))
		case p.Arrival != "" && p.Rate == 0 && p.RateEnd == 0:
			return s.at(p.line, fmt.Errorf("phase %s: arrival is for an open loop: it needs a rate", p.Name))
		}
		names[p.Name] = true
		if err := bench.ValidatePhase(p.plan()); err != nil {
			return s.at(p.line, err)
		}
	}
	if len(s.Phases) > 0 && !slices.ContainsFunc(s.Phases, func(p Phase) bool { return !p.Warmup }) {
		return s.at(s.Phases[0].line, errors.New("every phase is a warm-up: nothing would be measured"))
	}
	return nil
}

// plan is the phase as the engine knows it.
func (p *Phase) plan() results.PlanPhase {
	ph := results.PlanPhase{Name: p.Name, Duration: time.Duration(p.Duration), Total: p.Total, Warmup: p.Warmup}
	ph.Load.Rate, ph.Load.RateEnd = p.Rate, p.RateEnd
	if ph.Load.Open() {
		ph.Load.Arrival = cmp.Or(p.Arrival, "constant")
	}
	return ph
}

// PlanPhases are the scenario's phases, none where it leaves them to the command
// line.
func (s *Scenario) PlanPhases() []results.PlanPhase {
	var phases []results.PlanPhase
	for i := range s.Phases {
		phases = append(phases, s.Phases[i].plan())
	}
	return phases
}

// MixRate is the rate that follows from the entries' rates, 0 where they have
// none.
func (s *Scenario) MixRate() float64 { return s.mixRate() }

// checkOwnPrefix is for prefixes under the run's own.
func checkOwnPrefix(prefix string) error {
	switch {
	case prefix == "":
		return errors.New("an empty prefix would cover those of all others")
	case len(prefix) > 512 || strings.Contains(prefix, "\x00"):
		return fmt.Errorf("prefix %.40q is too long or holds a zero byte", prefix)
	}
	return nil
}

// Entries are the mix as the plan has it, with full prefixes and every parameter.
func (s *Scenario) Entries(prefix string) ([]results.PlanEntry, error) {
	var list []results.PlanEntry
	for _, e := range s.Mix {
		own := e.Name + "/"
		if e.Prefix != nil {
			own = *e.Prefix
		} else if len(s.Mix) == 1 {
			own = ""
		}
		entry, err := Find(e.Workload)
		if err != nil {
			return nil, s.at(e.line, err)
		}
		d := entry.Define()
		fs := pflag.NewFlagSet(e.Workload, pflag.ContinueOnError)
		d.AddFlags(fs)
		for name, v := range e.Params {
			if err := setFlag(fs, name, v.Text); err != nil {
				return nil, s.at(e.line, err)
			}
		}
		if err := d.Validate(prefix + own); err != nil {
			if len(s.Mix) > 1 {
				err = fmt.Errorf("%s: %w", e.Name, err)
			}
			return nil, s.at(e.line, err)
		}
		params := map[string]string{}
		fs.VisitAll(func(f *pflag.Flag) { params[f.Name] = strings.Trim(f.Value.String(), "[]") })
		list = append(list, results.PlanEntry{Name: e.Name, Workload: e.Workload, Weight: e.share(), Prefix: prefix + own, Params: params})
	}
	return list, s.checkShared(list)
}

// Populate is the population as the plan has it, with full prefixes.
func (s *Scenario) Populate(prefix string) ([]results.PlanPopulation, error) {
	var list []results.PlanPopulation
	for _, p := range s.Population {
		values, keys := Values{Size: p.ValSize, Content: "random"}, Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential", Theta: 0.5, HotKeys: 1}
		if err := errors.Join(keys.validate(prefix+p.Prefix), values.validate(p.KeySize)); err != nil {
			return nil, s.at(p.line, fmt.Errorf("population %s: %s", p.Prefix, strings.ReplaceAll(err.Error(), "--", "")))
		}
		list = append(list, results.PlanPopulation{Prefix: prefix + p.Prefix, Keys: p.Keys, KeySize: p.KeySize, ValSize: p.ValSize})
	}
	return list, nil
}

// checkShared sees that entries with the same prefix mean the same keys, and
// that no prefix covers another.
func (s *Scenario) checkShared(list []results.PlanEntry) error {
	for i, a := range list {
		for _, b := range list[:i] {
			switch {
			case a.Prefix == b.Prefix && (differ(a, b, "key-size") || differ(a, b, "key-space-size")):
				return s.at(s.Mix[i].line, fmt.Errorf("%s and %s share a prefix: give them the same key-size and key-space-size", b.Name, a.Name))
			case a.Prefix != b.Prefix && (strings.HasPrefix(a.Prefix, b.Prefix) || strings.HasPrefix(b.Prefix, a.Prefix)):
				return s.at(s.Mix[i].line, fmt.Errorf("the prefix of %s covers that of %s: choose others", b.Name, a.Name))
			}
		}
	}
	return nil
}

// Parts binds the entries of a plan to their definitions.
func Parts(entries []results.PlanEntry) ([]Part, error) {
	var parts []Part
	for _, e := range entries {
		p, err := newPart(e.Workload, e.Params, e.Prefix)
		if err != nil {
			return nil, err
		}
		p.Name, p.Weight = e.Name, e.Weight
		parts = append(parts, p)
	}
	return parts, nil
}

// differ says that both have a parameter, and not with the same value.
func differ(a, b results.PlanEntry, param string) bool {
	x, y := a.Params[param], b.Params[param]
	return x != "" && y != "" && x != y
}

// CheckThresholds sees that thresholds name operations that the mix has.
func (s *Scenario) CheckThresholds() error {
	entries, err := s.Entries("/-/")
	if err != nil {
		return nil // which another prefix may mend
	}
	parts, err := Parts(entries)
	if err != nil {
		return err
	}
	w, err := Compose(Composition{Name: s.Name, Parts: parts}, Target{})
	if err != nil {
		return err
	}
	var names []string
	for _, k := range w.Kinds() {
		names = append(names, k.Name)
	}
	for _, text := range s.Thresholds {
		t, err := results.ParseThreshold(text)
		if err == nil && !slices.Contains(names, t.Op) {
			err = fmt.Errorf("threshold %q: no operation %q%s: there are %s", text, t.Op, nearest(t.Op, names), strings.Join(names, ", "))
		}
		if err != nil {
			return s.at(0, err)
		}
	}
	return nil
}

// SetPhases replaces the phases.
func (s *Scenario) SetPhases(phases []results.PlanPhase) {
	s.Phases = nil
	for _, ph := range phases {
		p := Phase{Name: ph.Name, Duration: Duration(ph.Duration), Total: ph.Total, Rate: ph.Load.Rate, RateEnd: ph.Load.RateEnd, Arrival: ph.Load.Arrival, Warmup: ph.Warmup}
		p.Closed = !ph.Load.Open() && s.mixRate() > 0
		s.Phases = append(s.Phases, p)
	}
}

// SetEntries gives the mix every parameter of the plan's entries, which are in
// the same order and whose prefixes start with the given one.
func (s *Scenario) SetEntries(entries []results.PlanEntry, prefix string) {
	s.Mix = slices.Clone(s.Mix)
	for i, e := range entries {
		own := strings.TrimPrefix(e.Prefix, prefix)
		s.Mix[i].Prefix = &own
		s.Mix[i].Params = Params{}
		for name, value := range e.Params {
			s.Mix[i].Params[name] = Scalar{Text: value}
		}
	}
}

// SetParam sets a parameter of every entry that has it, as the command line does.
func (s *Scenario) SetParam(name, value string) error {
	known := false
	for i := range s.Mix {
		e := &s.Mix[i]
		entry, err := Find(e.Workload)
		if err != nil {
			return err
		}
		fs := pflag.NewFlagSet(e.Workload, pflag.ContinueOnError)
		entry.Define().AddFlags(fs)
		if fs.Lookup(name) == nil {
			continue
		}
		known = true
		if e.Params == nil {
			e.Params = Params{}
		}
		e.Params[name] = Scalar{Text: value}
	}
	if !known {
		return fmt.Errorf("--%s is no parameter of %s", name, s.Name)
	}
	return nil
}

// nameOf is the name of a scenario's file.
func nameOf(file string) string {
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(file, `\`, "/")), path.Ext(file))
}
