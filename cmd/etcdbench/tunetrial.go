package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/tune"
	"github.com/etcdbench/etcdbench/results"
)

// trial is how a tuning's runs are made.
type trial struct {
	scenario     string
	rate         float64
	idle, steady time.Duration
	faults       []string // of the runs that try
	compare      []string // of those that compare with the defaults
}

const (
	tunePrefix = "/etcdbench/tune/"
	tuneWarmup = time.Second
	// What a run takes besides its load: start, a look at the disk, drain, stop.
	tuneOverhead = 2500 * time.Millisecond
	// faultLead is how long the load goes on before the first fault.
	faultLead = 500 * time.Millisecond
)

// kinds are the faults of a run.
func (t trial) kinds(compare bool) []string {
	if compare {
		return t.compare
	}
	return t.faults
}

// election is the candidate's election timeout, or etcd's default.
func election(c tune.Candidate) time.Duration {
	if c.Election > 0 {
		return c.Election
	}
	return tune.DefaultElection
}

// length is how long a run takes.
func (t trial) length(c tune.Candidate, compare bool) time.Duration {
	f := &tune.Faults{Kinds: t.kinds(compare), Election: election(c)}
	length := tuneOverhead + tuneWarmup + t.idle + t.steady
	if len(f.Kinds) > 0 {
		length += faultLead + f.Length()
	}
	return length
}

// timeout is how long a request may take: longer than an election that goes well.
func timeout(c tune.Candidate) time.Duration { return 2*election(c) + 2*time.Second }

// flags are those of a run.
func (t trial) flags(given *pflag.FlagSet, c tune.Candidate, seed uint64) map[string]string {
	f := map[string]string{
		"rate": fmt.Sprint(t.rate), "duration": t.steady.String(), "warmup": tuneWarmup.String(), "seed": fmt.Sprint(seed),
		"verify": "false", "progress": "none", "prefix": tunePrefix,
	}
	set := func(name, value string) {
		if !given.Changed(name) {
			f[name] = value
		}
	}
	set("timeout", timeout(c).String())
	// While nobody answers, every arrival needs a client of its own.
	set("clients", fmt.Sprint(max(128, int(t.rate*timeout(c).Seconds()))))
	set("conns", "6")
	if len(t.faults) > 0 {
		set("start-timeout", max(15*time.Second, 10*election(c)).String())
	}
	return f
}

// options are a run's, with the candidate's settings.
func (t trial) options(given *pflag.FlagSet, c tune.Candidate, seed uint64, compare bool) (*runOptions, error) {
	s := side{name: "tune"}
	for _, setting := range c.Settings {
		s.flags = append(s.flags, [2]string{"etcd-flag", setting.Name + "=" + setting.Value})
	}
	o, err := s.options(given, t.scenario, t.flags(given, c, seed))
	if err != nil {
		return nil, err
	}
	load := bench.Load{Rate: t.rate, Arrival: o.arrival}
	o.plan.Phases = []bench.PlanPhase{
		{Name: results.PhaseIdle, Duration: t.idle, Load: bench.Load{Rate: 1, Arrival: bench.ArrivalConstant}, Warmup: true},
		{Name: "warmup", Duration: tuneWarmup, Load: load, Warmup: true},
		{Name: results.PhaseSteady, Duration: t.steady, Load: load},
	}
	if kinds := t.kinds(compare); len(kinds) > 0 {
		o.steer = &transport.Steer{}
		faults := &tune.Faults{Kinds: kinds, Election: election(c), Begin: t.steady + faultLead}
		o.plan.Phases = append(o.plan.Phases, bench.PlanPhase{Name: results.PhaseFaults, Duration: faultLead + faults.Length(), Load: load, Warmup: true})
		o.cluster.settings.Network = &o.cluster.network
		o.faults = func(s *session) []bench.Disturbance {
			c, ok := s.Cluster.(*cluster.Processes)
			if !ok {
				return nil
			}
			faults.Members, faults.Count = victims{c, s.admin}, len(c.Members())
			faults.Steer = steering{o.steer, s}
			return faults.Disturbances()
		}
	}
	return o, nil
}

// run makes one run and saves it. That nobody could be elected is no error of the
// tuning's, but a finding.
func (t trial) run(ctx context.Context, given *pflag.FlagSet, tr tune.Trial) (*results.Run, error) {
	o, err := t.options(given, tr.Candidate, tr.Seed, tr.Compare)
	if err != nil {
		return nil, err
	}
	var trips map[string]time.Duration
	if len(o.cluster.endpoints) > 0 {
		o.before = func(ctx context.Context, s *session) error {
			trips = roundTrips(ctx, s)
			return nil
		}
	}
	dir, err := results.Create(tr.Dir)
	if err != nil {
		return nil, err
	}
	run, err := o.measure(ctx, dir, io.Discard)
	if run == nil {
		err = errors.Join(err, dir.Close())
		if errors.Is(err, cluster.ErrNotReady) && len(o.cluster.endpoints) == 0 {
			return nil, tune.Unfit{Reason: fmt.Sprintf("no leader could be elected in %v: %s", o.cluster.settings.StartTimeout, firstLine(err))}
		}
		return nil, err
	}
	if err == nil && run.Outcome == results.Completed {
		if run.Resilience, err = results.NewResilience(run, document(run, tr.Dir).Intervals); err == nil {
			run.Resilience.RoundTrips = trips
		}
	}
	return run, errors.Join(err, dir.WriteRun(run), dir.Close())
}

// roundTrips asks each member for its state a few times, and takes the median.
func roundTrips(ctx context.Context, s *session) map[string]time.Duration {
	const times = 21
	trips := map[string]time.Duration{}
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

// firstLine is the error without the log that it shows.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line, _, _ = strings.Cut(line, "; the last lines")
	return strings.TrimPrefix(line, "start cluster: "+cluster.ErrNotReady.Error()+": ")
}

// victims are a cluster's members, as faults want them.
type victims struct {
	*cluster.Processes
	admin *transport.Pool
}

// askTimeout is for one question to the members.
const askTimeout = time.Second

func (v victims) conns() []grpc.ClientConnInterface { return v.admin.Conns() }

// Leader implements [tune.Members].
func (v victims) Leader(ctx context.Context, leaveOut int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return cluster.Leader(ctx, v.conns(), leaveOut)
}

// Move implements [tune.Members].
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

// Clear implements [tune.Steer].
func (s steering) Clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*askTimeout)
	defer cancel()
	s.session.admin.Reconnect(ctx)
	s.session.load.Reconnect(ctx)
	s.Steer.Clear()
}
