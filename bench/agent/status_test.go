package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
)

// once returns an observer that calls do at the first interval.
func once(do func()) *observer {
	var first sync.Once
	return &observer{func(*results.Interval) { first.Do(do) }}
}

// joinMortal starts two agents. kill ends the second one, and lost is closed when it has ended.
func (s *session) joinMortal(t *testing.T) (kill func(), lost chan struct{}) {
	gone, kill := context.WithCancel(t.Context())
	s.join(t.Context(), s.options(0))
	lost = make(chan struct{})
	s.agents.Go(func() { defer close(lost); _ = agent.Serve(gone, s.options(1)) })
	return kill, lost
}

// An agent whose share did not reach its end says why, whatever ended it.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	kill, lost := s.joinMortal(t)
	sp := spec("put", 2)
	sp.Load.Rate, sp.Load.Duration = new(200.0), new(time.Minute)
	run, err := runner.Run(t.Context(), sp, runner.Options{Fleet: s, Observers: []bench.Observer{once(kill)}})
	if err == nil || run.Agents[0].Failure != "" || run.Agents[0].NotOffered == 0 || lostReason(run) != "agent 1" {
		t.Errorf("the run without agent 1: %+v, %+v, %v", run.Agents, run.Validity, err)
	}
	<-lost
	s.Close()
	s.agents.Wait()
	if err := s.errs[0]; err == nil || !strings.Contains(err.Error(), "another agent was lost") {
		t.Errorf("the other agent ended with %v", err)
	}

	s = startSession(t, 2)
	s.joinAll(t.Context())
	ctx, interrupt := context.WithCancelCause(t.Context())
	stop := once(func() { interrupt(bench.ErrInterrupted) })
	run, err = runner.Run(ctx, sp, runner.Options{Fleet: s, Observers: []bench.Observer{stop}})
	if err != nil || run.Outcome != results.Interrupted || lostReason(run) != "" {
		t.Errorf("interrupted: %s, %+v, %v", run.Outcome, run.Validity, err)
	}
	s.Close()
	s.agents.Wait()
	for i, err := range s.errs {
		if !errors.Is(err, bench.ErrInterrupted) {
			t.Errorf("interrupted: agent %d ended with %v", i, err)
		}
	}
}

// lostReason returns which agent a result calls lost, "" without any.
func lostReason(run *results.Run) string {
	for _, r := range run.Validity.Reasons {
		if r.Code == "agent-lost" {
			name, _, _ := strings.Cut(r.Message, ":")
			return name
		}
	}
	return ""
}

// Leases that an agent cannot revoke are a warning of the result, and the command that
// removes them finds them.
func TestLeasesThatAreLeft(t *testing.T) {
	t.Parallel()
	tested := startMember(t)
	revocation := func(request []byte) bool { // of a lease of the workload, not of the claim
		var r pb.LeaseRevokeRequest
		return proto.Unmarshal(request, &r) == nil && uint32(r.ID) < 1000
	}
	p, err := transporttest.NewPostponer(cluster.Endpoints(tested)[0], pb.Lease_LeaseRevoke_FullMethodName, revocation)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	s := startSession(t, 2)
	s.joinAll(t.Context())
	sp := spec("lease-grant", 2)
	sp.Cluster = runner.Cluster{Endpoints: []string{p.Address}}
	sp.Prefix, sp.Load.Total, sp.Load.Duration, sp.Load.Warmup = "/left/", new(uint64(40)), nil, new(time.Duration(0))
	sp.Load.Timeout, sp.ServerMetrics = new(2*time.Second), new(false)
	run, err := runner.Run(t.Context(), sp, runner.Options{Fleet: s})
	if err != nil {
		t.Fatal(err)
	}
	s.end(t)
	if len(run.Warnings) == 0 || run.Warnings[0].Code != bench.TeardownFailed || !strings.HasPrefix(run.Warnings[0].Message, "agent 0: ") ||
		!strings.HasSuffix(run.Warnings[0].Message, "; other agents also") || !run.Warned("remains") {
		t.Errorf("warnings %+v", run.Warnings)
	}
	left, err := runner.FindLeftovers(t.Context(), runner.Cluster{Endpoints: cluster.Endpoints(tested)}, "/left/", "")
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if len(left.List) != 1 || len(left.List[0].Leases) != 40 {
		t.Errorf("found %+v", left.List)
	}
}

// An agent that dies before it has cleaned up is a warning, and nothing waits for it.
func TestDeathBeforeTheCleanUp(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	kill, lost := s.joinMortal(t)
	sp := spec("put", 2)
	sp.Verify = new(true)
	fleet := &endedFleet{Fleet: s, ended: func() { kill(); <-lost }}
	run, err := runner.Run(t.Context(), sp, runner.Options{Fleet: fleet})
	if err != nil || !run.Warned(bench.TeardownFailed) || run.Outcome != results.Completed {
		t.Errorf("%+v, %v", run, err)
	}
	if took := run.Ended.Sub(run.Started); took > bench.TeardownTimeout {
		t.Errorf("the run took %v", took)
	}
	s.Close()
	s.agents.Wait()
	if err := s.errs[0]; err != nil {
		t.Errorf("the other agent ended with %v", err)
	}
}

// endedFleet calls a function when all results are there.
type endedFleet struct {
	runner.Fleet
	ended func()
}

func (f *endedFleet) Assign(ctx context.Context, a runner.Assignment) (runner.AssignedFleet, error) {
	given, err := f.Fleet.Assign(ctx, a)
	return endedLoad{given, f.ended}, err
}

type endedLoad struct {
	runner.AssignedFleet
	ended func()
}

func (l endedLoad) Load(ctx context.Context, each func(*results.Interval)) error {
	err := l.AssignedFleet.Load(ctx, each)
	l.ended()
	return err
}
