package runner

import (
	"fmt"
	"reflect"
	"slices"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// layer returns the storage layer in this process that gets the load instead of a cluster, or
// [workloads.NoLayer].
func (r *Resolved) layer() workloads.StorageLayer {
	if r.Scenario == nil { // an agent's share, which needs a cluster
		return workloads.NoLayer
	}
	for _, e := range r.Scenario.Mix {
		if w, err := workloads.Find(e.Workload); err == nil && w.Storage != workloads.NoLayer {
			return w.Storage
		}
	}
	return workloads.NoLayer
}

// OnStorage reports whether the load of the specification is for a storage layer in this
// process instead of a cluster.
func (s Spec) OnStorage() bool {
	r := &Resolved{Spec: s.Clone()}
	return r.readScenario() == nil && r.onStorage()
}

// onStorage reports whether the load is for a storage layer.
func (r *Resolved) onStorage() bool { return r.layer() != workloads.NoLayer }

// storageFlags are the flags of a cluster that apply to the storage layer as well.
var storageFlags = [...]string{"backend-batch-interval", "backend-batch-limit", "quota", "unsafe-no-fsync", "data-dir", "disk-probe"}

// checkStorage returns an error if the specification has settings that need a cluster, and the
// load is for a storage layer.
func (r *Resolved) checkStorage() error {
	if !r.onStorage() {
		return nil
	}
	for _, e := range r.Scenario.Mix {
		if w, err := workloads.Find(e.Workload); err == nil && w.Storage != r.layer() {
			return invalid("workload", "%s cannot be mixed with the others: all workloads of a storage run use the same storage layer", e.Workload)
		}
	}
	c := r.Scenario.Cluster
	kept := scenario.Cluster{
		Quota: c.Quota, BackendBatchInterval: c.BackendBatchInterval, BackendBatchLimit: c.BackendBatchLimit, UnsafeNoFsync: c.UnsafeNoFsync,
	}
	if !reflect.DeepEqual(c, kept) {
		return invalid("scenario", "cluster: a storage layer supports only the settings quota, backend-batch-interval, "+
			"backend-batch-limit and unsafe-no-fsync: remove the others")
	}
	s := r.Spec
	refused := flagsSet(s.Cluster)
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"conns", s.Load.Conns != nil}, {"transport", s.Load.Transport != nil && *s.Load.Transport != TransportAuto},
		{"target", s.Load.Target != nil}, {"disturb", len(r.Scenario.Disturbances) > 0}, {"allow-disturbances", s.AllowDisturbances},
		{"allow-existing", s.AllowExisting}, {"keep-data", s.KeepData},
		{"verify", s.Verify != nil && *s.Verify},
		{"server-metrics", s.ServerMetrics != nil && *s.ServerMetrics}, {"agents", s.Agents.Count > 0},
	} {
		if f.set {
			refused = append(refused, f.name)
		}
	}
	for _, name := range refused {
		if !slices.Contains(storageFlags[:], name) {
			return invalid("cluster", "--%s is for clusters: %s uses etcd's storage layer in this process", name, r.Scenario.Name)
		}
	}
	if s.Experiment.Faults != nil || s.Experiment.MemberDown || s.Experiment.Resilience {
		return invalid("experiment", "faults are for clusters: %s uses etcd's storage layer in this process", r.Scenario.Name)
	}
	return nil
}

// A layer is a storage layer. Its requests are function calls.
type layer interface {
	cluster.Cluster
	grpc.ClientConnInterface
}

// startLayer opens the storage layer.
func (r *Resolved) startLayer(s cluster.Settings) (cluster.Cluster, error) {
	var c cluster.Cluster
	var err error
	if r.layer() == workloads.LogLayer {
		c, err = cluster.StartLog(s)
	} else {
		c, err = cluster.StartStorage(s)
	}
	if err != nil { // a nil pointer would make an interface that is not nil
		return nil, err
	}
	return c, nil
}

// connectStorage creates connections whose requests are calls of the storage layer.
func (s *session) connectStorage(r *Resolved) error {
	c, ok := s.Cluster.(layer)
	if !ok {
		return fmt.Errorf("%s uses etcd's storage layer: it cannot run on a cluster", r.Scenario.Name)
	}
	s.info = c.Describe()
	s.admin, s.load = transport.Direct(c, 1), transport.Direct(c, r.Plan.Conns)
	return nil
}
