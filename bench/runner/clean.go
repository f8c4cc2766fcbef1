package runner

import (
	"cmp"
	"context"
	"fmt"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/workloads"
)

// Leftovers are the keys and leases that runs have left in a running cluster.
type Leftovers struct {
	List []*workloads.Leftover
	pool *transport.Pool
}

// FindLeftovers lists what runs have left below a prefix of a running cluster. An empty prefix
// means the default prefix of all runs. The caller must call Close to end the connections.
func FindLeftovers(ctx context.Context, c Cluster, prefix, password string) (*Leftovers, error) {
	if !c.Running() {
		return nil, invalid("cluster.endpoints", "--endpoints is missing: give the addresses of the cluster")
	}
	prefix = cmp.Or(prefix, workloads.Namespace)
	if err := workloads.CheckPrefix(prefix); err != nil {
		return nil, fieldError("prefix", err)
	}
	r := &Resolved{Spec: Spec{Cluster: c}}
	if err := r.checkRunning(); err != nil {
		return nil, err
	}
	running, err := r.startCluster(ctx, "", "")
	if err != nil {
		return nil, err
	}
	timeout := pick(c.DialTimeout, 0, DefaultDialTimeout)
	options := transport.Options{Endpoints: c.Endpoints, Conns: len(c.Endpoints), TLS: running.TLS(), Timeout: timeout}
	dial, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	probe, err := transport.Dial(ctx, options)
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	if err := cluster.Reach(dial, running.Members(), probe.Conns()); err != nil {
		return nil, err
	}
	options.User, options.Password = c.Remote.User, password
	l := &Leftovers{}
	if l.pool, err = transport.Dial(ctx, options); err != nil {
		return nil, err
	}
	if l.List, err = workloads.FindLeftovers(ctx, l.pool.Conns(), prefix); err != nil {
		l.Close()
		return nil, fmt.Errorf("find what runs have left: %w", err)
	}
	return l, nil
}

// Remove removes one entry of the list, and returns the number of deleted keys.
func (l *Leftovers) Remove(ctx context.Context, of *workloads.Leftover) (deleted int, err error) {
	return of.Remove(ctx, l.pool.Conns())
}

// Close closes the connections.
func (l *Leftovers) Close() { l.pool.Close() }
