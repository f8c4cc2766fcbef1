// Package scenario reads and writes scenarios: named loads as YAML files. A
// scenario states the cluster, the population, the phases, the mix of workloads,
// the disturbances and the thresholds. docs/scenarios.md teaches the language.
//
// Find returns a scenario by name, Parse reads one. A scenario does nothing by
// itself: its Plan methods return the parts of a plan, as data, which package
// workloads turns into a load.
package scenario

import (
	"fmt"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Scenario is a named load. For zero values, the settings of the command line apply.
type Scenario struct {
	Name    string `yaml:"name,omitempty" jsonschema:"description=Name of the scenario; by default that of its file."`
	Summary string `yaml:"summary,omitempty" jsonschema:"description=What it stands for, in one line."`
	// Parameters can be set with --param and used in any value as ${expression}.
	Parameters map[string]Parameter `yaml:"parameters,omitempty" jsonschema:"description=Numbers for --param\\, used as ${expression}."`

	Cluster Cluster `yaml:"cluster,omitempty" jsonschema:"description=The cluster to start where none is given."`

	Clients int      `yaml:"clients,omitempty" jsonschema:"description=Virtual clients."`
	Conns   int      `yaml:"conns,omitempty" jsonschema:"description=Connections that the clients share."`
	Timeout Duration `yaml:"timeout,omitempty" jsonschema:"description=Longest time that a request may take."`
	Drain   Duration `yaml:"drain,omitempty" jsonschema:"description=Longest wait for requests in flight at the end."`
	Queue   int      `yaml:"queue,omitempty" jsonschema:"description=Arrivals that may wait for a free client."`
	Seed    uint64   `yaml:"seed,omitempty" jsonschema:"description=Fixes keys\\, values\\, mix and arrivals."`
	Target  float64  `yaml:"target,omitempty" jsonschema:"description=Writes per second to measure against."`

	Population   []Population  `yaml:"population,omitempty" jsonschema:"description=Keys written before\\, besides those of the workloads."`
	Phases       []Phase       `yaml:"phases,omitempty" jsonschema:"description=Stretches of the run\\, one after the other."`
	Mix          []Entry       `yaml:"mix" jsonschema:"description=The workloads."`
	Disturbances []Disturbance `yaml:"disturbances,omitempty" jsonschema:"description=What is done to the cluster beside the load."`
	Thresholds   []string      `yaml:"thresholds,omitempty" jsonschema:"description=For a gate: such as put.response_time.p99 < 20ms."`

	// Given are the parameters' values that the scenario was read with.
	Given map[string]float64 `yaml:"-" json:"-"`
	file  string
	// flag is the flag that has set the thresholds, or empty.
	flag string
}

// A Parameter is a number that can be passed to a scenario.
type Parameter struct {
	Default *float64 `yaml:"default,omitempty" jsonschema:"description=Its value when none is given; without\\, one must be."`
	Min     *float64 `yaml:"min,omitempty" jsonschema:"description=Least value."`
	Max     *float64 `yaml:"max,omitempty" jsonschema:"description=Greatest value."`
	Help    string   `yaml:"help,omitempty" jsonschema:"description=What it is."`
}

// A Cluster describes the cluster to start when none is given. Its fields have the
// names and meanings of the command line's flags.
type Cluster struct {
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

// A Population is a set of keys that are written before the workloads set up.
type Population struct {
	Prefix  string `yaml:"prefix" jsonschema:"description=Under the run's own prefix."`
	Keys    int64  `yaml:"keys"`
	KeySize int    `yaml:"key-size,omitempty"`
	ValSize string `yaml:"val-size,omitempty"`
	Values  string `yaml:"values,omitempty" jsonschema:"description=random\\, half\\, objects\\, or objects:KIND."`
	// Compressibility is from 0 to 1.
	Compressibility float64 `yaml:"compressibility,omitempty" jsonschema:"description=Share of random values that a compressor can remove."`
	line            int
}

// A Phase is a stretch of the run with one load: an open loop with a rate, or a
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

// An Entry is one workload of the mix. It has a weight or a rate. With weight 0 it
// only does what needs no operations of its own, such as watching.
type Entry struct {
	Name     string   `yaml:"name,omitempty" jsonschema:"description=By default that of the workload."`
	Workload string   `yaml:"workload"`
	Weight   *float64 `yaml:"weight,omitempty" jsonschema:"description=Share of the operations\\, relative to the others."`
	Rate     *float64 `yaml:"rate,omitempty" jsonschema:"description=Operations per second."`
	Prefix   *string  `yaml:"prefix,omitempty" jsonschema:"description=Below the run's prefix. Entries with one prefix share keys."`
	Params   Params   `yaml:"params,omitempty" jsonschema:"description=Parameters of the workload: see etcdbench workloads NAME."`
	line     int
}

// A Disturbance is something done to the cluster on purpose beside the load.
type Disturbance struct {
	Kind   string   `yaml:"kind"`
	At     Duration `yaml:"at,omitempty" jsonschema:"description=From the start of the first measured phase."`
	Every  Duration `yaml:"every,omitempty" jsonschema:"description=Again at this interval."`
	Params Params   `yaml:"params,omitempty"`
	line   int
}

// Params are the parameters of a workload or a disturbance by name.
type Params map[string]Scalar

// A Scalar is a parameter's value as it was written.
type Scalar struct {
	// Text is the value; the items of a list are joined with commas.
	Text string
	line int
}

// texts returns the values alone.
func (p Params) texts() map[string]string {
	texts := map[string]string{}
	for k, v := range p {
		texts[k] = v.Text
	}
	return texts
}

// A Duration is a length of time. Its text has a unit, such as 90s or 1h30m.
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
				return fmt.Errorf("line %d: a list of a parameter must hold plain values", item.Line)
			}
			list = append(list, item.Value)
		}
		s.Text = strings.Join(list, ",")
	default:
		return fmt.Errorf("line %d: a parameter must be a plain value or a list of plain values", n.Line)
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
func (e *Entry) UnmarshalYAML(n *yaml.Node) error {
	type plain Entry
	e.line = n.Line
	return n.Decode((*plain)(e))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Disturbance) UnmarshalYAML(n *yaml.Node) error {
	type plain Disturbance
	d.line = n.Line
	return n.Decode((*plain)(d))
}

// nameOf returns the name of a scenario by that of its file.
func nameOf(file string) string {
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(file, `\`, "/")), path.Ext(file))
}
