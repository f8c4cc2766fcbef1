package workloads

import (
	"context"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/consistency"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The outcome of a write without an answer is read from the server's history: a read that saw its
// value although it was never written is a violation. Where the history is compacted, the outcome
// stays unknown.
func TestOutcomesAreReadFromTheHistory(t *testing.T) {
	t.Parallel()
	endpoint := cluster.Endpoints(workloadstest.StartCluster(t, 1))[0]
	for name, test := range map[string]struct {
		lie              transporttest.Lie
		read, compact    bool
		verdict, outcome string
		checked          uint64
	}{
		"took effect":   {transporttest.NoLie, false, false, results.Proved, "1 took effect, 0 did not", 1},
		"did not":       {transporttest.Phantom, false, false, results.Proved, "0 took effect, 1 did not", 1},
		"never written": {transporttest.Phantom, true, false, results.Violated, "0 took effect, 1 did not", 1},
		"compacted":     {transporttest.Phantom, false, true, results.Proved, "1 still unknown: the history is compacted up to revision", 0},
	} {
		t.Run(name, func(t *testing.T) {
			liar, err := transporttest.NewLiar(endpoint, transporttest.LiarOptions{Lie: test.lie, Every: 3, Once: true})
			if err != nil {
				t.Fatal(err)
			}
			defer liar.Stop()
			target := Target{Conns: workloadstest.Dial(t, 1, liar.Address), Prefix: "/outcomes/" + name + "/", Verify: true, Exclusive: true}
			target.shared = &shared{ledger: ledger.New(1), checker: consistency.New(consistency.Options{Exclusive: true})}
			target.Conns = checkConns(target.shared.checker, target.Conns)
			revision, err := presentRevision(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			target.shared.checker.Begin(revision)
			put(t, target, "one", false)
			put(t, target, "two", true)
			other := pb.NewKVClient(workloadstest.Dial(t, 1, endpoint)[0])
			later, err := other.Put(t.Context(), &pb.PutRequest{Key: []byte(target.Prefix + "other")})
			if err != nil {
				t.Fatal(err)
			}
			if test.read {
				if _, err := pb.NewKVClient(target.Conns[0]).Range(t.Context(), &pb.RangeRequest{Key: []byte(target.Prefix + "key")}); err != nil {
					t.Fatal(err)
				}
			}
			if test.compact {
				if _, err := other.Compact(t.Context(), &pb.CompactionRequest{Revision: later.Header.Revision}); err != nil {
					t.Fatal(err)
				}
			}
			resolveOutcomes(t.Context(), target)
			var proof results.Proof
			target.shared.checker.Verify(&proof)
			proof.Judge()
			check := proof.Checks[len(proof.Checks)-1]
			if proof.Verdict != test.verdict || check.Checked != test.checked || check.Of != 1 || !strings.Contains(check.Note, test.outcome) {
				t.Errorf("verdict %s, check %+v, violations %+v", proof.Verdict, check, proof.Violations)
			}
		})
	}
}

// put writes the key; without an answer, it is as if it had timed out.
func put(t *testing.T, target Target, value string, unanswered bool) {
	t.Helper()
	c := target.Conns[0].(*checkedConn)
	request, reply := &pb.PutRequest{Key: []byte(target.Prefix + "key"), Value: []byte(value)}, &pb.PutResponse{}
	if unanswered {
		var lost grpc.ClientConnInterface = unansweredConn{c.ClientConnInterface}
		c = checkConns(target.shared.checker, []grpc.ClientConnInterface{lost})[0].(*checkedConn)
	}
	if err := c.Invoke(t.Context(), pb.KV_Put_FullMethodName, request, reply); err == nil == unanswered {
		t.Fatal(err)
	}
}

// unansweredConn loses each answer.
type unansweredConn struct{ grpc.ClientConnInterface }

// Invoke implements [grpc.ClientConnInterface].
func (c unansweredConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...); err != nil {
		return err
	}
	return context.DeadlineExceeded
}
