package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// faults binds the faults of the specification to the cluster.
func (r *Resolved) faults(s *session) ([]bench.Disturbance, error) {
	c, ok := s.Cluster.(*cluster.Processes)
	if !ok {
		return nil, errors.New("faults are for members with processes of their own")
	}
	f := r.Spec.Experiment.Faults.schedule()
	f.Members, f.Count = victims{c, s.admin}, len(c.Members())
	f.Steer = steering{s.steer, s}
	return f.Disturbances(), nil
}

// victims are a cluster's members, as faults want them.
type victims struct {
	*cluster.Processes
	admin *transport.Pool
}

// askTimeout is for one question to the members.
const askTimeout = time.Second

func (v victims) conns() []grpc.ClientConnInterface { return v.admin.Conns() }

// Leader implements [fault.Members].
func (v victims) Leader(ctx context.Context, leaveOut int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return cluster.Leader(ctx, v.conns(), leaveOut)
}

// Move implements [fault.Members].
func (v victims) Move(ctx context.Context, from int) error {
	conns := v.conns()
	s, err := pb.NewMaintenanceClient(conns[(from+1)%len(conns)]).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return err
	}
	_, err = pb.NewMaintenanceClient(conns[from]).MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: s.Header.MemberId})
	return err
}

// steering clears the way when all connections are there again.
type steering struct {
	*transport.Steer
	session *session
}

// Clear implements [fault.Steer].
func (s steering) Clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*askTimeout)
	defer cancel()
	s.session.admin.Reconnect(ctx)
	s.session.load.Reconnect(ctx)
	s.Steer.Clear()
}

// killFollower takes a member away, and the load with it.
func (s *session) killFollower(ctx context.Context) error {
	c, ok := s.Cluster.(*cluster.Processes)
	if !ok {
		return errors.New("only a member with a process of its own can be killed")
	}
	leader, err := cluster.Leader(ctx, s.admin.Conns(), -1)
	if err != nil {
		return err
	}
	victim := (leader + 1) % len(c.Members())
	s.steer.Avoid(victim)
	return c.Kill(victim)
}

// othersFor is how long a cluster is looked at before the load; what other clients do
// in it is reported when it is more than a request a second.
const othersFor = time.Second

// findOthers looks for other clients of a running cluster; nil where there are none.
func (s *session) findOthers(ctx context.Context, addresses []string) *results.Warning {
	writes, reads := cluster.Others(ctx, s, othersFor, addresses...)
	if writes+reads <= 1 {
		return nil
	}
	found := results.OthersUse(fmt.Sprintf("%.0f writes/s and %.0f reads/s", writes, reads))
	return &found
}

// roundTrips asks each member for its state a few times, and takes the median.
func (s *session) roundTrips(ctx context.Context) map[string]time.Duration {
	const times = 21
	trips := map[string]time.Duration{}
	ctx, cancel := context.WithTimeout(ctx, times*askTimeout)
	defer cancel()
	for i, conn := range s.admin.Conns() {
		var took []time.Duration
		for range times {
			begin := time.Now()
			if _, err := pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{}); err != nil {
				break
			}
			took = append(took, time.Since(begin))
		}
		if len(took) == times {
			slices.Sort(took)
			trips[s.Members()[i].Label()] = took[times/2]
		}
	}
	return trips
}
