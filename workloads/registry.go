// Package workloads holds the generators of operations against etcd, one file
// each, and what they have in common: keys and values, mixes of several, and
// disturbances beside them.
//
// A workload sends its requests over the connections it is given, keeps to its
// prefix, and makes each request from the plan's seed and the operation's phase
// and number alone. It does no measuring of its own.
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
)

// Target is where a workload works.
type Target struct {
	// Conns are shared by the clients: client i uses Conns[i mod len(Conns)].
	Conns []grpc.ClientConnInterface
	// Streams carry the long-lived streams of watchers, in turn; without, Conns do.
	Streams []grpc.ClientConnInterface
	// Prefix starts every key.
	Prefix string
	Seed   uint64
	// Members has one connection to each member, for requests beside the load;
	// without, the workload does with Conns.
	Members []grpc.ClientConnInterface
	// Faults are the members of a cluster that was started, for its disturbances; nil for
	// other clusters.
	Faults fault.Members
	// Verify keeps account of acknowledged writes, for the proof after the run.
	Verify bool
	// Exclusive means that nothing but the workload writes to the cluster, so that the
	// store's revision grows by its writes alone.
	Exclusive bool
	// Disposable means that the cluster is removed after the run: what is in it
	// need not be cleaned up.
	Disposable bool
	// Patience is how long the preparation waits for the next answer; 0 means 15 s.
	Patience time.Duration
	// Populators is how many keys are written at once while populating; 0 means 64.
	Populators int
	// LeaseTag is the upper half of the IDs of this process's leases, from 1 to 2³¹-1; 0
	// draws one at random.
	LeaseTag uint32
	// Share is the part of the run that this process carries out; zero is all of it.
	Share bench.Share

	shared *shared
	// answered, where set, is called with each answer of many.
	answered func()
}

// shared is what the workloads of one run have in common.
type shared struct {
	ledger *ledger.Ledger // nil: nothing is verified
	acks   *ledger.Acks   // nil: no watchers
	// checker checks what is answered; nil: nothing is verified.
	checker  *consistency.Checker
	leaseIDs *leaseIDs
	// populators are the accounts of those who write populations, one after the other.
	populators chan *ledger.Account

	mu    sync.Mutex
	rules map[keySpace]*keyRules
	// methods are those of the scripts, by name.
	methods map[string]*method
	// links are those of the scripts, by connection.
	links map[*grpc.ClientConnInterface]*link
}

// keySpace is what key rules depend on.
type keySpace struct {
	Keys
	prefix string
}

// keyRules returns the rules of a key space, which are made once for all workers. Without
// a run in common, they are made each time.
func (s *shared) keyRules(k Keys, prefix string) *keyRules {
	if s == nil {
		return newKeyRules(k, prefix)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := keySpace{k, prefix}
	r := s.rules[id]
	if r == nil {
		if s.rules == nil {
			s.rules = map[keySpace]*keyRules{}
		}
		r = newKeyRules(k, prefix)
		s.rules[id] = r
	}
	return r
}

// populatorAccounts returns accounts for so many at once. Populations are written one
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

// stream is the connection of watch stream i.
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
	// Validate checks the parameters against each other and the prefix; nothing
	// has been started yet.
	Validate(prefix string) error
	// New binds the workload.
	New(t Target) (bench.Workload, error)
}

// Entry is a registered workload.
type Entry struct {
	Name    string
	Summary string
	// Measures says exactly what one operation and its latency are.
	Measures string
	// Active means that it does something even without operations of its own.
	Active bool
	// Storage is the part of etcd in this process that it works on instead of a cluster.
	Storage StorageLayer
	Define  func() Definition
}

// All lists the workloads.
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

// Find returns the workload of a name. The error names the nearest one.
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

// New makes a workload by name with parameters other than the defaults, for
// programs that use the package without a command line.
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
	// wide names the parameter that does so, and is empty where none does.
	wide() string
}

// Wide names the parameter by which a workload of the plan touches more of a cluster
// than the run's own keys, such as --compact-interval; it is empty where none does. The
// error is that of the entries.
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

// A ParamError is a wrong name or a wrong value of one parameter.
type ParamError struct {
	// Name is the parameter's name as it was given.
	Name string
	err  error
}

// Error implements error. The text contains the name.
func (e *ParamError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *ParamError) Unwrap() error { return e.err }

// Configure returns the workload's definition with the given parameters set, and
// all of its parameters. An error is a [*ParamError]: of several wrong parameters,
// that of the first by name.
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

// tag marks the stamps of the target's share. Those of the other shares of the run are
// its neighbours.
func (t Target) tag() uint32 { return ledger.RunTag(t.Prefix, t.Seed) + uint32(t.Share.Index) }

// isForeign reports whether a value has the stamp of another share of the run.
func (t Target) isForeign(value []byte) bool {
	tag, ok := ledger.StampTag(value)
	place := tag - ledger.RunTag(t.Prefix, t.Seed)
	return ok && place < uint32(t.Share.Count) && place != uint32(t.Share.Index)
}

// numbers returns those of total things, such as leases, that belong to the target's
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

// nothing is the Setup and Teardown of workloads that need neither.
type nothing struct{}

func (nothing) Setup(context.Context, func(done, total int)) error { return nil }
func (nothing) Teardown(context.Context) error                     { return nil }
