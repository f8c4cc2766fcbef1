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

// session is a cluster that answers, with its connections.
type session struct {
	cluster.Cluster
	// kept says that the caller stops the cluster.
	kept    bool
	info    results.Cluster
	disk    *results.Disk
	dataDir string
	// data marks the directory as in use, so that it is not removed as the remains of a killed
	// process.
	data *scratch.Dir
	// admin has one connection per member, for requests beside the load.
	admin *transport.Pool
	load  *transport.Pool
	// steer keeps the load away from a member. It is nil if no member must be avoided.
	steer *transport.Steer
	// down is the endpoint of a member that is down during the whole load. It is empty if there
	// is none.
	down string
	// agents generate the load. It is nil if this process generates it.
	agents AssignedFleet
	// clusterID is the ID of the cluster.
	clusterID uint64
	// writes records the run's writes to a running cluster. It is nil for started clusters.
	writes *workloads.Writes
	// claim is the claim of the prefix in a running cluster. It is nil if none is needed.
	claim *claim.Claim
	// left says that keys or leases of the run remain in the cluster, or may still appear
	// there.
	left bool
	// leaseTag is the tag of this process's leases. 0 means any tag.
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
	if e := r.Spec.Experiment; e.MemberDown || e.Faults != nil || r.assignment != nil && r.assignment.Steered {
		s.steer = &transport.Steer{}
	}
	if err := s.connect(ctx, r, o.Password); err != nil {
		return nil, err
	}
	return s, nil
}

// makeDataDir creates the directory for the members' data. It has the name of the run, so that
// the clean-up removes only directories of this run. It returns "" if no cluster is started.
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

// Started is a running cluster without a load.
type Started struct {
	cluster.Cluster
	// DataDir is the directory of the members' data.
	DataDir string
	data    *scratch.Dir
}

// StartCluster starts the cluster that the specification describes, without a load. It writes
// the members' logs to runDir. The caller must stop the cluster.
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

// Stop implements [cluster.Cluster]. It also removes the data directory.
func (s *Started) Stop() error { return errors.Join(s.Cluster.Stop(), s.leave()) }

func (s *Started) leave() error {
	defer s.data.Release()
	return removeDataDir(s.DataDir)
}

// removeDataDir removes the data directory of stopped members, which is empty by now. If it
// contains other files, the directory stays.
func removeDataDir(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove data directory: %w", err)
	}
	return nil
}

// startCluster returns the cluster when it is ready. Its data is in dataDir and its logs are in
// runDir.
func (r *Resolved) startCluster(ctx context.Context, dataDir, runDir string) (c cluster.Cluster, err error) {
	if running := r.Spec.Cluster; running.Running() {
		if !running.usesTLS() {
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

// connect checks which endpoints answer, and opens the connections.
func (s *session) connect(ctx context.Context, r *Resolved, password string) error {
	if r.onStorage() {
		return s.connectStorage(r)
	}
	endpoints := cluster.Endpoints(s)
	timeout := pick(r.Spec.Cluster.DialTimeout, 0, DefaultDialTimeout)
	options := transport.Options{Endpoints: endpoints, Conns: len(endpoints), TLS: s.TLS(), Timeout: timeout, Kind: transport.GRPC}
	dialCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// Connect without credentials first: a failed login would not show that no server answers.
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
	options.Conns, options.Endpoints = r.Plan.Conns, orderEndpoints(s.info, endpoints)
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
	options.Yield, options.Poll = readModes(r.Plan)
	s.countConns(options)
	first, count := r.share.Divide(options.Conns)
	if r.Spec.Agents.Count > 0 {
		count = len(options.Endpoints) // for the preparation only: the agents generate the load
	}
	options.Conns, options.Endpoints = count, rotate(options.Endpoints, first)
	s.load, err = transport.Dial(ctx, options)
	return err
}

// rotate returns the list rotated so that it begins with the entry at the given place.
func rotate(list []string, place int) []string {
	place %= len(list)
	return slices.Concat(list[place:], list[:place])
}

// pollRate is the highest rate, in requests per second, at which one CPU can read the replies
// and start the arrivals with ample reserve.
const pollRate = 30_000

// readModes returns how connections are read. If all phases are closed loops, requests may wait
// briefly to share a write (yield). If a phase is an open loop, the goroutine that waits for
// arrivals reads the replies (poll).
func readModes(p results.Plan) (yield, poll bool) {
	rate := 0.0
	for _, ph := range p.Phases {
		rate = max(rate, ph.Load.Rate, ph.Load.RateEnd)
	}
	return rate == 0, rate > 0 && rate <= pollRate
}

// orderEndpoints returns the endpoints in an order that does not depend on the given order: the
// leader first, then by member ID if the cluster is a running one. If some members have more
// connections or clients than others, the leader is therefore always in the same group.
func orderEndpoints(c results.Cluster, endpoints []string) []string {
	type place struct {
		after  int // 0 for the leader, 1 for other members
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

// countConns records the number of the load's connections to each member.
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

// conn returns a connection for single requests, with the load's credentials.
func (s *session) conn() grpc.ClientConnInterface { return s.load.Conns()[0] }

// loadConns returns the connections of the load.
func (s *session) loadConns() []grpc.ClientConnInterface {
	if s.steer != nil {
		return s.load.Steered(s.steer)
	}
	return s.load.Conns()
}

// recorded returns the connections. For a running cluster, it adds a record of the writes
// through them.
func (s *session) recorded(conns []grpc.ClientConnInterface) []grpc.ClientConnInterface {
	if s.writes == nil {
		return conns
	}
	return s.writes.Conns(conns)
}

// close releases the claim, disconnects, stops what was started and removes its data. ctx is
// the context of the run, which may have ended.
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
