package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// recording is a cluster that acknowledges everything and keeps every request.
type recording struct {
	revision atomic.Int64
	mu       sync.Mutex
	requests []string
}

func (r *recording) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(args.(proto.Message))
	if err != nil {
		return err
	}
	header := &pb.ResponseHeader{ClusterId: 1, MemberId: 1, RaftTerm: 1, Revision: r.revision.Add(1)}
	switch reply := reply.(type) {
	case *pb.PutResponse:
		reply.Header = header
	case *pb.RangeResponse:
		reply.Header, reply.Count = header, 1
	case *pb.TxnResponse:
		reply.Header, reply.Succeeded = header, true
		for _, op := range args.(*pb.TxnRequest).Success {
			one := &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}}
			if op.GetRequestRange() != nil {
				one.Response = &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{Count: 1}}
			}
			reply.Responses = append(reply.Responses, one)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, method+string(data))
	return nil
}

func (*recording) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

// crowd keeps shares in step that run in one process.
type crowd struct {
	start time.Time
	all   sync.WaitGroup
}

func (c *crowd) Start(context.Context) (time.Time, error)       { return c.start, nil }
func (*crowd) Ended() <-chan struct{}                           { return nil }
func (c *crowd) Drained(context.Context) error                  { c.all.Done(); c.all.Wait(); return nil }
func (*crowd) Done(context.Context, *results.Run, []byte) error { return nil }

// sent returns what several shares of a run send to the cluster, sorted.
func sent(t *testing.T, entries []results.PlanEntry, p bench.Plan, count int) []string {
	t.Helper()
	r := &recording{}
	c := &crowd{start: time.Now().Add(50 * time.Millisecond)}
	c.all.Add(count)
	var shares sync.WaitGroup
	for i := range count {
		share := bench.Share{Index: i, Count: count}
		parts, err := Parts(entries)
		if err != nil {
			t.Fatal(err)
		}
		target := Target{Conns: []grpc.ClientConnInterface{r}, Prefix: "/s/", Seed: p.Seed, Share: share}
		w, err := Compose(Composition{Name: "mix", Parts: parts}, target)
		if err != nil {
			t.Fatal(err)
		}
		shares.Go(func() {
			if _, err := bench.Run(t.Context(), p, w, bench.Options{Share: share, Peers: c}); err != nil {
				t.Error(err)
			}
		})
	}
	shares.Wait()
	slices.Sort(r.requests)
	return r.requests
}

// The requests of four shares together are those of one generator, byte by byte: keys,
// values and the mix of workloads.
func TestSharesSendTheSameRequests(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var entries []results.PlanEntry
		list := []string{"put", "txn-put", "range", "txn-mixed"}
		for i, k := range rng.Perm(len(list))[:1+rng.IntN(len(list))] {
			workload := list[k]
			keys := []string{"uniform", "zipfian", "latest", "hotspot", "sequential"}[rng.IntN(5)]
			params := map[string]string{"keys": keys, "key-space-size": "500", "val-size": "20-60"}
			entries = append(entries, results.PlanEntry{
				Name: fmt.Sprint(workload, i), Workload: workload, Weight: float64(1 + rng.IntN(3)), Prefix: "/s/", Params: params,
			})
		}
		plan := bench.Plan{
			Workload: "mix", Seed: seed, Clients: 8, Timeout: 10 * time.Second, Drain: 5 * time.Second,
			Phases: []bench.PlanPhase{
				// Not by time: on a slow machine, what waits at the end of a phase is given up.
				{Name: "a", Total: 600, Load: bench.Load{Rate: 2000, Arrival: bench.ArrivalPoisson}},
				{Name: "b", Total: 300, Load: bench.Load{Rate: 1500}},
				{Name: "c", Total: 700},
			},
		}
		want, got := sent(t, entries, plan, 1), sent(t, entries, plan, 4)
		if !slices.Equal(want, got) {
			t.Errorf("seed %d, %+v: %d requests of one generator, %d of four shares, or others", seed, entries, len(want), len(got))
		}
		if len(want) < 1000 {
			t.Errorf("seed %d: only %d requests", seed, len(want))
		}
	}
}
