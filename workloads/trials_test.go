package workloads_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/link"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

var (
	trials     = flag.Int("trials", 2, "trials of each lie, and half as many with faults of members")
	firstSeed  = flag.Uint64("first", 0, "seed of the first trial with faults of members")
	operations = flag.Uint64("operations", 1500, "operations of a trial, of which one is answered wrongly")
)

// mixture is a workload of parts on the same keys.
type mixture []results.PlanEntry

func parts(keys string, names ...string) (m mixture) {
	for _, name := range names {
		p := results.PlanEntry{Name: name, Workload: name, Weight: 1, Prefix: "/trial/", Params: map[string]string{"key-space-size": keys}}
		if name == "txn-mixed" {
			p.Params["consistency"] = "s"
		}
		m = append(m, p)
	}
	return m
}

func (m mixture) bind(t *testing.T, target workloads.Target) bench.Workload {
	t.Helper()
	for i := range m {
		m[i].Prefix = target.Prefix
	}
	list, err := workloads.Parts(m)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workloads.Compose(workloads.Composition{Name: "mixture", Parts: list}, target)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// lists puts keys, deletes some, and reads all of them by RangeStream.
func lists(keys string) mixture {
	m := parts(keys, "put", "delete", "range")
	m[2].Params["stream"], m[2].Params["span"], m[2].Params["existing"] = "true", "prefix", "true"
	return m
}

// revocations grants and revokes leases, and reads their keys.
func revocations(string) mixture {
	m := parts("120", "range", "lease-revoke")
	m[0].Params["existing"] = "true"
	m[1].Params = map[string]string{"leases": "60", "keys-per-lease": "1"} // and as many that are revoked
	return m
}

// locks has clients that wait for few locks.
func locks(string) mixture {
	m := parts("", "lock")
	m[0].Params = map[string]string{"locks": "2"}
	return m
}

// One wrong answer of a trial is found in every trial, for each kind of wrong answer.
func TestOneWrongAnswerIsFound(t *testing.T) {
	t.Parallel()
	endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
	for name, test := range map[string]struct {
		lie  transporttest.Lie
		load func(keys string) mixture
		// share is the part of the operations that are made, if they take long; 0 is all.
		share uint64
	}{
		"stale read":          {transporttest.StaleRead, func(k string) mixture { return parts(k, "put", "range") }, 0},
		"dropped write":       {transporttest.Drop, func(k string) mixture { return parts(k, "put", "range") }, 0},
		"reordered writes":    {transporttest.Reorder, func(k string) mixture { return parts(k, "put", "range") }, 0},
		"wrong compare":       {transporttest.WrongCompare, func(k string) mixture { return parts(k, "txn-cas") }, 0},
		"swallowed event":     {transporttest.SwallowEvent, func(string) mixture { return parts("100", "watch") }, 0},
		"key left out":        {transporttest.LeaveOut, lists, 4},
		"revoked lease":       {transporttest.RevokedLease, revocations, 0},
		"two holders":         {transporttest.TwoHolders, locks, 8},
		"no lie, and leases":  {transporttest.NoLie, revocations, 0},
		"no lie, and locks":   {transporttest.NoLie, locks, 8},
		"no lie, and reads":   {transporttest.NoLie, func(k string) mixture { return parts(k, "put", "range", "txn-mixed") }, 0},
		"no lie, and lists":   {transporttest.NoLie, lists, 4},
		"no lie, and compare": {transporttest.NoLie, func(k string) mixture { return parts(k, "txn-cas", "range", "delete") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for seed := range uint64(*trials) {
				total := *operations / max(1, test.share)
				if testing.Short() {
					total /= 2
				}
				o := transporttest.LiarOptions{Lie: test.lie, Every: total / 3, Seed: seed, Stale: seed%2 == 0, Delay: 100 * time.Millisecond}
				load := test.load([]string{"20", "100", "500"}[seed%3])
				proof, lies := lyingRun(t, endpoint, fmt.Sprintf("/trials/%d/%d/", test.lie, seed), load, total, o)
				want := results.Violated
				if test.lie == transporttest.NoLie {
					want = results.Proved
				} else if lies == 0 {
					t.Fatalf("seed %d: no lie was told", seed)
				}
				if proof.Verdict == want {
					found++
				} else {
					t.Errorf("seed %d: %d lies, proof %+v", seed, lies, proof)
				}
				for _, v := range proof.Violations {
					if o := v.Operation; v.Check == "watchers" && (o == nil || o.Member == "" || !o.Answered.After(o.Sent) || v.Against == nil) {
						t.Errorf("seed %d: violation %+v: operation %+v", seed, v, o)
					}
				}
			}
			t.Logf("%d of %d trials", found, *trials)
		})
	}
}

func lyingRun(t *testing.T, endpoint, prefix string, load mixture, total uint64, o transporttest.LiarOptions) (*results.Proof, int) {
	t.Helper()
	o.Once = true
	liar, err := transporttest.NewLiar(endpoint, o)
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Stop()
	target := workloads.Target{
		Conns: workloadstest.Dial(t, 4, liar.Address), Prefix: prefix, Seed: o.Seed, Verify: true, Exclusive: true,
	}
	plan := workloadstest.Plan(16, bench.PlanPhase{Total: total})
	plan.Verify = true
	run, err := bench.Run(t.Context(), plan, load.bind(t, target), bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return run.Proof, liar.Lies()
}

// Members that are killed, stopped or cut off make operations fail or time out, and the
// cluster is not accused for it.
func TestFaultsAreNoViolations(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartClusterWith(t, 3, func(s *cluster.Settings) {
		s.UnsafeNoFsync, s.Network = true, &cluster.Network{}
		s.HeartbeatInterval, s.ElectionTimeout = 20*time.Millisecond, 200*time.Millisecond
	})
	for seed := *firstSeed; seed < *firstSeed+uint64((*trials+1)/2); seed++ {
		target := workloads.Target{
			Conns: workloadstest.Dial(t, 6, cluster.Endpoints(c)...), Prefix: fmt.Sprintf("/faults/%d/", seed), Seed: seed, Verify: true, Exclusive: true,
		}
		load := parts([]string{"5", "100"}[seed%2], "put", "range", "txn-cas", "txn-mixed", "delete")
		plan := workloadstest.Plan(24, bench.PlanPhase{Duration: 2500 * time.Millisecond, Load: bench.Load{Rate: 800}})
		plan.Verify, plan.Timeout = true, 300*time.Millisecond
		rng := rand.New(rand.NewPCG(seed, 3))
		fault := "none"
		hurting := bench.Disturbance{
			PlanDisturbance: results.PlanDisturbance{Kind: "fault", At: 300*time.Millisecond + rand.N(500*time.Millisecond)},
			Do: func(ctx context.Context) (_ string, err error) {
				fault, err = hurt(context.WithoutCancel(ctx), c, rng)
				return fault, err
			},
		}
		run, err := bench.Run(t.Context(), plan, load.bind(t, target), bench.Options{Disturbances: []bench.Disturbance{hurting}})
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, fault, err)
		}
		var completed, lost uint64
		for _, o := range run.Operations {
			completed, lost = completed+o.Completed, lost+o.TimedOut+o.Failed
		}
		t.Logf("seed %d: %s: completed %d, lost %d", seed, fault, completed, lost)
		if run.Proof.Found > 0 || completed == 0 {
			t.Errorf("seed %d: %s: completed %d, lost %d, proof %+v", seed, fault, completed, lost, run.Proof)
		}
	}
}

// hurt does something to a member for a while.
func hurt(ctx context.Context, c *cluster.Processes, rng *rand.Rand) (string, error) {
	member, fault := rng.IntN(3), rng.IntN(3)
	begin, end := c.Pause, c.Resume
	switch fault {
	case 0:
		begin, end = c.Kill, c.Start
	case 1:
		var undo func()
		begin = func(m int) (err error) {
			undo, err = c.SetLink(m, -1, link.Ways{In: true, Out: true}, link.Conditions{Down: true})
			return err
		}
		end = func(int) error { undo(); return nil }
	}
	what := fmt.Sprintf("%s member %d", []string{"kill", "cut", "pause"}[fault], member)
	if err := begin(member); err != nil {
		return what, err
	}
	time.Sleep(200*time.Millisecond + rand.N(500*time.Millisecond))
	if err := end(member); err != nil {
		return what, err
	}
	return what, c.Ready(ctx)
}
