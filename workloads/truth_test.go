package workloads_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

func newProxy(t *testing.T, endpoint string) *transporttest.Proxy {
	t.Helper()
	proxy, err := transporttest.NewProxy(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy
}

// watchThrough runs puts at a rate, straight to the server, under watchers whose
// connections go through a proxy. A phase that ends with its last put, not at a
// time, gives up no put that waits while the machine is busy with something else.
func watchThrough(t *testing.T, endpoint string, streams []grpc.ClientConnInterface, prefix string, ph bench.PlanPhase, more ...string) *results.Run {
	t.Helper()
	target := workloads.Target{
		Conns: workloadstest.Dial(t, 2, endpoint), Streams: streams, Prefix: prefix, Seed: 1, Verify: true,
	}
	params := map[string]string{"streams": "2", "watch-per-stream": "3", "watch-span": "prefix", "key-space-size": "50"}
	for _, kv := range more {
		name, value, _ := strings.Cut(kv, "=")
		params[name] = value
	}
	w := newWorkload(t, "watch", target, params)
	pl := workloadstest.Plan(20, ph)
	pl.Verify = true
	run, err := bench.Run(t.Context(), pl, w, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// What holds the events back by 50 ms shows in the events, all of it, and not in
// the puts.
func TestWatchLatencyIsTheEvents(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	const delay = 50 * time.Millisecond
	p50 := func(name string, d time.Duration) (put, event, since time.Duration) {
		proxy := newProxy(t, endpoint)
		proxy.Delay(d)
		run := watchThrough(t, endpoint, workloadstest.Dial(t, 2, proxy.Address), "/truth/"+name+"/", bench.PlanPhase{Total: 600, Load: bench.Load{Rate: 200}})
		puts, _ := run.Operation("measure", "put")
		events, _ := run.Operation("measure", "event")
		before, _ := run.Operation("measure", "event-before-ack")
		after, _ := run.Operation("measure", "event-after-ack")
		if puts.Completed != 600 || events.Completed != 6*600 || before.Completed+after.Completed != 6*600 {
			t.Errorf("%s: %d puts, %d events, %d before and %d after their acknowledgement; want 600, and 3,600 in all",
				name, puts.Completed, events.Completed, before.Completed, after.Completed)
		}
		signed, err := results.NewSigned(before.ResponseTime, after.ResponseTime)
		if err != nil {
			t.Fatal(err)
		}
		return puts.ResponseTime.Percentile(50).Time, events.ResponseTime.Percentile(50).Time, time.Duration(signed.Percentile(50).Time)
	}
	n := 0
	workloadstest.Repeat(t, func() error {
		n++
		put, event, since := p50(fmt.Sprint("at once ", n), 0)
		latePut, lateEvent, lateSince := p50(fmt.Sprint("late ", n), delay)
		return errors.Join(
			within("what events took longer", lateEvent-event, delay-5*time.Millisecond, delay+15*time.Millisecond),
			within("what they took longer since the acknowledgement", lateSince-since, delay-5*time.Millisecond, delay+15*time.Millisecond),
			within("what puts took longer", latePut-put, -15*time.Millisecond, 15*time.Millisecond))
	})
}

// A watch connection that is cut comes back, and no event is missed or seen twice.
func TestWatchConnectionIsCut(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	proxy := newProxy(t, endpoint)
	for at := range 5 {
		defer time.AfterFunc(time.Second+time.Duration(at)*500*time.Millisecond, proxy.Cut).Stop()
	}
	run := watchThrough(t, endpoint, workloadstest.Dial(t, 2, proxy.Address), "/cut/", bench.PlanPhase{Total: 2000, Load: bench.Load{Rate: 500}})
	events, _ := run.Operation("measure", "event")
	if events.Completed != 6*2000 {
		t.Errorf("%d events, want 12,000: six watchers, 2,000 puts", events.Completed)
	}
	for _, n := range events.Counts {
		if n.Count > 0 && n.Name != "coalesced" && n.Name != results.CountReadLate {
			t.Errorf("%d %s", n.Count, n.Name)
		}
	}
	if run.Proof.Verdict != results.Proved {
		t.Errorf("proof %+v", run.Proof)
	}
	if text := fmt.Sprint(run.Proof.Checks); !strings.Contains(text, "reconnections") {
		t.Errorf("no reconnection: the connections were not cut: %s", text)
	}
}

// After a longer break, what was missed comes in responses so large that the
// server splits them; put together, they are as good.
func TestSplitResponses(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	proxy := newProxy(t, endpoint)
	for _, at := range []time.Duration{1000, 2500} {
		defer time.AfterFunc(at*time.Millisecond, func() {
			proxy.Freeze(700 * time.Millisecond)
			proxy.Cut()
		}).Stop()
	}
	var fragments atomic.Int64
	streams := workloadstest.Dial(t, 2, proxy.Address)
	for i, conn := range streams {
		streams[i] = &meddler{ClientConnInterface: conn, event: func(r *pb.WatchResponse) bool {
			if r.Fragment {
				fragments.Add(1)
			}
			return false
		}}
	}
	run := watchThrough(t, endpoint, streams, "/split/", bench.PlanPhase{Total: 800, Load: bench.Load{Rate: 200}},
		"fragment=true", "prev-kv=true", "progress-notify=true", "require-leader=true", "val-size=20000", "watcher-delay=1ms")
	events, _ := run.Operation("measure", "event")
	if events.Completed != 6*800 || run.Proof.Verdict != results.Proved {
		t.Errorf("%d events, want 4,800; proof %+v", events.Completed, run.Proof)
	}
	for _, n := range events.Counts {
		if n.Count > 0 && n.Name != "coalesced" && n.Name != results.CountReadLate {
			t.Errorf("%d %s", n.Count, n.Name)
		}
	}
	if fragments.Load() == 0 {
		t.Error("no response was split: there was nothing to put together")
	}
}

// meddler stands between us and the server, and changes what comes back.
type meddler struct {
	grpc.ClientConnInterface
	reply func(reply any)
	event func(r *pb.WatchResponse) (again bool)
}

func (m *meddler) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	err := m.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	if m.reply != nil {
		m.reply(reply)
	}
	return err
}

func (m *meddler) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := m.ClientConnInterface.NewStream(ctx, d, method, opts...)
	return &meddledStream{s, m, nil}, err
}

type meddledStream struct {
	grpc.ClientStream
	*meddler
	again *pb.WatchResponse
}

func (s *meddledStream) RecvMsg(msg any) error {
	r, ok := msg.(*pb.WatchResponse)
	if s.again != nil && ok {
		r.Header, r.WatchId, r.Events = s.again.Header, s.again.WatchId, s.again.Events
		s.again = nil
		return nil
	}
	err := s.ClientStream.RecvMsg(msg)
	if ok && err == nil && s.event != nil && s.event(r) {
		s.again = &pb.WatchResponse{Header: r.Header, WatchId: r.WatchId, Events: slices.Clone(r.Events)}
	}
	return err
}

// tampering does something behind the run's back before the proof.
type tampering struct {
	*workloadstest.Probe
	tamper func()
}

func (w tampering) Verify(ctx context.Context) (*results.Proof, error) {
	w.tamper()
	return w.Probe.Verify(ctx)
}

// Whatever is wrong must be found, and said with the key, what was expected and
// what was found.
func TestProofDetectsInjectedViolations(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 3)
	eps := cluster.Endpoints(c)
	conns := workloadstest.Dial(t, 3, eps...)
	kv := pb.NewKVClient(conns[0])
	once := func(do func() bool) func() bool {
		var done atomic.Bool
		return func() bool { return !done.Load() && do() && done.CompareAndSwap(false, true) }
	}
	// underWay reports whether a response with events is one after the first twenty. (How many
	// responses there are depends on how many events a member puts into one.)
	underWay := func() func(*pb.WatchResponse) bool {
		var n atomic.Int64
		return func(r *pb.WatchResponse) bool { return len(r.Events) > 0 && n.Add(1) > 20 }
	}
	for name, c := range map[string]struct {
		workload string
		tamper   func(key string)
		meddler  meddler
		want     string // in the first violation
	}{
		"nothing": {workload: "put"},
		"a key is gone": {workload: "put", want: "found no key", tamper: func(key string) {
			_, _ = kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte(key)})
		}},
		"a key was overwritten": {workload: "put", want: "which was not acknowledged to a client of this run", tamper: func(key string) {
			_, _ = kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte("other")})
		}},
		"a deleted key is back": {workload: "delete", want: "", tamper: func(key string) {
			_, _ = kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte("other")})
		}},
		"a member differs": {workload: "put", want: "hash", meddler: meddler{reply: func(reply any) {
			if r, ok := reply.(*pb.HashKVResponse); ok {
				r.Hash ^= uint32(r.Header.MemberId)
			}
		}}},
		"a revision goes back": {workload: "put", want: "a revision above", meddler: meddler{reply: func() func(any) {
			var puts atomic.Int64
			return func(reply any) {
				if r, ok := reply.(*pb.PutResponse); ok && r.Header != nil && puts.Add(1) == 500 {
					r.Header.Revision = 2
				}
			}
		}()}},
		"a key outlives its lease": {workload: "lease-attach", want: "no key, as its lease", meddler: meddler{reply: func(reply any) {
			if r, ok := reply.(*pb.LeaseLeasesResponse); ok {
				r.Leases = nil
			}
		}}},
		"an event is dropped": {workload: "watch", want: "expected version", meddler: meddler{event: func() func(*pb.WatchResponse) bool {
			drop, isUnderWay := once(func() bool { return true }), underWay()
			return func(r *pb.WatchResponse) bool {
				if isUnderWay(r) && drop() {
					r.Events = r.Events[:len(r.Events)-1]
				}
				return false
			}
		}()}},
		"an event comes twice": {workload: "watch", want: "each event once", meddler: meddler{event: func() func(*pb.WatchResponse) bool {
			twice, isUnderWay := once(func() bool { return true }), underWay()
			return func(r *pb.WatchResponse) bool { return isUnderWay(r) && twice() }
		}()}},
		"events are out of order": {workload: "watch", want: "expected no event after", meddler: meddler{event: func() func(*pb.WatchResponse) bool {
			var mu sync.Mutex
			held := map[int64]*mvccpb.Event{}
			swap, isUnderWay := once(func() bool { return true }), underWay()
			return func(r *pb.WatchResponse) bool {
				mu.Lock()
				defer mu.Unlock()
				switch h := held[r.WatchId]; {
				case len(r.Events) == 0:
				case h != nil:
					r.Events = append(r.Events, h)
					delete(held, r.WatchId)
				case len(held) == 0 && isUnderWay(r) && swap():
					held[r.WatchId] = r.Events[0]
					r.Events = r.Events[1:]
				}
				return false
			}
		}()}},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := "/teeth/" + strings.ReplaceAll(name, " ", "-") + "/"
			// Where other clients may write, a key that one of them changed is no violation.
			target := workloads.Target{Prefix: prefix, Seed: 3, Verify: true, Exclusive: c.tamper != nil}
			for _, conn := range conns {
				m := c.meddler
				m.ClientConnInterface = conn
				target.Conns, target.Members = append(target.Conns, &m), append(target.Members, &m)
			}
			params := map[string]string{"key-space-size": "40"}
			if c.workload == "watch" {
				params["streams"] = "1"
			}
			w := newWorkload(t, c.workload, target, params)
			key := ""
			tamper := func() {
				r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte(prefix), RangeEnd: []byte(prefix + "\xff"), KeysOnly: true})
				if err != nil || len(r.Kvs) == 0 {
					t.Fatal(err)
				}
				key = string(r.Kvs[len(r.Kvs)/2].Key)
				if c.tamper != nil {
					c.tamper(key)
				}
			}
			pl := workloadstest.Plan(4, bench.PlanPhase{Total: 1000})
			pl.Verify = true
			run, err := bench.Run(t.Context(), pl, tampering{&workloadstest.Probe{Workload: w}, tamper}, bench.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := run.Proof
			for _, v := range p.Violations {
				if o := v.Operation; o == nil && c.workload != "watch" && v.Check != "growth" || o != nil && (o.Member == "" || !o.Answered.After(o.Sent)) {
					t.Errorf("violation %+v, operation %+v", v, o)
				}
			}
			if c.tamper == nil && c.meddler.reply == nil && c.meddler.event == nil {
				if p.Verdict != results.Proved {
					t.Errorf("proof %+v", p)
				}
				return
			}
			if p.Verdict != results.Violated || p.Found == 0 {
				t.Fatalf("not caught: %+v", p)
			}
			v := p.Violations[0]
			if text := "expected " + v.Expected + " found " + v.Found; !strings.Contains(text, c.want) {
				t.Errorf("violation %+v, want %q in it", v, c.want)
			}
			if c.tamper != nil && v.Key != key {
				t.Errorf("violation of %q, want %q", v.Key, key)
			}
		})
	}
}

// The lateness of an expiry is judged against the server's own clock: the time
// to live that it tells goes down by one at the whole seconds before the end.
func TestLeaseExpiryIsTheServers(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	conns := workloadstest.Dial(t, 2, endpoint)
	lease := pb.NewLeaseClient(workloadstest.Dial(t, 1, endpoint)[0])
	w := newWorkload(t, "lease-expire", workloads.Target{Conns: conns, Prefix: "/expire/", Seed: 1}, map[string]string{"ttl": "3s"})
	clock := &clockWorkload{Probe: workloadstest.Probe{Workload: w}}
	// The server's end of the lease, on the run's clock, between two answers.
	var low, high time.Duration
	var gone time.Duration
	var wg sync.WaitGroup
	var ended atomic.Bool
	wg.Go(func() {
		last := int64(0)
		for !ended.Load() {
			sink := clock.sink.Load()
			if sink == nil {
				time.Sleep(time.Millisecond)
				continue
			}
			leases, err := lease.LeaseLeases(t.Context(), &pb.LeaseLeasesRequest{})
			if err != nil || len(leases.Leases) == 0 {
				continue
			}
			before := sink.Now()
			r, err := lease.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: leases.Leases[0].ID})
			if err != nil {
				continue
			}
			after := sink.Now()
			switch {
			case last == 2 && r.TTL == 1: // one to two seconds are left: the second began in between
				high = after + 2*time.Second
			case r.TTL == 2:
				low = before + 2*time.Second
			}
			last = r.TTL
			gone = after
		}
	})
	run, err := bench.Run(t.Context(), workloadstest.Plan(1, bench.PlanPhase{Total: 1}), clock, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended.Store(true)
	wg.Wait()
	expire, _ := run.Operation("measure", "expire")
	life, _ := run.Operation("measure", "lifetime")
	if expire.Completed != 1 || life.Completed != 1 {
		t.Fatalf("%d expiries, %d lifetimes", expire.Completed, life.Completed)
	}
	late := [2]time.Duration{time.Duration(expire.ServiceTime.Min), time.Duration(expire.ResponseTime.Max)}
	end := time.Duration(life.ResponseTime.Max) // the lease began at 0, nearly
	server := [2]time.Duration{end - high, end - low}
	t.Logf("lateness %v to %v by us; the server's end of the lease was %v to %v, the key's %v (last seen alive %v): %v to %v late",
		late[0], late[1], low, high, end, gone, server[0], server[1])
	if late[0] > late[1] || late[1]-late[0] > 200*time.Millisecond {
		t.Errorf("lateness between %v and %v: too wide", late[0], late[1])
	}
	const slack = 30 * time.Millisecond // between the run's start and the operation's
	if late[0] > server[1]+slack || late[1] < server[0]-slack {
		t.Errorf("lateness %v to %v, but by the server's clock %v to %v", late[0], late[1], server[0], server[1])
	}
}

// clockWorkload lends the run's clock.
type clockWorkload struct {
	workloadstest.Probe
	sink atomic.Pointer[bench.Sink]
}

func (w *clockWorkload) Attach(ctx context.Context, s *bench.Sink) error {
	w.sink.Store(s)
	return w.Probe.Attach(ctx, s)
}

// Where the server allows fewer streams on a connection than are asked for, the
// run says so instead of hanging.
func TestStreamLimitIsSaid(t *testing.T) {
	t.Parallel()
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync = 1, true
	s.EtcdFlags = []string{"max-concurrent-streams=8"}
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartProcesses(t.Context(), cluster.ProcessOptions{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	target := workloads.Target{Conns: workloadstest.Dial(t, 2, c.Members()[0].Endpoint), Prefix: "/limit/", Seed: 1}
	pl := workloadstest.Plan(20, bench.PlanPhase{Total: 40})
	pl.Timeout = time.Second
	w := newWorkload(t, "lease-keepalive", target, map[string]string{"leases": "5"})
	run, err := bench.Run(t.Context(), pl, w, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if op, _ := run.Operation("measure", "lease-keepalive"); op.TimedOut == 0 || len(op.Errors) == 0 || !strings.Contains(op.Errors[0].Example, "use more --conns") {
		t.Errorf("%d timed out: %v", op.TimedOut, op.Errors)
	}
	w = newWorkload(t, "watch", target, map[string]string{"streams": "40"})
	if _, err := bench.Run(t.Context(), pl, w, bench.Options{}); err == nil || !strings.Contains(err.Error(), "of 40 watch streams opened on 2 connections") {
		t.Errorf("error %v", err)
	}
}
