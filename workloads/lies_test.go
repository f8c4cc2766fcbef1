package workloads_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// trial is one run against a liar in front of a member.
type trial struct {
	workload string
	params   map[string]string
	options  transporttest.LiarOptions
	// exclusive says that nobody else writes meanwhile.
	exclusive bool
}

func (c trial) run(t *testing.T, endpoint, prefix string) (proof *results.Proof, lies int) {
	t.Helper()
	liar, err := transporttest.NewLiar(endpoint, c.options)
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Stop()
	target := workloads.Target{Conns: workloadstest.Dial(t, 2, liar.Address), Prefix: prefix, Seed: c.options.Seed, Verify: true, Exclusive: c.exclusive}
	plan := workloadstest.Plan(8, bench.PlanPhase{Total: 300})
	plan.Verify = true
	run, err := bench.Run(t.Context(), plan, newWorkload(t, c.workload, target, c.params), bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return run.Proof, liar.Lies()
}

// lyingTrial varies what a lie may depend on.
func lyingTrial(lie transporttest.Lie, seed uint64, exclusive bool) trial {
	c := trial{workload: "put", exclusive: exclusive}
	c.params = map[string]string{"key-space-size": []string{"1", "20", "50"}[seed%3]}
	if seed%5 == 4 {
		c.workload, c.params = "txn-put", map[string]string{"key-space-size": "20", "txn-ops": "3"}
	}
	c.options = transporttest.LiarOptions{Lie: lie, Every: 250, Seed: seed, Stale: seed%2 == 0, Delay: 200 * time.Millisecond}
	return c
}

// An acknowledged write that is lost, applied late, or applied after the next one of
// its key is found in every trial, also when it is overwritten later. So is a lost one
// while others write to the cluster, and one applied late that was acknowledged at an
// old revision. The same proxy without a lie is never accused.
func TestLiesAreFound(t *testing.T) {
	t.Parallel()
	const trials = 20
	for _, alone := range []bool{true, false} {
		endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
		t.Run(fmt.Sprintf("alone %v", alone), func(t *testing.T) {
			t.Parallel()
			if !alone {
				writeBeside(t, endpoint)
			}
			for name, lie := range map[string]transporttest.Lie{
				"lost": transporttest.Drop, "late": transporttest.Late, "reordered": transporttest.Reorder, "honest": transporttest.NoLie,
			} {
				for seed := range uint64(trials) {
					c := lyingTrial(lie, seed, alone)
					if !alone && !c.options.Stale && lie != transporttest.Drop {
						continue // the revision that was made up may be another client's
					}
					prefix := fmt.Sprintf("/lies/%s/%d/", name, seed)
					proof, lies := c.run(t, endpoint, prefix)
					want := results.Violated
					if lie == transporttest.NoLie {
						want = results.Proved
					} else if lies == 0 {
						t.Fatalf("%s, seed %d: the proxy told no lie", name, seed)
					}
					if proof.Verdict != want {
						t.Errorf("%s, seed %d: %s, want %s: %+v", name, seed, proof.Verdict, want, proof)
					}
				}
			}
		})
	}
}

// A loss is told with the key, where only one can be meant, and by the growth of the
// store's revision, where others wrote nothing.
func TestLossNamesItsKey(t *testing.T) {
	t.Parallel()
	endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
	c := trial{workload: "put", exclusive: true, params: map[string]string{"key-space-size": "5"}}
	c.options = transporttest.LiarOptions{Lie: transporttest.Drop, Every: 300, Seed: 2}
	proof, lies := c.run(t, endpoint, "/loss/")
	var keys, growth bool
	for _, v := range proof.Violations {
		keys = keys || v.Check == "keys" && strings.HasPrefix(v.Key, "/loss/") && strings.Contains(v.Found, "1 lost")
		growth = growth || v.Check == "growth" && v.Key == "" && strings.Contains(v.Expected, "300") && strings.Contains(v.Found, "by 299; acknowledged writes lost: 1")
	}
	if lies != 1 || !keys || !growth {
		t.Errorf("%d lies, want 1, and violations by key and by growth: %+v", lies, proof.Violations)
	}
	for _, v := range proof.Violations {
		if v.Check == "growth" {
			continue
		}
		if o := v.Operation; o == nil || o.Member == "" || !o.Answered.After(o.Sent) || v.Key == "" {
			t.Errorf("violation %+v: operation %+v", v, o)
		}
		if o := v.Against; v.Check == "keys" && (o == nil || o.Member == "" || !o.Answered.After(o.Sent) || len(v.History) < 2) {
			t.Errorf("violation %+v: against %+v", v, o)
		}
	}
}

// writeBeside writes keys of its own until the test ends.
func writeBeside(t *testing.T, endpoint string) {
	kv := pb.NewKVClient(workloadstest.Dial(t, 1, endpoint)[0])
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			_, _ = kv.Put(ctx, &pb.PutRequest{Key: fmt.Appendf(nil, "/beside/%d", n%100), Value: []byte("theirs")})
			time.Sleep(2 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// Whatever a run does and whatever happens to it, a cluster that keeps its word is
// not accused: timeouts with unknown outcome, deletions, transactions, leases that
// end, other writers, keys that were there before.
func TestCorrectClusterIsNotReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workload string
		params   map[string]string
		beside   bool
		length   time.Duration
	}{
		"put":                {workload: "put", params: map[string]string{"key-space-size": "20"}},
		"put beside others":  {workload: "put", params: map[string]string{"key-space-size": "20"}, beside: true},
		"delete":             {workload: "delete", params: map[string]string{"key-space-size": "40"}},
		"txn-put":            {workload: "txn-put", params: map[string]string{"key-space-size": "40"}},
		"txn-mixed":          {workload: "txn-mixed", params: map[string]string{"key-space-size": "40", "txn-ops": "4"}},
		"txn-cas":            {workload: "txn-cas", params: map[string]string{"key-space-size": "4"}},
		"txn-cas with churn": {workload: "txn-cas", params: map[string]string{"key-space-size": "60", "verbs": "create,update,update,delete"}, beside: true},
		"stm":                {workload: "stm", params: map[string]string{"key-space-size": "10"}},
		"leases that end":    {workload: "lease-attach", params: map[string]string{"key-space-size": "50", "keys-per-lease": "5", "ttl": "2s"}, length: 5 * time.Second},
		"leases revoked":     {workload: "lease-revoke", params: map[string]string{"leases": "40", "keys-per-lease": "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
			proxy := newProxy(t, endpoint)
			if c.beside {
				writeBeside(t, endpoint)
			}
			// Twice on the same keys, the second time as older than the run.
			for seed := range uint64(2) {
				target := workloads.Target{Conns: workloadstest.Dial(t, 4, proxy.Address), Prefix: "/honest/", Seed: seed, Verify: true, Exclusive: !c.beside}
				plan := workloadstest.Plan(12, bench.PlanPhase{Duration: max(time.Second, c.length), Load: bench.Load{Rate: 600}})
				plan.Verify, plan.Timeout = true, 100*time.Millisecond
				freeze := time.AfterFunc(plan.Phases[0].Duration/2, func() { proxy.Freeze(250 * time.Millisecond) })
				run, err := bench.Run(t.Context(), plan, newWorkload(t, c.workload, target, c.params), bench.Options{})
				freeze.Stop()
				if err != nil {
					t.Fatal(err)
				}
				var completed, timedOut uint64
				for _, o := range run.Operations {
					completed, timedOut = completed+o.Completed, timedOut+o.TimedOut
				}
				for _, check := range run.Proof.Checks {
					if check.Name == "unknown outcomes" && check.Checked < check.Of {
						t.Logf("run %d: %+v", seed, check)
					}
				}
				if run.Proof.Verdict != results.Proved || timedOut == 0 || completed == 0 {
					t.Errorf("run %d: completed %d, timed out %d, proof %+v", seed, completed, timedOut, run.Proof)
				}
			}
		})
	}
}

// Writes on their way to a leader that is killed have unknown outcomes, and nobody is
// accused for them.
func TestKilledLeaderIsNotReported(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 3)
	target := workloads.Target{
		Conns: workloadstest.Dial(t, 3, cluster.Endpoints(c)...), Members: workloadstest.Dial(t, 3, cluster.Endpoints(c)...),
		Prefix: "/killed/", Seed: 1, Verify: true, Exclusive: true,
	}
	leader := memberThat(t, c, target, true)
	w := newWorkload(t, "put", target, map[string]string{"key-space-size": "20"})
	plan := workloadstest.Plan(12, bench.PlanPhase{Duration: 4 * time.Second, Load: bench.Load{Rate: 300}})
	plan.Verify, plan.Timeout = true, time.Second
	defer time.AfterFunc(2*time.Second, func() {
		if proc, err := os.FindProcess(leader.PID); err == nil {
			_ = proc.Kill()
		}
	}).Stop()
	run, err := bench.Run(t.Context(), plan, w, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	op, _ := run.Operation("measure", "put")
	// The hashes of all members cannot be compared.
	if run.Proof.Found > 0 || op.Failed+op.TimedOut == 0 || op.Completed == 0 {
		t.Errorf("completed %d, failed %d, timed out %d, proof %+v", op.Completed, op.Failed, op.TimedOut, run.Proof)
	}
}

// A key that is older than the run has its puts counted from the run's beginning.
func TestLossOfAnOlderKey(t *testing.T) {
	t.Parallel()
	endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
	var verdicts []string
	for seed, lie := range []transporttest.Lie{transporttest.NoLie, transporttest.NoLie, transporttest.Drop} {
		c := trial{workload: "put", params: map[string]string{"key-space-size": "10"}}
		c.options = transporttest.LiarOptions{Lie: lie, Every: 250, Seed: uint64(seed)}
		proof, _ := c.run(t, endpoint, "/older/")
		verdicts = append(verdicts, proof.Verdict)
	}
	if got := strings.Join(verdicts, " "); got != "proved proved violated" {
		t.Errorf("verdicts %s", got)
	}
}
