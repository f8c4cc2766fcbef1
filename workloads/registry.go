// Package workloads holds the generators of operations against etcd, one file
// each, and the keys and values they have in common.
//
// A workload sends its requests over the connections it is given, keeps to its
// prefix, and makes each request from the plan's seed and the operation's phase
// and number alone. It does no measuring of its own.
package workloads

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
)

// Target is where a workload works.
type Target struct {
	// Conns are shared by the clients: client i uses Conns[i mod len(Conns)].
	Conns []grpc.ClientConnInterface
	// Prefix starts every key.
	Prefix string
	Seed   uint64
	// Populators is how many keys are written at once while populating; 0 means 64.
	Populators int
}

func (t Target) conn(client int) grpc.ClientConnInterface { return t.Conns[client%len(t.Conns)] }

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
	Define   func() Definition
}

// All lists the workloads.
func All() []Entry {
	return []Entry{
		putEntry(),
		rangeEntry(),
	}
}

// Find returns the workload of a name. The error lists the names there are.
func Find(name string) (Entry, error) {
	var names []string
	for _, e := range All() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("unknown workload %q: there are %q", name, names)
}

// New makes a workload by name with parameters other than the defaults, for
// programs that use the package without a command line.
func New(name string, t Target, params map[string]string) (bench.Workload, error) {
	e, err := Find(name)
	if err != nil {
		return nil, err
	}
	d := e.Define()
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	d.AddFlags(fs)
	for k, v := range params {
		if fs.Lookup(k) == nil {
			return nil, fmt.Errorf("workload %s has no parameter %q", name, k)
		}
		if err := fs.Set(k, v); err != nil {
			return nil, fmt.Errorf("workload %s: %w", name, err)
		}
	}
	if err := d.Validate(t.Prefix); err != nil {
		return nil, fmt.Errorf("workload %s: %w", name, err)
	}
	return d.New(t)
}

// nothing is the Setup and Teardown of workloads that need none.
type nothing struct{}

func (nothing) Setup(context.Context, func(done, total int)) error { return nil }
func (nothing) Teardown(context.Context) error                     { return nil }
