// Package workloads contains the generators of operations against etcd, one file each, and
// their common parts: keys and values, mixes of several workloads, and disturbances.
//
// A workload sends its requests over the given connections, and only to keys below its prefix.
// Each request depends only on the plan's seed and on the operation's phase and number. A
// workload does not measure.
package workloads

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/fault"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/consistency"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// Target is the cluster of a workload, with the settings of the run.
type Target struct {
	// Conns are shared by the clients: client i uses Conns[i mod len(Conns)].
	Conns []grpc.ClientConnInterface
	// Streams carry the long-lived streams of watchers, in turn. If there are none, Conns carry
	// them.
	Streams []grpc.ClientConnInterface
	// Prefix is the prefix of every key.
	Prefix string
	Seed   uint64
	// Members has one connection to each member, for requests beside the load. If there are
	// none, the workload uses Conns.
	Members []grpc.ClientConnInterface
	// Faults are the members of a cluster that was started, for its disturbances; nil for
	// other clusters.
	Faults fault.Members
	// Verify records acknowledged writes, for the proof after the run.
	Verify bool
	// Exclusive means that nothing but the workload writes to the cluster, so that the
	// store's revision grows by its writes alone.
	Exclusive bool
	// Disposable means that the cluster is removed after the run, so that no clean-up is
	// needed.
	Disposable bool
	// Patience is how long the preparation waits for the next answer; 0 means 15 s.
	Patience time.Duration
	// Populators is the number of keys that a population writes concurrently; 0 means 64.
	Populators int
	// LeaseTag is the upper half of the IDs of this process's leases, from 1 to 2³¹-1; 0 means
	// a random one.
	LeaseTag uint32
	// Share is the part of the run that this process carries out; the zero value is the whole
	// run.
	Share bench.Share

	shared *shared
	// answered, if not nil, is called with each answer of a stage with many requests.
	answered func()
}

// shared is the common state of the workloads of one run.
type shared struct {
	ledger *ledger.Ledger // nil: nothing is verified
	acks   *ledger.Acks   // nil: no watchers
	// checker checks what is answered; nil: nothing is verified.
	checker  *consistency.Checker
	leaseIDs *leaseIDs
	// populators holds the accounts of the writers of populations. Populations are written one
	// after the other.
	populators chan *ledger.Account

	mu sync.Mutex
	// keys and writes are the rules of key makers and of writers.
	keys   map[keySpace]*keyRules
	writes map[writing]*writeRules
	// links are the links of the scripts, by connection.
	links map[*grpc.ClientConnInterface]*link
}

// keySpace identifies key rules, together with the seed of the run.
type keySpace struct {
	Keys
	prefix string
}

// keyRules returns the rules of a key space. All workers of a run share them. Outside a run,
// each call creates new ones.
func (t Target) keyRules(k Keys) *keyRules {
	if t.shared == nil {
		return newKeyRules(k, t.Prefix, t.Seed)
	}
	return once(t.shared, &t.shared.keys, keySpace{k, t.Prefix}, func() *keyRules { return newKeyRules(k, t.Prefix, t.Seed) })
}

// writing identifies write rules.
type writing struct {
	keySpace
	pool    *values.Source
	removal ledger.Removal
}

// writeRules returns the rules of a writer. All workers of a run share them.
func (t Target) writeRules(k Keys, pool *values.Source, r ledger.Removal) *writeRules {
	s := t.shared
	return once(s, &s.writes, writing{keySpace{k, t.Prefix}, pool, r}, func() *writeRules {
		return &writeRules{pool: pool, space: s.ledger.Space(k.names(t.Prefix), r), acks: s.acks}
	})
}

// once returns the value of a key in one of the maps of s. It creates a missing value.
func once[K comparable, V any](s *shared, in *map[K]*V, key K, create func() *V) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := (*in)[key]
	if v == nil {
		if *in == nil {
			*in = map[K]*V{}
		}
		v = create()
		(*in)[key] = v
	}
	return v
}

// populatorAccounts returns count accounts for concurrent writers. Populations are written one
// after the other.
func (s *shared) populatorAccounts(count int) chan *ledger.Account {
	if s.populators == nil {
		s.populators = make(chan *ledger.Account, count)
		for range count {
			account := &ledger.Account{}
			s.ledger.Register(account)
			s.populators <- account
		}
	}
	return s.populators
}

func (t Target) conn(client int) grpc.ClientConnInterface { return t.Conns[client%len(t.Conns)] }

// stream returns the connection of watch stream i.
func (t Target) stream(i int) grpc.ClientConnInterface {
	if len(t.Streams) > 0 {
		return t.Streams[i%len(t.Streams)]
	}
	return t.conn(i)
}

// Definition is one workload before it is bound to a cluster.
type Definition interface {
	// AddFlags registers the workload's parameters with their defaults.
	AddFlags(fs *pflag.FlagSet)
	// Validate checks the parameters and the prefix. It needs no cluster.
	Validate(prefix string) error
	// New returns the workload for a target.
	New(t Target) (bench.Workload, error)
}

// Entry is a registered workload.
type Entry struct {
	Name    string
	Summary string
	// Measures defines one operation and its latency precisely.
	Measures string
	// Active means that it does work even without operations of its own.
	Active bool
	// Storage is the part of etcd in this process that it uses instead of a cluster.
	Storage StorageLayer
	Define  func() Definition
}

// All returns the workloads.
func All() []Entry {
	return []Entry{
		putEntry(),
		rangeEntry(),
		deleteEntry(),
		txnPutEntry(),
		txnMixedEntry(),
		txnCASEntry(),
		watchEntry(),
		watchCreateEntry(),
		watchCatchupEntry(),
		leaseGrantEntry(),
		leaseKeepaliveEntry(),
		leaseAttachEntry(),
		leaseRevokeEntry(),
		leaseExpireEntry(),
		lockEntry(),
		electionEntry(),
		stmEntry(),
		storagePutEntry(),
		storageRangeEntry(),
		storageTxnEntry(),
		storageCompactEntry(),
		walAppendEntry(),
	}
}

// Find returns the workload with that name. The error suggests the most similar name.
func Find(name string) (Entry, error) {
	var names []string
	for _, e := range All() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("unknown workload %q%s: see etcdbench workloads", name, results.Nearest(name, names))
}

// New returns a workload by its name, with the given parameters in place of the defaults. It is
// for programs without a command line.
func New(name string, t Target, params map[string]string) (bench.Workload, error) {
	part, err := newPart(name, params, t.Prefix)
	if err != nil {
		return nil, err
	}
	return Compose(Composition{Name: name, Parts: []Part{part}}, t)
}

func newPart(name string, params map[string]string, prefix string) (Part, error) {
	e, err := Find(name)
	if err != nil {
		return Part{}, err
	}
	d, _, err := e.Configure(params)
	if err != nil {
		return Part{}, fmt.Errorf("workload %s: %w", name, err)
	}
	if err := d.Validate(prefix); err != nil {
		return Part{}, fmt.Errorf("workload %s: %w", name, err)
	}
	return Part{Name: name, Weight: 1, Prefix: prefix, Definition: d}, nil
}

// Parts returns the parts of a mix by the entries of a plan.
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

// wider is implemented by definitions that may touch more of a cluster than the run's
// own keys.
type wider interface {
	// wide returns the name of the parameter that does so, or "" if there is none.
	wide() string
}

// Wide returns the name of the parameter by which a workload of the plan affects more of a
// cluster than the run's own keys, such as --compact-interval, or "" if there is none. It
// returns an error if the entries are invalid.
func Wide(entries []results.PlanEntry) (string, error) {
	parts, err := Parts(entries)
	if err != nil {
		return "", err
	}
	for _, p := range parts {
		if w, ok := p.Definition.(wider); ok && w.wide() != "" {
			return w.wide(), nil
		}
	}
	return "", nil
}

// A ParamError reports an unknown parameter or an invalid value.
type ParamError struct {
	// Name is the parameter's name as it was given.
	Name string
	err  error
}

// Error implements error. The text contains the name.
func (e *ParamError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *ParamError) Unwrap() error { return e.err }

// Configure returns the workload's definition with the given parameters, and all of its
// parameters. The error is a [*ParamError]; of several invalid parameters, it is about the
// first one by name.
func (e Entry) Configure(params map[string]string) (Definition, *pflag.FlagSet, error) {
	d := e.Define()
	fs := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
	d.AddFlags(fs)
	if err := setFlags(fs, params); err != nil {
		return nil, nil, err
	}
	return d, fs, nil
}

// setFlags sets parameters by name.
func setFlags(fs *pflag.FlagSet, params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := setFlag(fs, name, params[name]); err != nil {
			return &ParamError{Name: name, err: err}
		}
	}
	return nil
}

// setFlag sets a parameter by name.
func setFlag(fs *pflag.FlagSet, name, value string) error {
	if fs.Lookup(name) == nil {
		var names []string
		fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		return fmt.Errorf("no parameter %q%s", name, results.Nearest(name, names))
	}
	if err := fs.Set(name, value); err != nil {
		return fmt.Errorf("parameter %s: %q is not a valid %s", name, value, fs.Lookup(name).Value.Type())
	}
	return nil
}

// tag returns the mark of the stamps of the target's share. The marks of the other shares of
// the run follow one another.
func (t Target) tag() uint32 { return ledger.RunTag(t.Prefix, t.Seed) + uint32(t.Share.Index) }

// isForeign reports whether a value has the stamp of another share of the run.
func (t Target) isForeign(value []byte) bool {
	tag, ok := ledger.StampTag(value)
	place := tag - ledger.RunTag(t.Prefix, t.Seed)
	return ok && place < uint32(t.Share.Count) && place != uint32(t.Share.Index)
}

// numbers returns the numbers below total, for example of leases, that belong to the target's
// share.
func (t Target) numbers(total int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for k := range t.Share.Below(uint64(total)) {
			if !yield(int64(t.Share.Number(k))) {
				return
			}
		}
	}
}

// noSetup provides Setup and Teardown for workloads that need neither.
type noSetup struct{}

func (noSetup) Setup(context.Context, func(done, total int)) error { return nil }
func (noSetup) Teardown(context.Context) error                     { return nil }
