package workloads

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
)

// follower is a connection to a member that lags as far as etcd lets it: it applies
// what the cluster has committed when a linearizable read asks for it, and answers
// serializable reads with what it has.
type follower struct {
	cluster *atomic.Int64 // keys that the cluster has
	applied atomic.Int64
	mu      sync.Mutex
	stale   int // serializable reads that found too little
}

func (f *follower) Invoke(_ context.Context, method string, req, reply any, _ ...grpc.CallOption) error {
	switch r := req.(type) {
	case *pb.TxnRequest:
		if r.Success[0].GetRequestPut() != nil {
			f.cluster.Add(int64(len(r.Success)))
			break
		}
		out := reply.(*pb.TxnResponse)
		for _, op := range r.Success {
			out.Responses = append(out.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: f.read(op.GetRequestRange())}})
		}
	case *pb.RangeRequest:
		proto.Merge(reply.(proto.Message), f.read(r))
	default:
		return fmt.Errorf("%s is not expected", method)
	}
	return nil
}

func (f *follower) read(r *pb.RangeRequest) *pb.RangeResponse {
	if !r.Serializable {
		f.applied.Store(f.cluster.Load())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.applied.Load() < f.cluster.Load() {
		f.stale++
		return &pb.RangeResponse{}
	}
	return &pb.RangeResponse{Count: 1, Kvs: make([]*keyValue, 1)}
}

func (*follower) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fmt.Errorf("no streams here")
}

// A population is found on followers that lag, by its proof and by serializable reads
// of every client.
func TestPopulationOnLaggingFollowers(t *testing.T) {
	for name, params := range map[string]map[string]string{
		"range":     {"key-space-size": "1000", "consistency": "s"},
		"txn-mixed": {"key-space-size": "1000", "consistency": "s", "rw-ratio": "1000000"},
	} {
		cluster := new(atomic.Int64)
		members := []*follower{{cluster: cluster}, {cluster: cluster}, {cluster: cluster}}
		target := Target{Prefix: "/p/", Seed: 1}
		for _, m := range members {
			target.Conns = append(target.Conns, m)
		}
		w, err := New(name, target, params)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Setup(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for client := range members {
			worker, err := w.NewWorker(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if err := worker.Do(t.Context(), &bench.Op{}); err != nil {
				t.Errorf("%s, client %d: %v", name, client, err)
			}
		}
		for i, m := range members {
			if m.stale > 0 {
				t.Errorf("%s: %d reads of member %d came before it had the population", name, m.stale, i)
			}
		}
	}
}
