package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/scratch"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/claim"
)

// session is a cluster that answers, and connections to it.
type session struct {
	cluster.Cluster
	// kept says that the caller stops the cluster.
	kept    bool
	info    results.Cluster
	disk    *results.Disk
	dataDir string
	// data keeps the directory from being taken for one that a killed process has left.
	data *scratch.Dir
	// admin has one connection per member, for questions beside the load.
	admin *transport.Pool
	load  *transport.Pool
	// steer keeps the load away from a member; nil where nothing wants that.
	steer *transport.Steer
	// down is the endpoint of a member that is down during the whole load; empty where none is.
	down string
	// agents generate the load; nil where this process does.
	agents AssignedFleet
	// clusterID is that of the cluster.
	clusterID uint64
	// writes are those of the run to a running cluster; nil where one was started.
	writes *workloads.Writes
	// claim is that of the prefix in a running cluster; nil where none was needed.
	claim *claim.Claim
	// left says that keys or leases of the run are left there, or may appear yet.
	left bool
	// leaseTag is that of this process's leases; 0 where any will do.
	leaseTag uint32
}

// openSession starts or finds the cluster and connects to it.
func (r *Resolved) openSession(ctx context.Context, runDir string, o Options) (_ *session, err error) {
	if o.Cluster != nil {
		s := &session{Cluster: o.Cluster, kept: true}
		if err := s.connect(ctx, r, o.Password); err != nil {
			return nil, errors.Join(err, s.close(ctx))
		}
		return s, nil
	}
	s := &session{}
	if s.dataDir, err = r.makeDataDir(runDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.dataDir != "" {
		if s.data, err = scratch.Hold(s.dataDir); err != nil {
			return nil, err
		}
		if s.disk, err = machine.ProbeDisk(ctx, s.dataDir, pick(r.Spec.Cluster.Start.DiskProbe, 0, DefaultDiskProbe)); err != nil {
			return nil, err
		}
	}
	if s.Cluster, err = r.startCluster(ctx, s.dataDir, runDir); err != nil {
		return nil, err
	}
	if e := r.Spec.Experiment; e.MemberDown || e.Faults != nil || r.given != nil && r.given.Steered {
		s.steer = &transport.Steer{}
	}
	if err := s.connect(ctx, r, o.Password); err != nil {
		return nil, err
	}
	return s, nil
}

// makeDataDir makes the directory in which our members' data lie, named after
// the run, so that what is removed afterwards is our own. It returns "" where
// no cluster is started.
func (r *Resolved) makeDataDir(runDir string) (string, error) {
	if r.Spec.Cluster.Running() {
		return "", nil
	}
	dir := filepath.Join(runDir, scratch.DataDir)
	if given := r.Spec.Cluster.Start.DataDir; given != "" {
		dir = filepath.Join(given, scratch.GivenDataDir(r.ID))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("--data-dir: %w", err)
	}
	return filepath.Abs(dir)
}

// Started is a cluster without a load.
type Started struct {
	cluster.Cluster
	// DataDir has the members' data.
	DataDir string
	data    *scratch.Dir
}

// StartCluster starts the cluster that the specification describes, without a load. Its
// logs lie in runDir. The caller stops it.
func (r *Resolved) StartCluster(ctx context.Context, runDir string) (*Started, error) {
	s := &Started{}
	var err error
	if s.DataDir, err = r.makeDataDir(runDir); err != nil {
		return nil, err
	}
	if s.data, err = scratch.Hold(s.DataDir); err == nil {
		s.Cluster, err = r.startCluster(ctx, s.DataDir, runDir)
	}
	if err != nil {
		return nil, errors.Join(err, s.leave())
	}
	return s, nil
}

// Stop implements [cluster.Cluster]. It also removes the directory of the data.
func (s *Started) Stop() error { return errors.Join(s.Cluster.Stop(), s.leave()) }

func (s *Started) leave() error {
	defer s.data.Release()
	return removeDataDir(s.DataDir)
}

// removeDataDir removes the directory of the data of members that have stopped. It is empty
// by now; what is not ours stays, and keeps the directory.
func removeDataDir(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove data directory: %w", err)
	}
	return nil
}

// startCluster returns the cluster, ready, with its data in dataDir and its logs in
// runDir.
func (r *Resolved) startCluster(ctx context.Context, dataDir, runDir string) (c cluster.Cluster, err error) {
	if running := r.Spec.Cluster; running.Running() {
		if !running.secure() {
			return cluster.NewRemote(running.Endpoints, nil), nil
		}
		config, err := running.files().Config(time.Now())
		if err != nil {
			return nil, err
		}
		return cluster.NewRemote(running.Endpoints, config), nil
	}
	s := r.Settings
	s.DataDir, s.LogDir = dataDir, filepath.Join(runDir, results.MembersDir)
	if r.onStorage() {
		return r.startLayer(s)
	}
	if r.Spec.Cluster.Start.InProcess {
		started, err := cluster.StartInProcess(ctx, s)
		if err != nil { // a nil pointer would make an interface that is not nil
			return nil, err
		}
		return started, nil
	}
	binary := r.Spec.Cluster.Start.Binary
	if r.Version != "" {
		if binary, err = cluster.BuildVersion(ctx, r.Version, ""); err != nil {
			return nil, err
		}
	}
	started, err := cluster.StartProcesses(ctx, cluster.ProcessOptions{Settings: s, Binary: binary})
	if err != nil {
		return nil, err
	}
	return started, nil
}

// connect finds out who is there, and dials.
func (s *session) connect(ctx context.Context, r *Resolved, password string) error {
	if r.onStorage() {
		return s.connectStorage(r)
	}
	endpoints := cluster.Endpoints(s)
	timeout := pick(r.Spec.Cluster.DialTimeout, 0, DefaultDialTimeout)
	options := transport.Options{Endpoints: endpoints, Conns: len(endpoints), TLS: s.TLS(), Timeout: timeout, Kind: transport.GRPC}
	dialCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// Without credentials first: a failed login would not show that no server is there.
	probe, err := transport.Dial(ctx, options)
	if err != nil {
		return err
	}
	defer probe.Close()
	if err := cluster.Reach(dialCtx, s.Members(), probe.Conns()); err != nil {
		return err
	}
	options.User, options.Password = r.Spec.Cluster.Remote.User, password
	if s.admin, err = transport.Dial(ctx, options); err != nil {
		return err
	}
	if s.info, err = cluster.Inspect(dialCtx, s, s.admin.Conns()); err != nil {
		return err
	}
	if s.clusterID, err = cluster.ID(dialCtx, s.admin.Conns()[0]); err != nil {
		return err
	}
	options.Conns, options.Endpoints = r.Plan.Conns, ordered(s.info, endpoints)
	if r.Spec.Cluster.TargetLeader {
		options.Endpoints = nil
		for _, m := range s.info.Members {
			if m.Leader {
				options.Endpoints = []string{m.Endpoint}
			}
		}
		if options.Endpoints == nil {
			return errors.New("--target-leader: none of the endpoints is the leader")
		}
	}
	options.Kind = r.Plan.Transport
	options.Yield, options.Poll = readers(r.Plan)
	s.countConns(options)
	first, count := r.share.Divide(options.Conns)
	if r.Spec.Agents.Count > 0 {
		count = len(options.Endpoints) // for the preparation: the load is the agents'
	}
	options.Conns, options.Endpoints = count, rotate(options.Endpoints, first)
	s.load, err = transport.Dial(ctx, options)
	return err
}

// rotate returns a list that begins with the entry at a place, around its end.
func rotate(list []string, place int) []string {
	place %= len(list)
	return slices.Concat(list[place:], list[:place])
}

// pollRate is the highest rate, in requests a second, whose replies one CPU reads beside
// the arrivals with much to spare.
const pollRate = 30_000

// readers decides how connections are read. Where all phases are closed loops, requests
// may wait a moment to share a write; where one is an open loop, replies are read where
// arrivals are waited for.
func readers(p results.Plan) (yield, poll bool) {
	rate := 0.0
	for _, ph := range p.Phases {
		rate = max(rate, ph.Load.Rate, ph.Load.RateEnd)
	}
	return rate == 0, rate > 0 && rate <= pollRate
}

// ordered returns endpoints in an order that does not depend on the one in which they were
// given: the leader's first, then by the IDs of the members where the cluster is a running
// one. Where there are more connections or clients for some members than for others, the
// leader always belongs to the same ones.
func ordered(c results.Cluster, endpoints []string) []string {
	type place struct {
		after  int // the leader
		member string
	}
	places := map[string]place{}
	for _, m := range c.Members {
		p := place{after: 1}
		if m.Leader {
			p.after = 0
		}
		if c.Kind == results.ClusterRemote {
			p.member = m.ID + " " + m.Endpoint
		}
		places[m.Endpoint] = p
	}
	return slices.SortedStableFunc(slices.Values(endpoints), func(a, b string) int {
		return cmp.Or(cmp.Compare(places[a].after, places[b].after), cmp.Compare(places[a].member, places[b].member))
	})
}

// countConns notes how many of the load's connections each member has.
func (s *session) countConns(o transport.Options) {
	for i := range o.Conns {
		endpoint := o.Endpoints[i%len(o.Endpoints)]
		for k := range s.info.Members {
			if s.info.Members[k].Endpoint == endpoint {
				s.info.Members[k].Conns++
			}
		}
	}
}

// conn is a connection for single requests with the load's credentials.
func (s *session) conn() grpc.ClientConnInterface { return s.load.Conns()[0] }

// loadConns are the connections that the load uses.
func (s *session) loadConns() []grpc.ClientConnInterface {
	if s.steer != nil {
		return s.load.Steered(s.steer)
	}
	return s.load.Conns()
}

// recorded returns the connections, with a record of what is written through them where
// the cluster is a running one.
func (s *session) recorded(conns []grpc.ClientConnInterface) []grpc.ClientConnInterface {
	if s.writes == nil {
		return conns
	}
	return s.writes.Conns(conns)
}

// close gives up the claim, disconnects, stops what was started and removes its data. ctx
// is that of the run, which may have ended.
func (s *session) close(ctx context.Context) error {
	ctx, cancel := bench.CleanUp(ctx, releaseTime)
	defer cancel()
	err := s.claim.Release(ctx, s.left)
	for _, p := range []*transport.Pool{s.load, s.admin} {
		if p != nil {
			p.Close()
		}
	}
	if s.Cluster != nil && !s.kept {
		err = errors.Join(err, s.Stop())
	}
	defer s.data.Release()
	if s.dataDir != "" {
		err = errors.Join(err, removeDataDir(s.dataDir))
	}
	return err
}
