package runner

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"sync"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// Fleet assigns the load of runs to agents, which are separate processes.
type Fleet interface {
	// Assign gives the agents their shares of a run. An error that the run's cluster causes is
	// a [SpecError].
	Assign(ctx context.Context, a Assignment) (AssignedFleet, error)
}

// AssignedFleet generates the load of one run.
type AssignedFleet interface {
	bench.Fleet
	// Steer applies s in all agents, and returns when all have done so. It may be called under
	// load and concurrently.
	Steer(ctx context.Context, s Steering) error
}

// Agents says how many processes generate the load. With the zero value, it is this process
// alone.
type Agents struct {
	Count int `json:"count,omitempty"`
	// Local starts the agents on this machine.
	Local bool `json:"local,omitempty"`
	// SSH lists the machines on which the agents are started, one agent on each.
	SSH []string `json:"ssh,omitempty"`
	// Continue lets the other agents finish when one is lost. The run fails nevertheless.
	Continue bool `json:"continue,omitempty" flag:"on-agent-loss"`
}

// Assignment is the information about a run that agents need to carry out their shares of it.
// It contains no secret.
type Assignment struct {
	ID      string     `json:"id"`
	Plan    bench.Plan `json:"plan"`
	Cluster Cluster    `json:"cluster"`
	// Disposable and Exclusive are the fields of [workloads.Target].
	Disposable bool `json:"disposable,omitempty"`
	Exclusive  bool `json:"exclusive,omitempty"`
	// Moments is the field of [bench.Options].
	Moments bool `json:"moments,omitempty"`
	// Recorded says that writes are recorded. Revision is the store's revision before the first
	// write.
	Recorded bool  `json:"recorded,omitempty"`
	Revision int64 `json:"revision,omitempty"`
	// Steered says that the load must avoid members with faults.
	Steered bool `json:"steered,omitempty"`
	// LeaseTag is the tag of the coordinator's leases. The agents use the following ones, by
	// index.
	LeaseTag uint32 `json:"lease_tag,omitempty"`
	// ClusterID is the ID of the cluster under test.
	ClusterID uint64 `json:"cluster_id,omitempty"`
	// Continue is the field of [Agents].
	Continue bool `json:"continue,omitempty"`
	// Handover is the data of [bench.Sharer].
	Handover []byte `json:"handover,omitempty"`
}

// checkAgents returns an error if the plan cannot be divided among the agents.
func (r *Resolved) checkAgents() error {
	a, p := r.Spec.Agents, r.Plan
	switch {
	case a.Count == 0:
		return nil
	case a.Count < 0 || a.Count > maxAgents:
		return invalid("agents.count", "--agents must be between 1 and %d, not %d", maxAgents, a.Count)
	case a.Count > p.Clients:
		return invalid("agents.count", "--agents %d is more than the %d clients: raise --clients", a.Count, p.Clients)
	case a.Count > p.Conns:
		return invalid("agents.count", "--agents %d is more than the %d connections: raise --conns", a.Count, p.Conns)
	case !a.Local && !r.Spec.Cluster.Running():
		return invalid("agents", "--agents %d needs --endpoints: a cluster that etcdbench starts is reachable only from this machine; "+
			"or start the agents here with --agents local:%d", a.Count, a.Count)
	}
	for i, ph := range p.Phases {
		if ph.Total > 0 && i < len(p.Phases)-1 {
			return invalid("load.phases", "--agents: phase %s ends after a number of operations, which only the last phase may: give it a duration",
				ph.Name)
		}
	}
	return nil
}

// maxAgents is the largest number of agents of a run.
const maxAgents = 10_000

// assign gives the agents their shares of the run.
func (r *Resolved) assign(ctx context.Context, s *session, fleet Fleet, o bench.Options, watch *outage) (bench.Fleet, error) {
	a := Assignment{
		ID: r.ID, Plan: r.Plan, Cluster: r.Spec.Cluster, Disposable: !r.Spec.Cluster.Running(), Exclusive: r.exclusive(),
		Moments: o.Moments, Continue: r.Spec.Agents.Continue, ClusterID: s.clusterID,
		Steered: s.steer != nil,
	}
	if s.writes != nil {
		a.Recorded, a.Revision, a.LeaseTag = true, s.writes.Start(), s.leaseTag
	}
	if !r.Spec.Cluster.Running() {
		a.Cluster = Cluster{TargetLeader: r.Spec.Cluster.TargetLeader, DialTimeout: r.Spec.Cluster.DialTimeout}
		for _, m := range s.Members() {
			if m.Endpoint != s.down { // agents need an answer from each endpoint
				a.Cluster.Endpoints = append(a.Cluster.Endpoints, m.Endpoint)
			}
		}
		if c, ok := s.Cluster.(interface{ CertFile() string }); ok && s.TLS() != nil {
			a.Cluster.Remote.CACert = c.CertFile()
		}
	}
	if fleet == nil {
		return nil, invalid("agents", "--agents: the caller gives no agents")
	}
	assigned, err := fleet.Assign(ctx, a)
	if err != nil {
		return nil, err
	}
	s.agents = assigned
	return &recordedFleet{Fleet: assigned, writes: s.writes, outage: watch}, nil
}

// shareEvidence is the data of an agent for the proof and the clean-up.
type shareEvidence struct{ Workload, Writes []byte }

// recordedFleet merges the agents' records of their writes, and reports the end of the load to
// the outage observer.
type recordedFleet struct {
	bench.Fleet
	outage  *outage
	writes  *workloads.Writes
	once    sync.Once
	reports []bench.Report
}

// Load implements [bench.Fleet].
func (f *recordedFleet) Load(ctx context.Context, each func(*results.Interval)) error {
	err := f.Fleet.Load(ctx, each)
	f.outage.loadEnded(err)
	return err
}

// Reports implements [bench.Fleet].
func (f *recordedFleet) Reports() []bench.Report {
	f.once.Do(func() {
		f.reports = f.Fleet.Reports()
		for i := range f.reports {
			r := &f.reports[i]
			if r.Run == nil {
				continue
			}
			var e shareEvidence
			err := gob.NewDecoder(bytes.NewReader(r.Evidence)).Decode(&e)
			if err = errors.Join(err, f.writes.Merge(e.Writes)); err != nil {
				r.Run, r.Agent.Failure = nil, fmt.Sprintf("its evidence cannot be read: %v", err)
			}
			r.Evidence = e.Workload
		}
	})
	return f.reports
}

// recordedPeers also hands over the record of the share's writes.
type recordedPeers struct {
	bench.Peers
	writes *workloads.Writes
}

// Done implements [bench.Peers].
func (p recordedPeers) Done(ctx context.Context, run *results.Run, evidence []byte) error {
	writes, err := p.writes.Record()
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(shareEvidence{Workload: evidence, Writes: writes}); err != nil {
		return fmt.Errorf("encode evidence: %w", err)
	}
	return p.Peers.Done(ctx, run, buf.Bytes())
}

// ShareOptions is what an agent needs in addition to its assignment.
type ShareOptions struct {
	Share bench.Share
	Peers bench.Peers
	// Password is the password of the cluster's user.
	Password  string
	Observers []bench.Observer
	// Steering receives the coordinator's instructions about members. Steered is called after
	// each of them has been applied.
	Steering <-chan Steering
	Steered  func(ctx context.Context)
}

// RunShare carries out one share of a run. The caller provides the credentials, which an
// [Assignment] does not contain.
func RunShare(ctx context.Context, a Assignment, o ShareOptions) (*results.Run, error) {
	r := &Resolved{Spec: Spec{Cluster: a.Cluster}, ID: a.ID, Plan: a.Plan, share: o.Share, assignment: &a}
	if err := errors.Join(bench.ValidatePlan(a.Plan), r.checkRunning(), checkFiles(a.Plan, o.Share)); err != nil {
		return nil, err
	}
	s, err := r.openSession(ctx, "", Options{Password: o.Password})
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.close(ctx) }() // no cluster was started
	if a.Recorded {
		s.writes, s.leaseTag = workloads.NewWrites(a.Revision), a.LeaseTag+1+uint32(o.Share.Index)
	}
	w, options, err := r.bind(s)
	if err != nil {
		return nil, err
	}
	if err := w.(bench.Sharer).TakeOver(a.Handover); err != nil {
		return nil, err
	}
	setting, undo := machine.TuneGC()
	defer undo()
	options.Environment = machine.Describe(ctx)
	options.Environment.GOGC = setting
	options.Observers, options.Sampler, options.Moments, options.Disturbances = o.Observers, nil, a.Moments, nil
	options.Share, options.Peers = o.Share, recordedPeers{o.Peers, s.writes}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.follow(ctx, o)
	return bench.Run(ctx, r.Plan, w, options)
}

// spareFiles is the number of open files that a process needs in addition to its connections.
const spareFiles = 64

// checkFiles returns an error if the process may not open as many files as the share has
// connections.
func checkFiles(p bench.Plan, share bench.Share) error {
	_, conns := share.Divide(p.Conns)
	if limit := machine.OpenFiles(); limit > 0 && uint64(conns+spareFiles) > limit {
		return fmt.Errorf("%d connections need more than the %d open files that this process may have: raise the limit with ulimit -n",
			conns, limit)
	}
	return nil
}
