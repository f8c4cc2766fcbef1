package agent_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// session is a coordinator and its agents, in this process.
type session struct {
	*agent.Coordinator
	endpoint agent.Endpoint
	way      *link.Proxy     // to the etcd for coordination
	up, down *link.Direction // to it and from it
	count    int
	agents   sync.WaitGroup
	errs     []error
}

func startSession(t *testing.T, count int) *session {
	t.Helper()
	etcd, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Stop)
	up, down := link.NewDirection(link.Conditions{}), link.NewDirection(link.Conditions{})
	way, err := link.Listen(link.Options{Target: strings.TrimPrefix(etcd.URL, "https://"), Up: up, Down: down})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(way.Close)
	s := &session{
		endpoint: agent.Endpoint{URLs: []string{"https://" + way.Address}, Credentials: etcd.Credentials},
		way:      way, up: up, down: down, count: count, errs: make([]error, count),
	}
	s.Coordinator, err = agent.NewCoordinator(t.Context(), agent.CoordinatorOptions{
		Endpoint: s.endpoint, Count: count, Version: "v1", JoinTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *session) options(index int) agent.AgentOptions {
	return agent.AgentOptions{Endpoint: s.endpoint, Index: index, Version: "v1"}
}

// join starts an agent.
func (s *session) join(ctx context.Context, o agent.AgentOptions) {
	s.agents.Go(func() { s.errs[max(0, o.Index)] = agent.Serve(ctx, o) })
}

// joinAll starts all agents.
func (s *session) joinAll(ctx context.Context) {
	for i := range s.count {
		s.join(ctx, s.options(i))
	}
}

// end closes the session and sees that every agent ends without an error.
func (s *session) end(t *testing.T) {
	t.Helper()
	s.Close()
	s.agents.Wait()
	if err := errors.Join(s.errs...); err != nil {
		t.Error(err)
	}
}

// spec is a run of a small cluster in this process.
func spec(scenario string, agents int) runner.Spec {
	s := runner.Spec{Scenario: scenario, Agents: runner.Agents{Count: agents, Local: true}}
	s.Cluster.Start.InProcess, s.Cluster.Start.Members = true, new(1)
	s.Cluster.Start.DiskProbe = new(time.Millisecond)
	s.Load.Clients, s.Load.Warmup, s.Load.Duration = new(8), new(300*time.Millisecond), new(1200*time.Millisecond)
	s.Load.Drain = new(2 * time.Second)
	return s
}

func checkSums(t *testing.T, run *results.Run, dir string) {
	t.Helper()
	back, err := results.Read(filepath.Join(dir, results.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range run.Operations {
		if o.Completed+o.Failed+o.Dropped+o.Unfinished != o.Offered {
			t.Errorf("%s/%s: %+v", o.Phase, o.Op, o)
		}
		j, ok := back.Operation(o.Phase, o.Op)
		if o.Offered > 0 && (!ok || j.Offered != o.Offered || j.ResponseTime.Count != o.ResponseTime.Count || j.ResponseTime.Max != o.ResponseTime.Max) {
			t.Errorf("%s/%s: the journal has %d offered, the result %d", o.Phase, o.Op, j.Offered, o.Offered)
		}
	}
	for i, a := range run.Agents {
		if a.Index != i || a.Failure != "" || a.NotOffered != 0 || a.Offered == 0 || a.OffsetBound <= 0 || a.OffsetBound > 100*time.Millisecond {
			t.Errorf("agent %+v", a)
		}
	}
}

// Runs of several workloads, one after the other, over the same agents: everything is
// accounted for, in the journal as in the result, and what was acknowledged is proved.
func TestRunsOverAgents(t *testing.T) {
	t.Parallel()
	s := startSession(t, 3)
	s.joinAll(t.Context())
	for _, c := range []struct {
		scenario string
		rate     float64
	}{{"put", 600}, {"delete", 0}, {"lease-revoke", 200}, {"watch", 200}, {"lock", 0}} {
		sp := spec(c.scenario, s.count)
		sp.Verify = new(true)
		if c.rate > 0 {
			sp.Load.Rate = new(c.rate)
		}
		if c.scenario == "delete" {
			sp.Workload = map[string]string{"key-space-size": "3000"}
		}
		dir := t.TempDir()
		run, err := runner.Run(t.Context(), sp, runner.Options{Dir: dir, Fleet: s})
		if err != nil {
			t.Fatalf("%s: %v", c.scenario, err)
		}
		if run.Outcome != results.Completed || len(run.Agents) != s.count || run.Plan.Agents != s.count {
			t.Errorf("%s: %s %s, %d agents", c.scenario, run.Outcome, run.Reason, len(run.Agents))
		}
		if run.Proof == nil || run.Proof.Verdict != results.Proved {
			t.Errorf("%s: proof %+v", c.scenario, run.Proof)
		}
		if c.rate > 0 {
			phases, _ := bench.Planned(run.Plan)
			var offered uint64
			for _, o := range run.Operations {
				if !o.Arrived {
					offered += o.Offered
				}
			}
			if want := phases[0] + phases[1]; offered != want {
				t.Errorf("%s: %d operations were offered, want %d", c.scenario, offered, want)
			}
		}
		checkSums(t, run, dir)
	}
	s.end(t)
}

// Clocks that are off, or that run at another speed, change neither what is sent nor when.
func TestClocksThatAreOff(t *testing.T) {
	t.Parallel()
	s := startSession(t, 3)
	begin := time.Now()
	for i, c := range []struct {
		ahead time.Duration
		drift float64
	}{{time.Millisecond, 0}, {-5 * time.Second, 0}, {50 * time.Millisecond, 200e-6}} {
		o := s.options(i)
		o.Clock = func() time.Time {
			now := time.Now()
			return now.Add(c.ahead + time.Duration(c.drift*float64(now.Sub(begin))))
		}
		s.join(t.Context(), o)
	}
	sp := spec("put", 3)
	sp.Load.Rate = new(300.0)
	dir := t.TempDir()
	run, err := runner.Run(t.Context(), sp, runner.Options{Dir: dir, Fleet: s})
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, run, dir)
	for i, want := range []time.Duration{time.Millisecond, -5 * time.Second, 50 * time.Millisecond} {
		a := run.Agents[i]
		if (a.Offset - want).Abs() > a.OffsetBound+20*time.Millisecond {
			t.Errorf("agent %d: clock %v ahead to within %v, want %v", i, a.Offset, a.OffsetBound, want)
		}
	}
	s.end(t)
}

// A start message that is half a second on its way, because a process or the network stood
// still, reaches the agents before the start of the load.
func TestSlowStartMessage(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	const before = 2 * 2 * agent.Exchanges // of both agents, when a question is sent and when its answer is received
	var asked atomic.Int64
	for i := range 2 {
		o := s.options(i)
		o.Clock = func() time.Time {
			if asked.Add(1) == before {
				s.down.Set(link.Conditions{Delay: 500 * time.Millisecond})
			}
			return time.Now()
		}
		s.join(t.Context(), o)
	}
	restore := &observer{func(*results.Interval) { s.down.Set(link.Conditions{}) }}
	run, err := runner.Run(t.Context(), spec("put", 2), runner.Options{Dir: t.TempDir(), Fleet: s, Observers: []bench.Observer{restore}})
	if err != nil || run.Outcome != results.Completed {
		t.Errorf("the run ended with %v", err)
	}
	if s.end(t); asked.Load() <= before {
		t.Errorf("clocks were asked %d times: nothing was delayed", asked.Load())
	}
}

// lose has an agent end in the middle of a run, and another one take its place at once.
func (s *session) lose(t *testing.T, carryOn bool) (*results.Run, error) {
	gone, kill := context.WithCancelCause(t.Context())
	for i := range 2 {
		s.join(t.Context(), s.options(i))
	}
	first := make(chan struct{})
	s.agents.Go(func() { defer close(first); _ = agent.Serve(gone, s.options(2)) })
	var once sync.Once
	killer := &observer{func(i *results.Interval) {
		once.Do(func() {
			kill(errors.New("killed"))
			s.agents.Go(func() { <-first; s.errs[2] = agent.Serve(t.Context(), s.options(2)) })
		})
	}}
	sp := spec("put", 3)
	sp.Load.Rate, sp.Load.Duration, sp.Verify = new(300.0), new(time.Minute), new(true)
	if sp.Agents.Continue = carryOn; carryOn {
		sp.Load.Duration = new(3 * time.Second)
	}
	return runner.Run(t.Context(), sp, runner.Options{Dir: t.TempDir(), Fleet: s, Observers: []bench.Observer{killer}})
}

type observer struct{ see func(*results.Interval) }

func (*observer) Start(*results.Run) error             { return nil }
func (*observer) Finish(*results.Run) error            { return nil }
func (o *observer) Interval(i *results.Interval) error { o.see(i); return nil }

// A lost agent fails the run, which names it and counts what it did not offer; the others
// stop, or finish where that was asked for. An agent that takes its place has no part in
// that run, and one in the next.
func TestLostAgent(t *testing.T) {
	t.Parallel()
	for _, carryOn := range []bool{false, true} {
		s := startSession(t, 3)
		run, err := s.lose(t, carryOn)
		if err == nil || !strings.Contains(err.Error(), "agent 2") || run == nil || len(run.Agents) != 3 {
			t.Fatalf("error %v, run %+v", err, run)
		}
		a := run.Agents[2]
		if run.Outcome != results.Failed || run.Validity.Verdict != results.Invalid || a.Failure == "" || a.NotOffered == 0 {
			t.Errorf("%s, %s, %+v", run.Outcome, run.Validity.Verdict, a)
		}
		if run.Proof == nil || run.Proof.Verdict != results.Incomplete {
			t.Errorf("proof %+v", run.Proof)
		}
		if finished := run.Agents[0].NotOffered == 0; finished != carryOn {
			t.Errorf("continue %v: %+v", carryOn, run.Agents[0])
		}
		dir := t.TempDir()
		next, err := runner.Run(t.Context(), spec("put", 3), runner.Options{Dir: dir, Fleet: s})
		if err != nil || next.Outcome != results.Completed {
			t.Fatalf("the run that follows: %v", err)
		}
		checkSums(t, next, dir)
		s.end(t)
	}
}

// What cannot work is refused, with the reason.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := startSession(t, 2)
	other, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		change func(o *agent.AgentOptions)
		want   string
	}{
		"version":  {func(o *agent.AgentOptions) { o.Version = "v2" }, "etcdbench v2, the coordinator v1"},
		"index":    {func(o *agent.AgentOptions) { o.Index = 2 }, "below the 2 agents"},
		"token":    {func(o *agent.AgentOptions) { o.Endpoint.Credentials = other.Credentials }, "join token"},
		"no token": {func(o *agent.AgentOptions) { o.Endpoint.Credentials = nil }, "join token is missing"},
		"no session": {func(o *agent.AgentOptions) {
			o.Endpoint = agent.Endpoint{URLs: []string{other.URL}, Credentials: other.Credentials}
		}, "no coordinator"},
		"unreachable": {func(o *agent.AgentOptions) { o.Endpoint.URLs = []string{"https://127.0.0.1:1"} }, "connect to coordinator"},
	} {
		o := s.options(0)
		c.change(&o)
		if err := agent.Serve(ctx, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	joined := make(chan string, 10)
	o := s.options(1)
	o.Notice = func(text string) { joined <- text }
	s.join(ctx, o)
	<-joined
	if err := agent.Serve(ctx, s.options(1)); err == nil || !strings.Contains(err.Error(), "another agent has the index 1") {
		t.Errorf("joined twice: %v", err)
	}
	sp := spec("put", 2)
	sp.Load.Clients = new(1)
	if _, err := runner.Run(ctx, sp, runner.Options{Fleet: s}); err == nil || !strings.Contains(err.Error(), "more than the 1 clients") {
		t.Errorf("more agents than clients: %v", err)
	}
	if _, err := s.Assign(ctx, runner.Assignment{ClusterID: s.ClusterID()}); err == nil || !strings.Contains(err.Error(), "under test") {
		t.Errorf("the cluster under test: %v", err)
	}
	cancel()
	s.agents.Wait()
	s.Close()
}

func TestToken(t *testing.T) {
	pem := []byte("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----")
	for _, text := range []string{string(pem), agent.Token(pem), agent.Token(pem) + "\n"} {
		if got, err := agent.ParseToken(text); err != nil || string(got) != string(pem) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := agent.ParseToken("nonsense"); err == nil {
		t.Error("nonsense is taken for a token")
	}
}

// startMember starts a cluster of one member in this process.
func startMember(t *testing.T) cluster.Cluster {
	t.Helper()
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync, s.DataDir, s.LogDir = 1, true, t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	return c
}

// withoutLease returns the keys of a coordination that do not end with a process.
func withoutLease(t *testing.T, endpoint string) (keys []string) {
	kv := pb.NewKVClient(workloadstest.Dial(t, 1, endpoint)[0])
	r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("/etcdbench-agents/"), RangeEnd: []byte("/etcdbench-agents0")})
	if err != nil || len(r.Kvs) == 0 {
		t.Errorf("the coordination has %d keys, %v", len(r.GetKvs()), err)
	}
	for _, kv := range r.GetKvs() {
		if kv.Lease == 0 {
			keys = append(keys, string(kv.Key))
		}
	}
	return keys
}

// Agents and coordinator meet over an etcd that runs already. What the agents write to a
// running cluster is proved and removed; the cluster under test is refused for the meeting.
func TestRunningClusters(t *testing.T) {
	t.Parallel()
	tested, meeting := startMember(t), startMember(t)
	endpoints := cluster.Endpoints(tested)
	sp := spec("put", 2)
	sp.Cluster = runner.Cluster{Endpoints: endpoints}
	sp.Load.Rate, sp.Verify, sp.Prefix = new(400.0), new(true), "/agents/"
	for _, c := range []struct {
		at   cluster.Cluster
		want string
	}{{tested, "is the cluster under test"}, {meeting, ""}} {
		s := &session{endpoint: agent.Endpoint{URLs: []string{"http://" + cluster.Endpoints(c.at)[0]}}, count: 2, errs: make([]error, 2)}
		var err error
		s.Coordinator, err = agent.NewCoordinator(t.Context(), agent.CoordinatorOptions{Endpoint: s.endpoint, Count: 2, Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		s.joinAll(t.Context())
		if err := s.Wait(t.Context()); err != nil { // an agent that joins after a refused run finds no coordinator
			t.Fatal(err)
		}
		var kept []string
		look := once(func() { kept = withoutLease(t, cluster.Endpoints(c.at)[0]) })
		run, err := runner.Run(t.Context(), sp, runner.Options{Dir: t.TempDir(), Fleet: s, Observers: []bench.Observer{look}})
		s.end(t)
		if len(kept) > 0 {
			t.Errorf("a coordinator that is killed leaves %q", kept)
		}
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			continue
		}
		if err != nil || run.Proof.Verdict != results.Proved || run.Warned("keys-left") || run.Warned("foreign-keys") {
			t.Errorf("%v, proof %+v, warnings %+v", err, run.Proof, run.Warnings)
		}
	}
	keys, _, err := workloads.CountPrefix(t.Context(), workloadstest.Dial(t, 1, endpoints...)[0], "/agents/")
	if err != nil || keys != 0 {
		t.Errorf("%d keys are left, %v", keys, err)
	}
}
