// Package scale measures how a cluster behaves as its data grows. It measures a ladder of logical
// sizes on one cluster, and extends the population from rung to rung. On each
// rung, it measures latencies, memory and file size under a load with a fixed rate. Then it
// compacts, defragments, saves, restarts and replaces members under the same load.
package scale

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// Kind is the kind of this experiment.
const Kind = "scale"

// Config is the configuration of a ladder, in addition to its base specification. Effort
// decides fields that are nil or empty.
type Config struct {
	// Sizes are the logical sizes of the rungs, in bytes of keys and values, in ascending
	// order.
	Sizes  []int64           `json:"sizes_bytes,omitempty"`
	Effort experiment.Effort `json:"effort,omitempty"`
	// ObjectSize is the size of a key and its value, in bytes.
	ObjectSize *int64 `json:"object_size_bytes,omitempty"`
	// ListClients is the number of clients that list all objects concurrently.
	ListClients *int `json:"list_clients,omitempty"`
	// Steady is the length of the steady state. Lead is the length of the undisturbed load
	// before each event.
	Steady *time.Duration `json:"steady_ns,omitempty"`
	Lead   *time.Duration `json:"lead_ns,omitempty"`
}

// effort is the time that each part of a ladder takes.
type effort struct {
	sizes []int64
	// steady is the length of the steady state. lead is the length of the undisturbed load
	// before each event.
	steady, lead time.Duration
	// downTime is the time for which a follower that catches up from the log is down.
	downTime time.Duration
	// clients is the number of clients of list storms.
	clients int
}

func (c Config) effort() effort {
	const mb, gb = 1_000_000, 1_000_000_000
	e := effort{sizes: []int64{100 * mb, gb, 4 * gb}, steady: time.Minute, lead: 10 * time.Second, downTime: 10 * time.Second, clients: 8}
	switch c.Effort {
	case experiment.Quick:
		e.sizes, e.steady, e.lead, e.downTime = []int64{12 * mb, 36 * mb, 96 * mb}, 6*time.Second, time.Second, time.Second
		e.clients = 4
	case experiment.Thorough:
		e.steady, e.lead = 5*time.Minute, 30*time.Second
	}
	if len(c.Sizes) > 0 {
		e.sizes = c.Sizes
	}
	e.steady, e.lead, e.clients = valueOr(c.Steady, e.steady), valueOr(c.Lead, e.lead), valueOr(c.ListClients, e.clients)
	return e
}

const (
	prefix        = "/etcdbench/scale/"
	objectsPrefix = "objects/"
	// defaultRate is in operations per second, half of them writes.
	defaultRate       = 400
	defaultObjectSize = 4096
	pageSize          = 500
	keySize           = 48
	minObject         = 128
	maxObject         = 1 << 20
	maxRungs          = 20
	// fileFactor is the largest size of a database file relative to its data, with some
	// history.
	fileFactor = 1.3
	// walSpace is the disk space of a member's log and snapshots, in bytes.
	walSpace = 512 << 20
	// objectMemory is the memory of a member's index per object. leastMemory is the other
	// memory of the cluster and the generator. Both are in bytes.
	objectMemory, leastMemory = 400, 1 << 30
)

//go:embed objects.yaml
var objectsScenario string

// Experiment is a configured ladder.
type Experiment struct {
	effort
	base       runner.Spec
	first      *runner.Resolved
	objectSize int64
	keySize    int
	// own says that the load uses the objects of the population.
	own bool
}

// New validates a ladder and sets the defaults of its configuration. It starts nothing.
func New(base runner.Spec, c Config) (*Experiment, error) {
	e := &Experiment{
		effort: c.effort(), base: base.Clone(), objectSize: valueOr(c.ObjectSize, defaultObjectSize),
		own: base.Scenario == "",
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if e.own {
		e.base.Scenario, e.base.Text = "objects", objectsScenario
	}
	e.base.Prefix = cmp.Or(e.base.Prefix, prefix)
	e.keySize = max(keySize, len(e.base.Prefix+objectsPrefix)+12)
	if int64(e.keySize) >= e.objectSize {
		return nil, fmt.Errorf("--object-size %d is too small: the key takes %d bytes", e.objectSize, e.keySize)
	}
	var err error
	if e.first, err = e.spec(0).Resolve(""); err != nil {
		return nil, err
	}
	objects := e.population(0)
	if err := workloads.CheckPopulation(&objects); err != nil {
		return nil, fmt.Errorf("objects of the ladder: %w", err)
	}
	largest := e.sizes[len(e.sizes)-1]
	if need := int64(fileFactor * float64(largest)); need > e.first.Settings.Quota {
		return nil, fmt.Errorf("--sizes %s needs a database of about %s, but the quota is %s: give a larger --quota",
			bytes(largest), bytes(need), bytes(e.first.Settings.Quota))
	}
	return e, nil
}

func valueOr[T any](given *T, otherwise T) T {
	if given != nil {
		return *given
	}
	return otherwise
}

// bytes formats a size in the units of --sizes.
func bytes[T int64 | uint64](n T) string { return humanize.Bytes(uint64(n)) }

// check returns an error that names the flag if the configuration is invalid.
func (e *Experiment) check() error {
	s := e.base
	switch {
	case s.Cluster.Running():
		return errors.New("scale stops and replaces members of a cluster that it starts: leave out --endpoints")
	case s.Cluster.Start.InProcess:
		return errors.New("scale measures the memory of members and kills them: leave out --in-process")
	case s.Agents.Count > 0 && !s.Agents.Local:
		return fmt.Errorf("scale starts a cluster that is reachable only from this machine: start the agents here with --agents local:%d",
			s.Agents.Count)
	case len(s.Disturbances) > 0:
		return errors.New("scale defines its own events: leave out --disturb")
	case s.Load.Duration != nil || s.Load.Total != nil || len(s.Load.Phases) > 0:
		return errors.New("scale chooses the lengths of its runs: leave out --duration and --total")
	case s.Load.Rate != nil && !(*s.Load.Rate > 0):
		return errors.New("--rate must be positive: the load is the same on each rung")
	case len(e.sizes) > maxRungs:
		return fmt.Errorf("--sizes must have at most %d sizes, not %d", maxRungs, len(e.sizes))
	case e.objectSize < minObject || e.objectSize > maxObject:
		return fmt.Errorf("--object-size must be between %d and %d bytes, not %d", minObject, maxObject, e.objectSize)
	case e.steady < time.Second:
		return fmt.Errorf("--steady must be a second or more, not %v", e.steady)
	case e.lead <= 0:
		return fmt.Errorf("--lead must be positive, not %v", e.lead)
	case e.clients < 1 || e.clients > 1000:
		return fmt.Errorf("--list-clients must be between 1 and 1000, not %d", e.clients)
	case !slices.IsSortedFunc(e.sizes, func(a, b int64) int { return cmp.Or(cmp.Compare(a, b), -1) }):
		return errors.New("--sizes must be in ascending order")
	case e.sizes[0] < pageSize*e.objectSize:
		return fmt.Errorf("--sizes must be %s or more: %d objects of %s", bytes(pageSize*e.objectSize), pageSize, bytes(e.objectSize))
	}
	if !e.own {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Workload)) {
		if !slices.Contains(ownParameters(), name) {
			return fmt.Errorf("--%s needs a workload as argument: the objects of scale use --sizes, --object-size and --values", name)
		}
	}
	return nil
}

// ownParameters returns the workload parameters that are valid for a load on the objects. Other
// parameters would change the amount of data, or which objects are read.
func ownParameters() []string {
	return []string{"values", "compressibility", "keys", "sequential-keys", "zipf-theta", "hot-keys", "hot-ops"}
}

// objects returns the number of objects on a rung, from 0.
func (e *Experiment) objects(rung int) int64 { return e.sizes[rung] / e.objectSize }

// values returns the kind of the objects' values: that of the load, or random.
func (e *Experiment) values() string { return cmp.Or(e.base.Workload["values"], values.Random) }

// population returns the population of a rung.
func (e *Experiment) population(rung int) results.PlanPopulation {
	share, _ := strconv.ParseFloat(e.base.Workload["compressibility"], 64) // checked with the load
	return results.PlanPopulation{
		Prefix: e.base.Prefix + objectsPrefix, Keys: e.objects(rung), KeySize: e.keySize,
		ValSize: fmt.Sprint(e.objectSize - int64(e.keySize)), Values: e.values(), Compressibility: share,
	}
}

// spec derives the specification of a rung's steady state.
func (e *Experiment) spec(rung int) runner.Spec {
	s := experiment.Derive(e.base, prefix)
	rate := float64(defaultRate)
	experiment.SetDefault(&s.Load.Rate, rate)
	experiment.SetDefault(&s.Load.Warmup, 2*time.Second)
	s.Load.Duration = &e.steady
	if e.own {
		s.SetParameter("objects", float64(e.objects(rung)))
		s.SetParameter("valSize", float64(e.objectSize-int64(e.keySize)))
		s.SetParameter("keySize", float64(e.keySize))
	} else {
		s.Prefix += "load/"
	}
	return s
}

// maxEvents bounds the length of the runs during which events are made. They normally end with
// the last event.
const maxEvents = 6 * time.Hour

// eventSpec derives the specification of a run during which events are made.
func (e *Experiment) eventSpec(rung int) runner.Spec {
	s, length := e.spec(rung), maxEvents
	s.Load.Duration = &length
	if e.base.Load.Warmup == nil {
		s.Load.Warmup = new(time.Second) // the lead of the first step follows
	}
	return s
}

// First returns the resolved specification of the first run.
func (e *Experiment) First() *runner.Resolved { return e.first }

// Plan returns the planned runs.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	var usual speed
	before := int64(0)
	for i, size := range e.sizes {
		name := func(what string) string { return fmt.Sprintf("rung %d of %s, %s", i+1, bytes(size), what) }
		events := e.spec(i)
		// Each step has its lead and takes some time itself.
		length := time.Duration(len(e.maintenance(nil))+len(e.recovery())+len(e.restoration())) * (e.lead + 3*time.Second)
		p.Runs = append(p.Runs,
			experiment.Planned{Name: name("steady state"), Count: 1, Spec: e.spec(i), Length: e.steady + usual.time(size-before)},
			experiment.Planned{Name: name("maintenance and recovery"), Count: 1, Spec: events, Length: length})
		before = size
	}
	return p
}

// need returns the disk space and the memory that a rung needs in addition to the present
// objects, in bytes.
func (e *Experiment) need(rung int, present int64) (disk, memory uint64) {
	members, size := int64(e.first.Settings.Members), e.sizes[rung]
	grown := int64(fileFactor * float64(max(0, size-present)))
	// Defragmentations and snapshots are made one at a time, and each makes a copy.
	return uint64(members*(grown+walSpace) + 2*size), uint64(members*e.objects(rung)*objectMemory + leastMemory)
}

// checkSpace returns an error if the disk space or the memory is not sufficient for a rung.
func (e *Experiment) checkSpace(rung int, dir string, present int64) error {
	disk, memory := e.need(rung, present)
	free, err := machine.FreeSpace(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if free < disk {
		return fmt.Errorf("%s of data need about %s of disk, but only %s are free in %s", bytes(e.sizes[rung]), bytes(disk), bytes(free), dir)
	}
	if available := machine.AvailableMemory(); available > 0 && available < memory {
		return fmt.Errorf("%s of data need about %s of memory, but only %s are available", bytes(e.sizes[rung]), bytes(memory), bytes(available))
	}
	return nil
}

// CheckDisk returns an error if the largest rung does not fit the disk of the directory, or of
// its nearest existing parent.
func (e *Experiment) CheckDisk(dir string) error {
	if given := e.base.Cluster.Start.DataDir; given != "" {
		dir = given
	}
	last := len(e.sizes) - 1
	for {
		free, err := machine.FreeSpace(dir)
		if err == nil {
			if disk, _ := e.need(last, 0); free < disk {
				return fmt.Errorf("--sizes %s needs about %s of disk, but only %s are free: leave out the largest size, or give another --data-dir",
					bytes(e.sizes[last]), bytes(disk), bytes(free))
			}
			return nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return fmt.Errorf("--out: %w", err)
		}
		dir = parent
	}
}
