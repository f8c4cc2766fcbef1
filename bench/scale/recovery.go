package scale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
)

// recovery returns the steps of a rung that stop members.
func (e *Experiment) recovery() []step {
	list := []step{
		{results.ScaleRestart, restart}, skippable(results.ScaleColdRestart, restartCold),
		{results.ScaleFullLogRestart, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return restartFullLog(ctx, s, ev, e.snapshotCount())
		}},
		{results.ScaleKill, kill}, {results.ScaleClusterRestart, restartAll},
	}
	if e.first.Settings.Members < 3 {
		return list
	}
	return append(list,
		step{results.ScaleCatchUpLog, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return catchUp(ctx, s, ev, func(ctx context.Context, _ int) error { sleep(ctx, e.downTime); return ctx.Err() })
		}},
		step{results.ScaleCatchUpSnapshot, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return catchUp(ctx, s, ev, func(ctx context.Context, leader int) error {
				return fillLog(ctx, s, leader, logEntries(s.version(ctx, leader), e.snapshotCount()))
			})
		}},
		step{results.ScaleReplacement, replace},
	)
}

// measureRecovery waits until the members serve requests and the cluster is healthy. Times
// count from fault.
func measureRecovery(ctx context.Context, s *site, e *results.ScaleEvent, fault time.Time, members ...int) error {
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, len(members))
	for _, m := range members {
		go func() { served <- s.awaitServing(first, m) }()
	}
	if err := <-served; err != nil {
		return fmt.Errorf("no linearizable read succeeded: %w", err)
	}
	e.Serving = time.Since(fault)
	if err := s.awaitHealthy(ctx); err != nil {
		return fmt.Errorf("full redundancy was not reached: %w", err)
	}
	e.Redundant = time.Since(fault)
	if len(members) == 1 {
		e.Replayed = s.replayed(members[0])
	}
	return nil
}

// restart stops a follower, or the only member, with SIGTERM and starts it immediately.
func restart(ctx context.Context, s *site, e *results.ScaleEvent) error {
	member, err := s.follower(ctx)
	if err != nil {
		return err
	}
	e.Member = s.name(member)
	fault := time.Now()
	if err := s.Terminate(member); err != nil {
		return err
	}
	e.Ended = time.Since(fault)
	if err := s.Start(member); err != nil {
		return err
	}
	return measureRecovery(ctx, s, e, fault, member)
}

// kill kills the leader and starts it immediately.
func kill(ctx context.Context, s *site, e *results.ScaleEvent) error {
	member, err := s.leader(ctx)
	if err != nil {
		return err
	}
	e.Member, e.Detail = s.name(member), "the leader"
	fault := time.Now()
	if err := s.Kill(member); err != nil {
		return err
	}
	if err := s.Start(member); err != nil {
		return err
	}
	return measureRecovery(ctx, s, e, fault, member)
}

// restartAll stops all members at the same time with SIGTERM, and starts them.
func restartAll(ctx context.Context, s *site, e *results.ScaleEvent) error {
	fault := time.Now()
	var g errgroup.Group
	var all []int
	for i := range s.conns {
		all = append(all, i)
		g.Go(func() error { return s.Terminate(i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	e.Ended = time.Since(fault)
	for i := range s.conns {
		if err := s.Start(i); err != nil {
			return err
		}
	}
	return measureRecovery(ctx, s, e, fault, all...)
}

// catchUp stops a follower, calls meanwhile, and starts the follower. Times count from its
// start.
func catchUp(ctx context.Context, s *site, e *results.ScaleEvent, meanwhile func(ctx context.Context, leader int) error) error {
	leader, err := s.leader(ctx)
	if err != nil {
		return err
	}
	member := (leader + 1) % len(s.conns)
	e.Member = s.name(member)
	before := s.snapshotsReceived(member)
	if err := s.Kill(member); err != nil {
		return err
	}
	from := s.committed(ctx, leader)
	err = meanwhile(ctx, leader)
	missed := s.committed(ctx, leader) - from
	start := time.Now()
	if startErr := s.Start(member); startErr != nil || err != nil {
		return errors.Join(err, startErr)
	}
	err = measureRecovery(ctx, s, e, start, member)
	how := "by log"
	if s.snapshotsReceived(member) > before {
		how = "by snapshot"
	}
	e.Detail = fmt.Sprintf("%s, %s entries missed; times from its start", how, humanize.Comma(int64(missed)))
	if err == nil && !strings.HasSuffix(e.Kind, how) {
		err = fmt.Errorf("the member caught up %s", how)
	}
	return err
}

// committed returns the index of the leader's last entry, or 0 if the leader does not answer.
func (s *site) committed(ctx context.Context, leader int) uint64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := pb.NewMaintenanceClient(s.conns[leader]).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return 0
	}
	return st.RaftIndex
}

// snapshotsReceived returns the number of snapshots that a member has received from others,
// according to its log.
func (s *site) snapshotsReceived(member int) int {
	data, err := os.ReadFile(s.Members()[member].Log)
	if err != nil {
		return 0
	}
	return strings.Count(string(data), `"applied snapshot"`)
}

// catchUpEntries is the number of entries before a snapshot that etcd keeps for slow followers.
// defaultSnapshotCount is etcd's default of the entries between two snapshots.
const catchUpEntries, defaultSnapshotCount = 5_000, 10_000

// snapshotCount returns the number of entries that a member applies between two of its
// snapshots.
func (e *Experiment) snapshotCount() uint64 {
	return cmp.Or(e.first.Settings.SnapshotCount, defaultSnapshotCount)
}

// logEntries returns the number of entries that a follower must miss so that the log of a
// leader of an etcd version no longer contains them. Before 3.6, etcd removes entries only when
// it makes a snapshot.
func logEntries(version string, snapshotCount uint64) uint64 {
	const more = 1_000
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err == nil && (major > 3 || major == 3 && minor >= 6) {
		return catchUpEntries + more
	}
	return snapshotCount + catchUpEntries + more
}

// version returns the etcd version of a member, or "" if it does not answer.
func (s *site) version(ctx context.Context, member int) string {
	st, err := pb.NewMaintenanceClient(s.conns[member]).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return ""
	}
	return st.Version
}

// fillWriters is the number of concurrent writes that fill the log.
const fillWriters = 64

// fillLog overwrites one key, which is none of the objects, until the log has grown by that
// many entries.
func fillLog(ctx context.Context, s *site, leader int, entries uint64) error {
	key := []byte(strings.TrimSuffix(s.prefix, objectsPrefix) + "log")
	kv := pb.NewKVClient(s.conns[leader])
	g, ctx := errgroup.WithContext(ctx)
	for range fillWriters {
		g.Go(func() error {
			for range entries/fillWriters + 1 {
				if _, err := kv.Put(ctx, &pb.PutRequest{Key: key, Value: key}); err != nil {
					return fmt.Errorf("fill the log: %w", err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// replace kills a follower, removes it from the cluster, and adds an empty member in its place
// as a learner. The learner is promoted as soon as possible.
func replace(ctx context.Context, s *site, e *results.ScaleEvent) error {
	leader, err := s.leader(ctx)
	if err != nil {
		return err
	}
	member := (leader + 1) % len(s.conns)
	e.Member = s.name(member)
	st, err := pb.NewMaintenanceClient(s.conns[member]).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return err
	}
	fault := time.Now()
	if err := s.Kill(member); err != nil {
		return err
	}
	members := pb.NewClusterClient(s.conns[leader])
	if err := retry(ctx, func(ctx context.Context) error {
		_, err := members.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: st.Header.MemberId})
		return err
	}); err != nil {
		return fmt.Errorf("remove the member: %w", err)
	}
	var added *pb.MemberAddResponse
	if err := retry(ctx, func(ctx context.Context) (err error) {
		added, err = members.MemberAdd(ctx, &pb.MemberAddRequest{PeerURLs: []string{s.PeerURL(member)}, IsLearner: true})
		return err
	}); err != nil {
		return fmt.Errorf("add the learner: %w", err)
	}
	if err := s.Replace(member); err != nil {
		return err
	}
	if err := retry(ctx, func(ctx context.Context) error {
		if err := s.running(member); err != nil {
			return err
		}
		_, err := members.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: added.Member.ID}, grpc.WaitForReady(false))
		return err
	}); err != nil {
		return fmt.Errorf("promote the learner: %w", err)
	}
	e.Promoted = time.Since(fault)
	return measureRecovery(ctx, s, e, fault, member)
}

// retry calls do until it succeeds or ctx ends, and returns the last error.
func retry(ctx context.Context, do func(ctx context.Context) error) (err error) {
	for {
		if err = do(ctx); err == nil || errors.Is(err, errEnded) || !sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}
