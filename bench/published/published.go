// Package published measures the rows of the performance page of etcd's operations guide on a
// cluster, one run each, and reports them beside the published figures.
package published

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// Kind is the kind of experiment.
const Kind = "published"

// Source is the URL of the page.
const Source = "https://etcd.io/docs/v3.6/op-guide/performance/"

// Conditions returns the conditions of the published figures.
func Conditions() []string {
	return []string{
		"3 machines of 8 vCPUs, 16 GB of memory and a 50 GB SSD at Google Compute Engine, one member on each",
		"a client machine of 16 vCPUs and 30 GB",
		"etcd 3.2.0, Go 1.8.3, Ubuntu 17.04",
		"etcd's benchmark, over grpc-go: the figures of all requests, from the first on",
	}
}

// row is one row of the page.
type row struct {
	read        bool
	consistency string // of reads; l (linearizable) or s (serializable)
	leader      bool   // puts go to the leader only
	count       uint64
	conns       int
	clients     int
	rate        float64
	mean        time.Duration
}

const (
	keySize   = 8
	valueSize = 256
	// prefix leaves six digits in a key of 8 bytes.
	prefix = "b/"
)

// rows returns the rows in the order of the page.
func rows() []row {
	return []row{
		{leader: true, count: 10_000, conns: 1, clients: 1, rate: 583, mean: 1600 * time.Microsecond},
		{leader: true, count: 100_000, conns: 100, clients: 1000, rate: 44_341, mean: 22 * time.Millisecond},
		{count: 100_000, conns: 100, clients: 1000, rate: 50_104, mean: 20 * time.Millisecond},
		{read: true, consistency: "l", count: 10_000, conns: 1, clients: 1, rate: 1353, mean: 700 * time.Microsecond},
		{read: true, consistency: "s", count: 10_000, conns: 1, clients: 1, rate: 2909, mean: 300 * time.Microsecond},
		{read: true, consistency: "l", count: 100_000, conns: 100, clients: 1000, rate: 141_578, mean: 5500 * time.Microsecond},
		{read: true, consistency: "s", count: 100_000, conns: 100, clients: 1000, rate: 185_758, mean: 2200 * time.Microsecond},
	}
}

// name describes the row.
func (r row) name() string {
	clients := "1 client"
	if r.clients > 1 {
		clients = humanize.Comma(int64(r.clients)) + " clients"
	}
	switch {
	case r.read && r.consistency == "l":
		return "linearizable reads, " + clients
	case r.read:
		return "serializable reads, " + clients
	case r.leader:
		return "puts to the leader, " + clients
	}
	return "puts to all members, " + clients
}

// Config is the configuration of a comparison, in addition to its base specification.
type Config struct {
	// Quick measures a tenth of each row's operations.
	Quick bool `json:"quick,omitempty"`
}

// warmup returns the length of the warm-up, in which connections are made.
func (c Config) warmup() time.Duration {
	if c.Quick {
		return time.Second
	}
	return 3 * time.Second
}

// count returns the number of measured operations of a row.
func (c Config) count(r row) uint64 {
	if c.Quick {
		return r.count / 10
	}
	return r.count
}

// Experiment is a configured comparison.
type Experiment struct {
	Config
	resolved []*runner.Resolved
}

// New checks a comparison. It starts nothing.
func New(base runner.Spec, c Config) (*Experiment, error) {
	l := base.Load
	if base.Scenario != "" || base.Text != "" || len(base.Workload) > 0 || len(base.Parameters) > 0 {
		return nil, errors.New("the published rows define the workloads: leave out the scenario and parameters of workloads")
	}
	if l.Clients != nil || l.Conns != nil || l.Rate != nil || l.Duration != nil || l.Total != nil || l.Warmup != nil || len(l.Phases) > 0 {
		return nil, errors.New("the published rows define the load: leave out --clients, --conns, --rate, --duration, --total and --warmup")
	}
	if base.Cluster.TargetLeader {
		return nil, errors.New("the published rows define the target of requests: leave out --target-leader")
	}
	e := &Experiment{Config: c}
	for _, r := range rows() {
		resolved, err := c.spec(base, r).Resolve("")
		if err != nil {
			return nil, err
		}
		e.resolved = append(e.resolved, resolved)
	}
	return e, nil
}

// spec derives the specification of a row's run.
func (c Config) spec(base runner.Spec, r row) runner.Spec {
	s := experiment.Derive(base, prefix)
	warmup, count := c.warmup(), c.count(r)
	s.Load.Clients, s.Load.Conns, s.Load.Total, s.Load.Warmup = &r.clients, &r.conns, &count, &warmup
	s.Cluster.TargetLeader = r.leader
	s.Scenario = "put"
	s.Workload = map[string]string{
		"key-size": strconv.Itoa(keySize), "val-size": strconv.Itoa(valueSize), "keys": "sequential",
		"key-space-size": strconv.FormatUint(r.count, 10),
	}
	if r.read { // all requests read the same key
		s.Scenario = "range"
		s.Workload["key-space-size"], s.Workload["consistency"] = "1", r.consistency
	}
	return s
}

// First returns the resolved specification of the first row's run.
func (e *Experiment) First() *runner.Resolved { return e.resolved[0] }

// Plan returns the planned runs. Their lengths are those of the operations at the published
// rates.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	for i, r := range rows() {
		length := e.resolved[i].Estimate() + time.Duration(float64(e.count(r))/r.rate*float64(time.Second))
		p.Runs = append(p.Runs, experiment.Planned{Name: r.name(), Count: 1, Spec: e.resolved[i].Spec, Length: length})
	}
	return p
}

// Run measures every row. It does not repeat rows that are in the directory already. done, if
// not nil, is called after each row.
func (e *Experiment) Run(ctx context.Context, o experiment.Options, done func(results.PublishedRow)) (*results.Published, error) {
	if err := experiment.Prepare(ctx, o.Dir, e.resolved...); err != nil {
		return nil, err
	}
	p := &results.Published{
		Schema: results.PublishedSchema, Started: time.Now().Round(0), Source: Source, Conditions: Conditions(), Short: e.Quick,
	}
	for i, r := range rows() {
		row := results.PublishedRow{
			Name: r.name(), Clients: r.clients, Conns: r.conns, Operations: e.count(r), PublishedRate: r.rate, PublishedMean: r.mean,
			Dir: fmt.Sprintf("row-%d", i+1),
		}
		run, err := measure(ctx, o, e.resolved[i].Spec, filepath.Join(o.Dir, row.Dir))
		if errors.Is(err, bench.ErrInterrupted) || err == nil && ctx.Err() != nil {
			return nil, experiment.Unfinished(bench.ErrInterrupted, fmt.Sprintf("%d of %d rows", i, len(e.resolved)), o.Dir)
		}
		if err == nil {
			row, err = results.NewPublishedRow(row, run)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.ToLower(row.Name), err)
		}
		p.Cluster, p.Environment = run.Cluster, run.Environment
		p.Rows = append(p.Rows, row)
		if done != nil {
			done(row)
		}
	}
	p.Ended = time.Now().Round(0)
	return p, nil
}

// measure makes a run, or reads it if it exists.
func measure(ctx context.Context, o experiment.Options, spec runner.Spec, dir string) (*results.Run, error) {
	if run, whole := results.ReadWhole(dir); whole {
		return run, nil
	}
	if err := results.SetAside(dir); err != nil {
		return nil, err
	}
	return o.Measure(ctx, spec, dir)
}
