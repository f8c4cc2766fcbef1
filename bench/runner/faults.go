package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/fault"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// faults binds the faults of the specification to the cluster.
func (r *Resolved) faults(t workloads.Target) ([]bench.Disturbance, error) {
	bind := func(d results.PlanDisturbance) (func(context.Context) (string, error), error) {
		bound, err := workloads.Bind([]results.PlanDisturbance{d}, t)
		if err != nil {
			return nil, err
		}
		return bound[0].Do, nil
	}
	return r.Spec.Experiment.Faults.schedule(bind).Disturbances()
}

// faultMembers are the members of a cluster with processes of its own, nil where it has
// none.
func (s *session) faultMembers() fault.Members {
	c, ok := s.Cluster.(*cluster.Processes)
	if !ok {
		return nil
	}
	return victims{c, s}
}

// victims are a cluster's members, as faults want them.
type victims struct {
	*cluster.Processes
	session *session
}

// askTimeout is for one question to the members.
const askTimeout = time.Second

// Names implements [fault.Members].
func (v victims) Names() (names []string) {
	for _, m := range v.Members() {
		names = append(names, m.Name)
	}
	return names
}

// Leader implements [fault.Members].
func (v victims) Leader(ctx context.Context, leaveOut int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return cluster.Leader(ctx, v.session.admin.Conns(), leaveOut)
}

// Avoid implements [fault.Members]. It returns when no agent sends to the member any more.
func (v victims) Avoid(member int) {
	if v.session.steer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	v.session.applyAll(ctx, Steering{Avoid: v.Members()[member].Endpoint})
}

// Clear implements [fault.Members]: the way is clear when all connections are there again,
// those of agents, too.
func (v victims) Clear() {
	ctx, cancel := context.WithTimeout(context.Background(), reconnectTime)
	defer cancel()
	v.session.admin.Reconnect(ctx)
	v.session.applyAll(ctx, Steering{Reconnect: true})
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
	s.down = c.Members()[victim].Endpoint
	s.steer.Avoid(s.down)
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
