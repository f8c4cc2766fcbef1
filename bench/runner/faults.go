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

// faults returns the faults of the specification as disturbances of the cluster.
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

// faultMembers returns the members of a cluster whose members have processes of their own, and
// nil for other clusters.
func (s *session) faultMembers() fault.Members {
	c, ok := s.Cluster.(*cluster.Processes)
	if !ok {
		return nil
	}
	return victims{c, s}
}

// victims implements [fault.Members] for the members of a cluster.
type victims struct {
	*cluster.Processes
	session *session
}

// queryTimeout bounds one request to the members.
const queryTimeout = time.Second

// Names implements [fault.Members].
func (v victims) Names() (names []string) {
	for _, m := range v.Members() {
		names = append(names, m.Name)
	}
	return names
}

// Leader implements [fault.Members].
func (v victims) Leader(ctx context.Context, leaveOut int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return cluster.Leader(ctx, v.session.admin.Conns(), leaveOut)
}

// Avoid implements [fault.Members]. It returns when no agent sends requests to the member any
// more.
func (v victims) Avoid(member int) {
	if v.session.steer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	v.session.applyAll(ctx, Steering{Avoid: v.Members()[member].Endpoint})
}

// Clear implements [fault.Members]. It returns when all connections are open again, including
// those of agents.
func (v victims) Clear() {
	ctx, cancel := context.WithTimeout(context.Background(), reconnectTime)
	defer cancel()
	v.session.admin.Reconnect(ctx)
	v.session.applyAll(ctx, Steering{Reconnect: true})
}

// killFollower kills a follower, and keeps the load away from it.
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

// otherClientsTime is the length of the search for other clients before the load. Other clients
// are reported if they send more than one request per second.
const otherClientsTime = time.Second

// findOtherClients returns a warning if other clients use the running cluster, and nil
// otherwise.
func (s *session) findOtherClients(ctx context.Context, addresses []string) *results.Warning {
	writes, reads := cluster.OtherClients(ctx, s, otherClientsTime, addresses...)
	if writes+reads <= 1 {
		return nil
	}
	found := results.OtherClientsWarning(fmt.Sprintf("%.0f writes/s and %.0f reads/s", writes, reads))
	return &found
}

// roundTrips returns the median round-trip time of several status requests to each member.
func (s *session) roundTrips(ctx context.Context) map[string]time.Duration {
	const times = 21
	trips := map[string]time.Duration{}
	ctx, cancel := context.WithTimeout(ctx, times*queryTimeout)
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
