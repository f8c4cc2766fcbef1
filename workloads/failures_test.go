package workloads_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// failing stands between us and the server, and decides what becomes of a request.
type failing struct {
	grpc.ClientConnInterface
	answer func(args any, send func() error) error
}

func (f *failing) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return f.answer(args, func() error { return f.ClientConnInterface.Invoke(ctx, method, args, reply, opts...) })
}

// runFailing runs a workload whose requests are answered by answer.
func runFailing(
	t *testing.T, endpoint, name string, params map[string]string, pl bench.Plan, answer func(args any, send func() error) error,
) *results.Run {
	t.Helper()
	conns := workloadstest.Dial(t, 1, endpoint)
	id := fnv.New32a()
	id.Write([]byte(t.Name()))
	target := workloads.Target{
		Conns: []grpc.ClientConnInterface{&failing{conns[0], answer}}, Streams: conns, Prefix: fmt.Sprintf("/failing/%d/", id.Sum32()), Seed: 1,
	}
	run, err := bench.Run(t.Context(), pl, newWorkload(t, name, target, params), bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// What a server answers decides the outcome, also where it answers with a code and not
// with an error of ours. The server's answers are counted here.
func TestFailuresOfSteps(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint

	t.Run("an observer whose first get fails", func(t *testing.T) {
		t.Parallel()
		var failed atomic.Int64
		pl := workloadstest.Plan(2, bench.PlanPhase{Total: 40})
		run := runFailing(t, endpoint, "election", map[string]string{"elections": "1", "proclaims": "2", "hold": "20ms"}, pl,
			func(args any, send func() error) error {
				r, ok := args.(*pb.RangeRequest)
				if ok && r.SortTarget == pb.RangeRequest_CREATE && r.SortOrder == pb.RangeRequest_ASCEND && failed.CompareAndSwap(0, 1) {
					return status.Error(codes.Unavailable, "made up")
				}
				return send()
			})
		o, _ := run.Operation("measure", "observe")
		if failed.Load() != 1 || o.Failed != 1 || o.Completed == 0 {
			t.Errorf("%d gets of observers failed; observed %d, failed %d: want 1 failure, and proclamations after it",
				failed.Load(), o.Completed, o.Failed)
		}
	})

	t.Run("puts that the server timed out", func(t *testing.T) {
		t.Parallel()
		var puts atomic.Uint64
		pl := workloadstest.Plan(4, bench.PlanPhase{Total: 4})
		run := runFailing(t, endpoint, "lease-expire", map[string]string{"ttl": "1s"}, pl, func(args any, send func() error) error {
			err := send()
			if _, ok := args.(*pb.PutRequest); ok && puts.Add(1)%2 == 0 {
				return status.Error(codes.DeadlineExceeded, "made up")
			}
			return err
		})
		lifetime, _ := run.Operation("measure", "lifetime")
		expire, _ := run.Operation("measure", "expire")
		if lifetime.TimedOut != 2 || expire.Offered != 4 || expire.Completed != 2 || expire.Unfinished != 2 {
			t.Errorf("lifetimes timed out: %d, want 2; expiries %d = %d + %d unfinished, want 4 = 2 + 2: the keys are there",
				lifetime.TimedOut, expire.Offered, expire.Completed, expire.Unfinished)
		}
	})

	t.Run("a grant that fails after another", func(t *testing.T) {
		t.Parallel()
		var grants atomic.Uint64
		pl := workloadstest.Plan(1, bench.PlanPhase{Total: 1})
		run := runFailing(t, endpoint, "lease-expire", map[string]string{"ttl": "2s", "leases-per-op": "2"}, pl,
			func(args any, send func() error) error {
				if _, ok := args.(*pb.LeaseGrantRequest); ok && grants.Add(1) == 2 {
					return status.Error(codes.Unavailable, "made up")
				}
				return send()
			})
		lifetime, _ := run.Operation("measure", "lifetime")
		expire, _ := run.Operation("measure", "expire")
		if lifetime.Failed != 1 || expire.Unfinished != 1 || expire.TimedOut != 0 {
			t.Errorf("%d lifetimes failed, %d expiries unfinished, of which %d timed out; want 1, 1, 0: nothing has timed out",
				lifetime.Failed, expire.Unfinished, expire.TimedOut)
		}
	})

	t.Run("a release that the server timed out", func(t *testing.T) {
		t.Parallel()
		var deletes atomic.Uint64
		pl := workloadstest.Plan(1, bench.PlanPhase{Total: 4})
		run := runFailing(t, endpoint, "lock", nil, pl, func(args any, send func() error) error {
			err := send()
			if _, ok := args.(*pb.DeleteRangeRequest); ok {
				switch deletes.Add(1) {
				case 1:
					return status.Error(codes.DeadlineExceeded, "made up")
				case 2:
					return status.Error(codes.Unavailable, "etcdserver: request timed out")
				}
			}
			return err
		})
		o, _ := run.Operation("measure", "release")
		if o.TimedOut != 1 || o.Failed != 1 || o.Completed != 2 {
			t.Errorf("releases: %d timed out, %d failed, %d completed; want 1, 1, 2", o.TimedOut, o.Failed, o.Completed)
		}
		for _, e := range o.Errors {
			if e.Code == codes.Unknown.String() {
				t.Errorf("an error of etcd's with a code of its own is of class %s: %s", e.Code, e.Example)
			}
		}
	})
}

// A lock is held as long as it is to be held, whatever the timeout of requests is.
func TestHoldOutlastsTheTimeout(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	for name, params := range map[string]map[string]string{
		"lock":     {"locks": "1", "hold": "1500ms"},
		"election": {"elections": "1", "hold": "1500ms", "proclaims": "0", "observers": "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, released atomic.Int64
			begin := time.Now()
			pl := workloadstest.Plan(1, bench.PlanPhase{Total: 1})
			pl.Timeout = 500 * time.Millisecond
			runFailing(t, endpoint, name, params, pl, func(args any, send func() error) error {
				since := int64(time.Since(begin))
				switch r := args.(type) {
				case *pb.TxnRequest:
					if !strings.Contains(r.String(), "request_delete_range") {
						got.CompareAndSwap(0, since)
						break
					}
					released.CompareAndSwap(0, since)
				case *pb.DeleteRangeRequest:
					released.CompareAndSwap(0, since)
				}
				return send()
			})
			if held := time.Duration(released.Load() - got.Load()); got.Load() == 0 || held < 1500*time.Millisecond {
				t.Errorf("held for %v, want 1.5s", held)
			}
		})
	}
}
