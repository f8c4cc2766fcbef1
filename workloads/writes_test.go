package workloads_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// unanswered carries out requests and, where it is told to, loses the answers.
type unanswered struct {
	grpc.ClientConnInterface
	lose bool
	// before, where set, is called before a transaction.
	before func()
}

func (u *unanswered) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if _, ok := args.(*pb.TxnRequest); ok && u.before != nil {
		u.before()
	}
	err := u.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	if u.lose && err == nil {
		return status.Error(codes.Unavailable, "the answer is lost")
	}
	return err
}

// lateConn loses requests that write, and has them carried out a while later.
type lateConn struct {
	grpc.ClientConnInterface
	after time.Duration
	done  sync.WaitGroup
}

func (l *lateConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	switch args.(type) {
	case *pb.PutRequest:
	default:
		return l.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	}
	l.done.Go(func() {
		time.Sleep(l.after)
		_ = l.ClientConnInterface.Invoke(context.WithoutCancel(ctx), method, args, reply, opts...)
	})
	return status.Error(codes.Canceled, "the client has gone")
}

// A write that is carried out after its client has given up, and after the first look for
// keys, is deleted.
func TestWritesDeleteLateKeys(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 2, c.Members()[0].Endpoint)
	theirs := pb.NewKVClient(conns[1])
	_, start, err := workloads.CountPrefix(t.Context(), conns[0], "/late/")
	if err != nil {
		t.Fatal(err)
	}
	w := workloads.NewWrites(start)
	late := &lateConn{ClientConnInterface: conns[0], after: 300 * time.Millisecond}
	ours := pb.NewKVClient(w.Conns([]grpc.ClientConnInterface{late})[0])
	for n := range 20 {
		_, _ = ours.Put(t.Context(), &pb.PutRequest{Key: fmt.Appendf(nil, "/late/%02d", n), Value: []byte("ours")})
	}
	foreign, err := w.Delete(t.Context(), conns[:1], "/late/")
	if err != nil || foreign > 0 {
		t.Errorf("%d foreign keys, error %v", foreign, err)
	}
	late.done.Wait()
	if left := keysUnder(t, theirs, "/late/"); len(left) > 0 {
		t.Errorf("%d keys are left", len(left))
	}
}

// owners are who created a key and who wrote it last.
type owners struct{ created, written bool }

// Whatever the run and other clients write, delete and write again, with and without
// an answer, exactly those keys go that the run has created and written last.
func TestWritesDeleteOwnKeysOnly(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 2, c.Members()[0].Endpoint)
	theirs := pb.NewKVClient(conns[1])
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			prefix := fmt.Sprintf("/w/%d/", seed)
			rng := rand.New(rand.NewPCG(seed, 1))
			keys := map[string]*owners{} // of those that exist
			old := map[string]bool{}
			for i := range 10 {
				key := fmt.Sprintf("%s%02d", prefix, 3*i)
				keys[key], old[key] = &owners{}, true
				mustPut(t, theirs, key, "theirs")
			}
			_, start, err := workloads.CountPrefix(t.Context(), conns[0], prefix)
			if err != nil {
				t.Fatal(err)
			}
			w := workloads.NewWrites(start)
			lossy := &unanswered{ClientConnInterface: conns[0]}
			ours := pb.NewKVClient(w.Conns([]grpc.ClientConnInterface{lossy})[0])
			wrote := func(key string, own bool) {
				if keys[key] == nil {
					keys[key] = &owners{created: own}
				}
				keys[key].written = own
			}
			for n := range 120 {
				key, value := fmt.Sprintf("%s%02d", prefix, rng.IntN(40)), fmt.Sprint("value ", n)
				lossy.lose = rng.IntN(5) == 0
				switch rng.IntN(6) {
				case 0, 1:
					_, _ = ours.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
					wrote(key, true)
				case 2:
					other := fmt.Sprintf("%s%02d", prefix, rng.IntN(40))
					txn := &pb.TxnRequest{Success: []*pb.RequestOp{putOp(key, value)}}
					if other != key {
						txn.Success = append(txn.Success, putOp(other, value))
						wrote(other, true)
					}
					_, _ = ours.Txn(t.Context(), txn)
					wrote(key, true)
				case 3: // whose header has the revision of somebody's last write
					read := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}
					_, _ = ours.Txn(t.Context(), &pb.TxnRequest{Success: []*pb.RequestOp{read}})
					_, _ = ours.Range(t.Context(), &pb.RangeRequest{Key: []byte(key)})
				case 4:
					mustPut(t, theirs, key, value)
					wrote(key, false)
				case 5:
					if !old[key] {
						_, _ = theirs.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte(key)})
						delete(keys, key)
					}
				}
			}
			foreign, err := w.Delete(t.Context(), conns[:1], prefix)
			if err != nil {
				t.Fatal(err)
			}
			left := keysUnder(t, theirs, prefix)
			kept := 0
			for key, o := range keys {
				own := o.created && o.written && !old[key]
				if own == left[key] {
					t.Errorf("seed %d: key %s, created by us %v, written by us %v, there before %v: left %v", seed, key, o.created, o.written, old[key], left[key])
				}
				if !own && !old[key] {
					kept++
				}
			}
			if foreign != kept {
				t.Errorf("seed %d: %d foreign keys are reported, want %d", seed, foreign, kept)
			}
		})
	}
}

// A key that somebody else writes between the listing and the deletion stays, and so
// does one that was not there yet.
func TestWritesDeleteComparesRevisions(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 2, c.Members()[0].Endpoint)
	theirs := pb.NewKVClient(conns[1])
	_, start, err := workloads.CountPrefix(t.Context(), conns[0], "/m/")
	if err != nil {
		t.Fatal(err)
	}
	w := workloads.NewWrites(start)
	ours := pb.NewKVClient(w.Conns(conns[:1])[0])
	for n := range 2500 {
		mustPut(t, ours, fmt.Sprintf("/m/%04d", n), "ours")
	}
	times := 0
	meddler := &unanswered{ClientConnInterface: conns[0], before: func() {
		if times++; times%2 == 1 && times < 8 {
			mustPut(t, theirs, fmt.Sprintf("/m/%04d", 300*times), "theirs")
			mustPut(t, theirs, fmt.Sprintf("/m/%04d-new", 300*times), "theirs")
		}
	}}
	foreign, err := w.Delete(t.Context(), []grpc.ClientConnInterface{meddler}, "/m/")
	if err != nil {
		t.Fatal(err)
	}
	left := keysUnder(t, theirs, "/m/")
	if len(left) != 8 || foreign != 8 {
		t.Errorf("left %v, %d reported: want the 8 that somebody else wrote", left, foreign)
	}
}

// silent is a connection to a member that does not answer.
type silent struct{ grpc.ClientConnInterface }

func (silent) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// Keys are deleted where one of the members does not answer. A write of unknown outcome is
// unresolved until it is found.
func TestWritesDeleteThroughMembersThatAnswer(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conns := workloadstest.Dial(t, 1, c.Members()[0].Endpoint)
	w := workloads.NewWrites(1)
	lossy := &unanswered{ClientConnInterface: conns[0], lose: true}
	_, _ = pb.NewKVClient(w.Conns([]grpc.ClientConnInterface{lossy})[0]).Put(t.Context(), &pb.PutRequest{Key: []byte("/s/1"), Value: []byte("ours")})
	if n := w.Unresolved(); n != 1 {
		t.Errorf("%d unresolved writes, want 1", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := w.Delete(ctx, []grpc.ClientConnInterface{silent{}, conns[0]}, "/s/"); err != nil {
		t.Fatal(err)
	}
	if left := keysUnder(t, pb.NewKVClient(conns[0]), "/s/"); len(left) > 0 || w.Unresolved() > 0 {
		t.Errorf("left %v, %d unresolved writes", left, w.Unresolved())
	}
}

// A run that has written nothing sends nothing.
func TestWritesOfReaderSendNothing(t *testing.T) {
	if _, err := workloads.NewWrites(5).Delete(t.Context(), nil, "/x/"); err != nil {
		t.Error(err)
	}
}

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func mustPut(t *testing.T, kv pb.KVClient, key, value string) {
	t.Helper()
	if _, err := kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

func keysUnder(t *testing.T, kv pb.KVClient, prefix string) map[string]bool {
	t.Helper()
	end := []byte(prefix)
	end[len(end)-1]++
	r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte(prefix), RangeEnd: end, KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, k := range r.Kvs {
		keys[string(k.Key)] = true
	}
	return keys
}

// broken refuses the first compactions.
type broken struct {
	grpc.ClientConnInterface
	refuse atomic.Int64
	err    error
	tried  atomic.Int64
}

func (b *broken) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if _, ok := args.(*pb.CompactionRequest); ok {
		b.tried.Add(1)
		if b.refuse.Add(-1) >= 0 {
			return b.err
		}
	}
	return b.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}

// An attempt to compact that fails is reported and does not end the compactions; only
// a user who may not compact does.
func TestCompactIntervalSurvivesFailures(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 1)
	conn := workloadstest.Dial(t, 1, c.Members()[0].Endpoint)[0]
	compacted := func() int64 {
		_, err := pb.NewKVClient(conn).Range(t.Context(), &pb.RangeRequest{Key: []byte("x"), Revision: 2})
		if err != nil {
			return 1
		}
		return 0
	}
	for _, try := range []struct {
		err   error
		tries func(n int64) bool
		after int64
	}{
		{rpctypes.ErrGRPCPermissionDenied, func(n int64) bool { return n == 1 }, 0},
		{status.Error(codes.Unavailable, "no leader"), func(n int64) bool { return n > 2 }, 1},
	} {
		b := &broken{ClientConnInterface: conn, err: try.err}
		b.refuse.Store(2)
		target := workloads.Target{Conns: []grpc.ClientConnInterface{b}, Prefix: "/compact/", Seed: 1}
		w := newWorkload(t, "put", target, map[string]string{"compact-interval": "50ms"})
		run, err := bench.Run(t.Context(), workloadstest.Plan(1, bench.PlanPhase{Duration: 1500 * time.Millisecond}), w, bench.Options{})
		if err != nil || run.Outcome != results.Completed {
			t.Fatalf("%v, outcome %s", err, run.Outcome)
		}
		if !try.tries(b.tried.Load()) || compacted() != try.after {
			t.Errorf("%v: %d attempts, compacted %d", try.err, b.tried.Load(), compacted())
		}
		if len(run.Warnings) != 1 || !strings.Contains(run.Warnings[0].Message, "attempts failed") {
			t.Errorf("warnings %v", run.Warnings)
		}
	}
}
