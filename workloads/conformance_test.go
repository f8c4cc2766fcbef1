package workloads_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// conformance says, for one workload, with which parameters it is tried and
// what the server must have counted for it.
type conformance struct {
	params map[string]string
	ops    uint64
	// server has the counts that must agree: the server's, by method, from ours.
	server func(c counts) map[string]uint64
}

// counts are a run's: completed operations by kind, and what was counted besides.
type counts map[string]uint64

func same(method, kind string) func(counts) map[string]uint64 {
	return func(c counts) map[string]uint64 { return map[string]uint64{method: c[kind]} }
}

var conforming = map[string]conformance{
	"put":   {server: same("Put", "put")},
	"range": {server: same("Range", "range")},
	"delete": {server: func(c counts) map[string]uint64 {
		return map[string]uint64{"DeleteRange": c["delete"], "Put": c["put"]}
	}},
	"txn-put":   {params: map[string]string{"txn-ops": "5"}, server: same("Txn", "txn-put")},
	"txn-mixed": {server: func(c counts) map[string]uint64 { return map[string]uint64{"Txn": c["read"] + c["write"]} }},
	"txn-cas":   {params: map[string]string{"key-space-size": "20"}, server: same("Txn", "update.attempts")},
	"watch":     {server: same("Put", "put")},
	"watch-create": {
		server: func(c counts) map[string]uint64 { return map[string]uint64{"Watch": 2 * c["watch-create"]} }, // and cancelled
	},
	"watch-catchup": {
		params: map[string]string{"past-events": "700"}, ops: 20,
		server: func(c counts) map[string]uint64 { return map[string]uint64{"Watch streams": c["catchup"]} },
	},
	"lease-grant":     {server: same("LeaseGrant", "lease-grant")},
	"lease-keepalive": {params: map[string]string{"leases": "50"}, server: same("LeaseKeepAlive", "lease-keepalive")},
	"lease-attach": {server: func(c counts) map[string]uint64 {
		return map[string]uint64{"Put": c["lease-attach"], "LeaseGrant": c["lease-attach.leases"]}
	}},
	"lease-revoke": {params: map[string]string{"leases": "50"}, server: func(c counts) map[string]uint64 {
		return map[string]uint64{"LeaseRevoke": c["revoke"], "LeaseGrant": c["attach"], "Txn": c["attach"]}
	}},
	"lease-expire": {params: map[string]string{"leases-per-op": "5"}, ops: 8, server: func(c counts) map[string]uint64 {
		return map[string]uint64{"LeaseGrant": c["expire"], "Put": c["expire"]}
	}},
	"lock": {params: map[string]string{"locks": "4"}, ops: 300, server: func(c counts) map[string]uint64 {
		return map[string]uint64{"Txn": c["acquire"], "DeleteRange": c["release"]}
	}},
	"election": {params: map[string]string{"elections": "4"}, ops: 200, server: func(c counts) map[string]uint64 {
		return map[string]uint64{"Txn": c["campaign"] + c["proclaim"] + c["resign"]}
	}},
	// Each of two keys is fetched once, also when the commit is tried again.
	"stm": {server: func(c counts) map[string]uint64 { return map[string]uint64{"Txn": c["stm.attempts"] + 2*c["stm"]} }},
}

// served are the workloads of clusters.
func served() []workloads.Entry {
	return slices.DeleteFunc(workloads.All(), func(e workloads.Entry) bool { return e.Storage != workloads.NoLayer })
}

func (c conformance) with(space bool) map[string]string {
	params := map[string]string{}
	if space {
		params["key-space-size"] = "500"
	}
	maps.Copy(params, c.params)
	return params
}

// hasKeySpace tells whether the workload has that parameter.
func hasKeySpace(name string) bool {
	_, err := workloads.New(name, workloads.Target{Prefix: "/x/"}, map[string]string{"key-space-size": "500"})
	return err == nil || !strings.Contains(err.Error(), "no parameter")
}

// Every registered workload must pass this, on one member and on three: as many
// samples as operations, the server's own counts, a set-up that can be repeated,
// noSetup outside of the prefix touched, no lease left, and a proof.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d members", members), func(t *testing.T) {
			t.Parallel() // most of the time is spent in waiting
			testConformance(t, members)
		})
	}
}

func testConformance(t *testing.T, members int) {
	c := workloadstest.StartCluster(t, members)
	eps := cluster.Endpoints(c)
	conns := workloadstest.Dial(t, 4, eps...)
	kv := pb.NewKVClient(conns[0])
	if _, err := kv.Put(t.Context(), &pb.PutRequest{Key: []byte("/other"), Value: []byte("theirs")}); err != nil {
		t.Fatal(err)
	}
	for _, e := range served() {
		conf, known := conforming[e.Name]
		if !known {
			t.Fatalf("workload %s is not in the conformance suite", e.Name)
		}
		t.Run(e.Name, func(t *testing.T) {
			prefix := fmt.Sprintf("/conformance/%s/%d/", e.Name, members)
			target := workloads.Target{Conns: conns, Members: workloadstest.Dial(t, members, eps...), Prefix: prefix, Seed: 7, Verify: true, Exclusive: true}
			w := newWorkload(t, e.Name, target, conf.with(hasKeySpace(e.Name)))
			if err := w.Setup(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			ops := conf.ops
			if ops == 0 {
				ops = 1000
			}
			p := &workloadstest.Probe{Workload: w, Endpoints: eps}
			pl := workloadstest.Plan(8, bench.PlanPhase{Total: ops})
			pl.Verify = true
			run, err := bench.Run(t.Context(), pl, p, bench.Options{}) // sets up once more
			if err != nil {
				t.Fatal(err)
			}
			checkRun(t, run, ops, p, conf)
			checkLeft(t, conns[0], prefix)
		})
		t.Run(e.Name+" is cancelled in time", func(t *testing.T) {
			target := workloads.Target{Conns: conns, Prefix: fmt.Sprintf("/cancel/%s/", e.Name), Seed: 7}
			w := newWorkload(t, e.Name, target, conf.with(hasKeySpace(e.Name)))
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(400*time.Millisecond, func() { cancel(bench.ErrInterrupted) })
			pl := workloadstest.Plan(8, bench.PlanPhase{Duration: time.Hour})
			pl.Drain = 200 * time.Millisecond
			p := &workloadstest.Probe{Workload: w, Endpoints: eps}
			run, err := bench.Run(ctx, pl, p, bench.Options{})
			if err != nil || run.Outcome != results.Interrupted {
				t.Errorf("err %v, outcome %s", err, run.Outcome)
			}
			if took := p.Ended.Sub(p.Began) - 400*time.Millisecond; took > time.Second {
				t.Errorf("the load went on for %v after it was cancelled", took)
			}
			checkLeft(t, conns[0], "/cancel/")
		})
	}
}

func checkRun(t *testing.T, run *results.Run, ops uint64, p *workloadstest.Probe, conf conformance) {
	t.Helper()
	ours := counts{}
	var asked uint64
	for _, o := range run.Operations {
		ours[o.Op] += o.Completed
		for _, c := range o.Counts {
			ours[o.Op+"."+c.Name] += c.Count
		}
		if o.Completed != o.Offered {
			t.Errorf("%s: completed %d of %d, timed out %d: %v", o.Op, o.Completed, o.Offered, o.TimedOut, o.Errors)
		}
		if !arriving[o.Op] {
			asked += o.Offered
		}
	}
	if asked != ops {
		t.Errorf("%d operations, want the %d asked for: %v", asked, ops, ours)
	}
	for method, want := range conf.server(ours) {
		if got := p.After[method] - p.Before[method]; got != want {
			t.Errorf("the server counted %d of %s, we %d (%v)", got, method, want, ours)
		}
	}
	if run.Proof == nil || run.Proof.Verdict != results.Proved {
		t.Errorf("proof: %+v", run.Proof)
	}
	if len(run.Warnings) > 0 {
		t.Errorf("warnings: %v", run.Warnings)
	}
}

// arriving are the kinds that arrive by themselves.
var arriving = map[string]bool{
	"event": true, "event-before-ack": true, "event-after-ack": true, "get": true, "expire": true, "release": true,
	"proclaim": true, "observe": true, "resign": true,
}

// checkLeft sees that nothing but the prefix was touched, that the prefix can be
// emptied, and that no lease is left. A member may still carry out requests that were
// cancelled, also after the prefix was deleted: then it is deleted again.
func checkLeft(t *testing.T, conn grpc.ClientConnInterface, prefix string) {
	t.Helper()
	ctx := t.Context()
	var r *pb.RangeResponse
	for range 100 {
		workloadstest.DeletePrefix(t, conn, prefix)
		var err error
		if r, err = pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Kvs, func(e *mvccpb.KeyValue) bool { return strings.HasPrefix(string(e.Key), prefix) }) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, e := range r.Kvs {
		if string(e.Key) != "/other" || string(e.Value) != "theirs" || e.Version != 1 {
			t.Errorf("key %q is left or was changed: %q", e.Key, e.Value)
		}
	}
	leases, err := pb.NewLeaseClient(conn).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil || len(leases.Leases) > 0 {
		t.Errorf("%d leases are left: %v", len(leases.GetLeases()), err)
	}
}

// A member that is killed midway costs errors, not the run, whatever the
// workload. All of them run at once, each with clients on the dead member.
func TestMemberKilled(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 3)
	const timeout, drain = time.Second, 2 * time.Second
	var wg sync.WaitGroup
	// Every load starts when all are set up, and a moment later the member is killed.
	var settingUp sync.WaitGroup
	settingUp.Add(len(served()))
	go func() {
		settingUp.Wait()
		time.Sleep(1500 * time.Millisecond)
		if proc, err := os.FindProcess(c.Members()[1].PID); err == nil {
			_ = proc.Kill()
		}
	}()
	for _, e := range served() {
		conns := workloadstest.Dial(t, 3, cluster.Endpoints(c)...)
		params := conforming[e.Name].with(hasKeySpace(e.Name))
		w := newWorkload(t, e.Name, workloads.Target{Conns: conns, Prefix: "/kill/" + e.Name + "/", Seed: 1}, params)
		wg.Go(func() {
			ready := sync.OnceFunc(settingUp.Done)
			defer ready() // also when the set-up fails
			barrier := &workloadstest.Probe{Workload: w, Attached: func() { ready(); settingUp.Wait() }}
			p := workloadstest.Plan(3, bench.PlanPhase{Duration: 5 * time.Second})
			p.Timeout, p.Drain = timeout, drain
			if e.Name == "lease-expire" {
				p.Timeout = 4 * time.Second
			}
			run, err := bench.Run(t.Context(), p, barrier, bench.Options{})
			if err != nil {
				t.Errorf("%s: %v", e.Name, err)
				return
			}
			var completed, lost uint64
			for _, o := range run.Operations {
				completed += o.Completed
				lost += o.Failed + o.Unfinished
				if o.Failed+o.TimedOut > 0 && len(o.Errors) == 0 && !arriving[o.Op] {
					t.Errorf("%s/%s: %d failed, %d timed out, and no errors counted", e.Name, o.Op, o.Failed, o.TimedOut)
				}
			}
			if completed == 0 || lost == 0 {
				t.Errorf("%s: completed %d, failed or unfinished %d", e.Name, completed, lost)
			}
			if took := time.Since(barrier.Began); took > 20*time.Second {
				t.Errorf("%s: the run took %v", e.Name, took)
			}
		})
	}
	wg.Wait()
}
