package runner

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// Text returns the resolved specification as a scenario with the same effect. Settings that a
// scenario cannot contain precede it as comments.
func (r *Resolved) Text() (string, error) {
	s, p := *r.Scenario, r.Plan
	s.Clients, s.Conns, s.Queue, s.Seed, s.Target = p.Clients, p.Conns, p.QueueLimit, p.Seed, p.Target
	s.Timeout, s.Drain = scenario.Duration(p.Timeout), scenario.Duration(p.Drain)
	s.SetPhases(p.Phases)
	s.SetEntries(p.Entries(), p.Prefix)
	target := "# endpoints: " + strings.Join(r.Spec.Cluster.Endpoints, ",")
	s.Cluster = scenario.Cluster{}
	if r.onStorage() {
		target = "# uses etcd's storage layer in this process, without a cluster"
		s.Cluster = scenario.Cluster{
			BackendBatchInterval: scenario.Duration(r.Settings.BackendBatchInterval), BackendBatchLimit: r.Settings.BackendBatchLimit,
			UnsafeNoFsync: r.Settings.UnsafeNoFsync,
		}
	} else if !r.Spec.Cluster.Running() {
		s.Cluster = r.clusterText()
		target = fmt.Sprintf("# starts a cluster of %d", s.Cluster.Members)
	}
	text, err := s.Text()
	if err != nil {
		return "", fmt.Errorf("print the plan: %w", err)
	}
	return fmt.Sprintf("%s\n# prefix: %s\n# transport: %s\n# verify: %v\n# longest time if the cluster stops answering: %v\n%s",
		target, p.Prefix, p.Transport, p.Verify, r.Limit().Round(time.Second), text), nil
}

// clusterText is the inverse of resolveCluster.
func (r *Resolved) clusterText() scenario.Cluster {
	c := r.Settings
	w := scenario.Cluster{
		Members: c.Members, SnapshotCount: c.SnapshotCount, BackendBatchLimit: c.BackendBatchLimit, AutoCompaction: c.AutoCompaction,
		HeartbeatInterval: scenario.Duration(c.HeartbeatInterval), ElectionTimeout: scenario.Duration(c.ElectionTimeout),
		BackendBatchInterval: scenario.Duration(c.BackendBatchInterval),
		UnsafeNoFsync:        c.UnsafeNoFsync, EtcdVersion: r.Version, EtcdFlag: c.EtcdFlags,
	}
	if c.Quota != cluster.DefaultSettings().Quota {
		w.Quota = strconv.FormatInt(c.Quota, 10)
	}
	return w
}

// overhead is the estimated length of the steps besides the load: start, drain, stop and proof.
const overhead = 3300 * time.Millisecond

// Estimate returns the estimated length of the whole run, including its population. A phase
// with a Total counts as 0.
func (r *Resolved) Estimate() time.Duration {
	sum := r.Length() + overhead + workloads.PopulationTime(&r.Plan)
	if !r.Spec.Cluster.Running() {
		sum += pick(r.Spec.Cluster.Start.DiskProbe, 0, DefaultDiskProbe)
	}
	return sum
}
