package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// crowd is a coordinator and agents that have joined it, all in this process.
type crowd struct {
	*Coordinator
	load   simulated
	agents []*agent
	ended  sync.WaitGroup
}

// simulated is the load of simulated agents.
type simulated struct {
	seconds int
	// measured is what each agent hands over for each second.
	measured *results.Interval
}

// gather returns agents that carry out their shares without any requests.
func gather(tb testing.TB, count int, load simulated) *crowd {
	tb.Helper()
	etcd, err := cluster.StartCoordination(tb.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(etcd.Stop)
	endpoint := Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}
	c := &crowd{load: load}
	if c.Coordinator, err = NewCoordinator(tb.Context(), CoordinatorOptions{Endpoint: endpoint, Count: count}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		c.Close()
		c.ended.Wait()
	})
	for i := range count { // one after the other: those of other machines have CPUs of their own
		joined := make(chan struct{})
		a := newAgent(AgentOptions{Endpoint: endpoint, Index: i, Notice: func(string) { closeOnce(joined) }})
		a.runShare = load.run
		c.agents = append(c.agents, a)
		c.ended.Go(func() {
			if err := a.serveSession(context.WithoutCancel(tb.Context())); err != nil {
				tb.Errorf("agent %d: %v", i, err)
			}
		})
		<-joined
	}
	return c
}

// run is a share whose measurements are made up.
func (l simulated) run(ctx context.Context, given runner.Assignment, o runner.ShareOptions) (*results.Run, error) {
	at, err := o.Peers.Start(ctx)
	if err != nil {
		return nil, err
	}
	for second := range l.seconds {
		i := *l.measured
		i.Start, i.Number = time.Duration(second)*time.Second, second
		time.Sleep(time.Until(at.Add(i.Start + i.Length)))
		if err := o.Observers[0].Interval(&i); err != nil {
			return nil, err
		}
	}
	if err := o.Peers.Drained(ctx); err != nil {
		return nil, err
	}
	run := &results.Run{Schema: results.Schema, Plan: given.Plan, Validity: results.Validity{Verdict: results.Valid}, Operations: []results.Operation{}}
	return run, o.Peers.Done(ctx, run, nil)
}

// carryOut makes a run of all agents. It returns how long the start took, the longest bound of a
// clock, the CPU time during the load, and how many operations the merged intervals have.
func (c *crowd) carryOut(tb testing.TB) (ready, bound, cpu time.Duration, operations uint64) {
	tb.Helper()
	plan := bench.Plan{
		Phases: []bench.PlanPhase{{Name: "a", Duration: time.Duration(c.load.seconds) * time.Second}},
		Agents: len(c.agents), Drain: time.Second,
	}
	f, err := c.Assign(tb.Context(), runner.Assignment{Plan: plan})
	if err != nil {
		tb.Fatal(err)
	}
	begin := time.Now()
	at, err := f.Start(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	ready = time.Since(begin)
	time.Sleep(time.Until(at))
	before := machine.ReadUsage().CPU
	if err := f.Load(tb.Context(), func(i *results.Interval) { operations += i.Operations[0].Offered }); err != nil {
		tb.Fatal(err)
	}
	cpu = machine.ReadUsage().CPU - before
	for _, r := range f.Reports() {
		bound = max(bound, r.Agent.OffsetBound)
		if r.Agent.Failure != "" {
			tb.Errorf("%+v", r.Agent)
		}
	}
	if w := f.Release(tb.Context()); len(w) > 0 {
		tb.Errorf("%+v", w)
	}
	return ready, bound, cpu, operations
}

// Sixty agents, which are more than send each second, become ready at once and all start; the
// merged intervals have every operation.
func TestManyAgents(t *testing.T) {
	t.Parallel()
	const agents, each, seconds = 60, 3, 1
	c := gather(t, agents, simulated{seconds, interval("a", 0, time.Second, latencyOf(t, 1, 2, 3))})
	if _, _, _, operations := c.carryOut(t); operations != agents*each*seconds {
		t.Errorf("%d operations, want %d", operations, agents*each*seconds)
	}
}

// Many agents send their intervals one after the other, each once in the time of all.
func TestPublishTurns(t *testing.T) {
	const agents = 200
	begin := time.Now()
	turns := map[time.Duration]bool{}
	for index := range agents {
		p := &publisher{begin: begin, every: bench.PublishTime(agents)}
		p.first = firstTurn(index, agents)
		for _, after := range []time.Duration{0, time.Millisecond, p.first, time.Minute, time.Minute + p.first} {
			turn := after + p.wait(begin.Add(after))
			if turn < after || turn >= after+p.every || (turn-p.first)%p.every != 0 {
				t.Errorf("agent %d: the turn after %v is %v", index, after, turn)
			}
		}
		turns[p.first] = true
	}
	if len(turns) != agents {
		t.Errorf("%d agents have %d turns", agents, len(turns))
	}
	if p := (&publisher{begin: begin, every: bench.PublishTime(2)}); p.wait(begin.Add(300*time.Millisecond)) != 0 {
		t.Error("few agents do not send at once")
	}
}

// Agents are released also where the time for the clean-up is over already, and end with the session.
func TestReleaseAfterTheCleanUp(t *testing.T) {
	t.Parallel()
	c := gather(t, 2, simulated{})
	f, err := c.Assign(t.Context(), runner.Assignment{Plan: bench.Plan{Phases: []bench.PlanPhase{{Name: "a"}}, Agents: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Load(t.Context(), func(*results.Interval) {}); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	f.Release(over)
	c.Close()
	if len(c.members) > 0 {
		t.Errorf("%d agents are there after the session", len(c.members))
	}
}

// The coordinator answers a bounded number of questions about its clock at once. What waits for
// its turn does not count as time on the way.
func TestAnswersAtOnce(t *testing.T) {
	t.Parallel()
	c := gather(t, 1, simulated{})
	for range maxAnswers {
		c.answering <- struct{}{}
	}
	a := c.agents[0]
	if err := a.mail.post(t.Context(), 0, clockRequest, stamps{RequestSent: time.Now().UnixNano()}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.clock:
		t.Error("an answer has not waited for its turn")
	case <-time.After(100 * time.Millisecond):
	}
	turn := time.Now().UnixNano()
	<-c.answering
	if s := <-a.clock; s.AnswerSent < turn {
		t.Errorf("the answer was sent %d ns before its turn", turn-s.AnswerSent)
	}
}

// Leases of up to 100 agents end after 3 s, those of more agents later.
func TestLeaseTimes(t *testing.T) {
	t.Parallel()
	etcd, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Stop)
	endpoint := Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}
	for count, want := range map[int]int64{1: 3, 100: 3, 1000: 12} {
		c, err := NewCoordinator(t.Context(), CoordinatorOptions{Endpoint: endpoint, Count: count})
		if err != nil {
			t.Fatal(err)
		}
		joined := make(chan struct{})
		a := newAgent(AgentOptions{Endpoint: endpoint, Notice: func(string) { closeOnce(joined) }})
		var ended sync.WaitGroup
		ended.Go(func() { _ = a.serveSession(t.Context()) }) // ends with the coordinator
		<-joined
		for _, id := range []clientv3.LeaseID{c.session.Lease(), a.session.Lease()} {
			if r, err := c.client.TimeToLive(t.Context(), id); err != nil || r.GrantedTTL != want {
				t.Errorf("%d agents: %v (%v), want a lease of %d s", count, r, err, want)
			}
		}
		c.Close()
		ended.Wait()
	}
}

// The costs of agents that are all in this process, of which each measures a hundred operations a
// second for 3 s: the time until all are ready, the longest bound of a clock, and the CPU time of
// all under load.
func BenchmarkAgents(b *testing.B) {
	times := make([]int64, 100)
	for i := range times {
		times[i] = int64(200_000 + i*i*1000)
	}
	load := simulated{3, interval("a", 0, time.Second, latencyOf(b, times...))}
	for _, count := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%d agents", count), func(b *testing.B) {
			c := gather(b, count, load)
			for b.Loop() {
				ready, bound, cpu, _ := c.carryOut(b)
				b.ReportMetric(ready.Seconds(), "s-ready")
				b.ReportMetric(float64(bound.Microseconds())/1000, "ms-bound")
				b.ReportMetric(100*cpu.Seconds()/float64(load.seconds), "%-cpu")
			}
		})
	}
}
