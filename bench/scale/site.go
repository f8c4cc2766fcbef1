package scale

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// site is the cluster of a ladder, with a connection to each member for steps and queries.
type site struct {
	*cluster.Processes
	conns  []grpc.ClientConnInterface
	close  []func() error
	prefix string // the prefix of the objects
	// saved is the minimum content of the snapshot file; zero without a file.
	saved content
}

// dial connects to a member. It reconnects without delay when the member is available again.
func dial(c cluster.Cluster, endpoint string) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if c.TLS() != nil {
		creds = credentials.NewTLS(c.TLS())
	}
	return grpc.NewClient("passthrough:///"+endpoint, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: pollEvery, Multiplier: 1, MaxDelay: pollEvery}, MinConnectTimeout: time.Second,
		}))
}

func newSite(c *cluster.Processes, prefix string) (*site, error) {
	s := &site{Processes: c, prefix: prefix}
	for _, m := range c.Members() {
		conn, err := dial(c, m.Endpoint)
		if err != nil {
			return s, fmt.Errorf("connect to %s: %w", m.Name, err)
		}
		s.conns, s.close = append(s.conns, conn), append(s.close, conn.Close)
	}
	return s, nil
}

// stop disconnects. If the site owns the cluster, stop also stops the cluster and removes its
// data.
func (s *site) stop() (err error) {
	for _, f := range s.close {
		err = errors.Join(err, f())
	}
	return err
}

func (s *site) name(member int) string { return s.Members()[member].Name }

// end returns the first key after the objects.
func (s *site) end() []byte {
	end := []byte(s.prefix)
	end[len(end)-1]++
	return end
}

// file returns the size of a member's database in bytes, or 0 if there is none.
func (s *site) file(member int) int64 { return fileSize(s.DatabaseFile(member)) }

// fileSize returns the size of a file in bytes, or 0 if there is no file.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// files returns the size of the largest member's database in bytes.
func (s *site) files() (most int64) {
	for i := range s.conns {
		most = max(most, s.file(i))
	}
	return most
}

const (
	// pollEvery is the time between two requests to a member that does not serve yet.
	// pollTimeout bounds such a request.
	pollEvery, pollTimeout = 5 * time.Millisecond, 250 * time.Millisecond
)

// poll calls ask until it returns true.
func poll(ctx context.Context, ask func(ctx context.Context) bool) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, pollTimeout)
		yes := ask(attempt)
		cancel()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

// errEnded is the error when the process of a member has ended by itself.
var errEnded = errors.New("its process ended")

// running returns an error if a member's process has ended.
func (s *site) running(member int) error {
	if !s.Running(member) {
		return fmt.Errorf("member %s: %w: see its log", s.name(member), errEnded)
	}
	return nil
}

// awaitServing waits until a member answers a linearizable read. It returns an error if the
// member's process has ended.
func (s *site) awaitServing(ctx context.Context, member int) (err error) {
	pollErr := poll(ctx, func(ctx context.Context) bool {
		if err = s.running(member); err != nil {
			return true
		}
		_, readErr := pb.NewKVClient(s.conns[member]).Range(ctx, &pb.RangeRequest{Key: []byte(s.prefix)}, grpc.WaitForReady(false))
		return readErr == nil
	})
	return errors.Join(err, pollErr)
}

// awaitHealthy waits until all members answer, agree on a leader, vote, and have applied the
// entries that the leader had applied before.
func (s *site) awaitHealthy(ctx context.Context) error {
	target := uint64(math.MaxUint64)
	return poll(ctx, func(ctx context.Context) bool {
		list, ok := s.statuses(ctx)
		if !ok {
			return false
		}
		applied := uint64(0)
		for _, st := range list {
			ok = ok && st.Leader != 0 && st.Leader == list[0].Leader && !st.IsLearner && st.RaftAppliedIndex >= target
			applied = max(applied, st.RaftAppliedIndex)
		}
		if target == math.MaxUint64 || !ok {
			target = applied
		}
		return ok
	})
}

// statuses queries all members concurrently. ok is false if one does not answer.
func (s *site) statuses(ctx context.Context) (list []*pb.StatusResponse, ok bool) {
	list = make([]*pb.StatusResponse, len(s.conns))
	var wg sync.WaitGroup
	for i, conn := range s.conns {
		wg.Go(func() {
			list[i], _ = pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{}, grpc.WaitForReady(false))
		})
	}
	wg.Wait()
	for _, st := range list {
		if st == nil {
			return list, false
		}
	}
	return list, true
}

// leader returns the number of the leader, from 0.
func (s *site) leader(ctx context.Context) (int, error) { return cluster.Leader(ctx, s.conns, -1) }

// follower returns the number of the member after the leader, from 0.
func (s *site) follower(ctx context.Context) (int, error) {
	leader, err := s.leader(ctx)
	return (leader + 1) % len(s.conns), err
}
