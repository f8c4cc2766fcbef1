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

// site is the cluster of a ladder, with a connection to each member for what is done to it.
type site struct {
	*cluster.Processes
	conns  []grpc.ClientConnInterface
	close  []func() error
	prefix string // of the objects
	// saved is what the snapshot's file holds at least; zero without a file.
	saved content
}

// dial connects to a member. A member that is back is noticed at once.
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

// stop disconnects, then stops the cluster and removes its data where the site closes it.
func (s *site) stop() (err error) {
	for _, f := range s.close {
		err = errors.Join(err, f())
	}
	return err
}

func (s *site) name(member int) string { return s.Members()[member].Name }

// end is the first key after the objects.
func (s *site) end() []byte {
	end := []byte(s.prefix)
	end[len(end)-1]++
	return end
}

// file is the size of a member's database, 0 where there is none.
func (s *site) file(member int) int64 { return fileSize(s.DatabaseFile(member)) }

// fileSize is 0 where there is no file.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// files is the size of the largest member's database.
func (s *site) files() (most int64) {
	for i := range s.conns {
		most = max(most, s.file(i))
	}
	return most
}

const (
	// pollEvery is how often a member is asked whether it serves, pollTimeout how long it may
	// take to answer.
	pollEvery, pollTimeout = 5 * time.Millisecond, 250 * time.Millisecond
)

// poll asks until the answer is yes.
func poll(ctx context.Context, ask func(ctx context.Context) bool) error {
	for {
		one, cancel := context.WithTimeout(ctx, pollTimeout)
		yes := ask(one)
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

// errEnded says that the process of a member has ended by itself.
var errEnded = errors.New("its process ended")

// running returns an error where a member's process has ended.
func (s *site) running(member int) error {
	if !s.Running(member) {
		return fmt.Errorf("member %s: %w: see its log", s.name(member), errEnded)
	}
	return nil
}

// serves returns when a member answers a linearizable read, or its process has ended.
func (s *site) serves(ctx context.Context, member int) (err error) {
	pollErr := poll(ctx, func(ctx context.Context) bool {
		if err = s.running(member); err != nil {
			return true
		}
		_, readErr := pb.NewKVClient(s.conns[member]).Range(ctx, &pb.RangeRequest{Key: []byte(s.prefix)}, grpc.WaitForReady(false))
		return readErr == nil
	})
	return errors.Join(err, pollErr)
}

// whole returns when all members answer, agree on a leader, vote, and have applied what the
// leader had applied when it was asked before.
func (s *site) whole(ctx context.Context) error {
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

// statuses asks all members at once. It is not ok where one does not answer.
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

// leader is the member that leads.
func (s *site) leader(ctx context.Context) (int, error) { return cluster.Leader(ctx, s.conns, -1) }

// follower is a member that does not lead, after the leader in the order of members.
func (s *site) follower(ctx context.Context) (int, error) {
	leader, err := s.leader(ctx)
	return (leader + 1) % len(s.conns), err
}
