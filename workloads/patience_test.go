package workloads

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench"
)

// silent is a member that answers writes for a while, one each pause, and then no more. It
// answers reads if it is readable.
type silent struct {
	answers  atomic.Int64
	pause    time.Duration
	readable bool
}

func (s *silent) Invoke(ctx context.Context, _ string, args, _ any, _ ...grpc.CallOption) error {
	if _, ok := args.(*pb.TxnRequest); ok && s.answers.Add(-1) >= 0 {
		time.Sleep(s.pause)
		return nil
	}
	if _, ok := args.(*pb.RangeRequest); ok && s.readable {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (*silent) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whatever the workload, a cluster that does not answer ends the preparation, with an
// error that says at which stage.
func TestSilentClusterEndsPreparation(t *testing.T) {
	for _, e := range All() {
		if e.Storage != NoLayer {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			target := Target{Conns: []grpc.ClientConnInterface{&silent{}}, Prefix: "/silent/", Seed: 1, Patience: 12 * time.Second}
			params := map[string]string{}
			if e.Name == "range" {
				params["stream"] = "auto"
			}
			w, err := New(e.Name, target, params)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err = w.Setup(t.Context(), nil); err == nil {
				err = w.(bench.Opener).Open(t.Context(), nil)
			}
			if err == nil {
				_, err = w.NewWorker(t.Context(), 0)
			}
			if took := time.Since(begin); err != nil && took > time.Minute {
				t.Errorf("%s gave up after %v", e.Name, took)
			}
			switch e.Name {
			case "put", "txn-put", "watch", "watch-create", "lease-grant", "lease-attach", "lease-expire":
				if err != nil { // which need nothing
					t.Errorf("%s: %v", e.Name, err)
				}
			default:
				if err == nil {
					t.Errorf("%s: no error", e.Name)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_ = w.Teardown(ctx)
		})
	}
}

// A cluster that does not answer after the load ends the wait for it and the proof, in
// bounded time and with an error that says what was waited for. An election does not.
func TestSilentClusterEndsProof(t *testing.T) {
	for name, c := range map[string]struct {
		member *awakening
		took   time.Duration
		want   string
	}{
		"silent":                {&awakening{after: time.Hour}, 10 * time.Second, "no longer answers reads (waited 10s"},
		"an election":           {&awakening{after: 4 * time.Second}, 4 * time.Second, ""},
		"silent in the proof":   {&awakening{until: 3 * time.Second}, 10 * time.Second, "no answer for 10s (reading back the acknowledged writes)"},
		"refuses what is asked": {&awakening{refuses: true}, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.member.begin = time.Now()
			target := Target{Conns: []grpc.ClientConnInterface{c.member}, Prefix: "/silent/", Seed: 1, Patience: 10 * time.Second, Verify: true}
			w, err := New("put", target, map[string]string{"key-space-size": "100"})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			err = w.(bench.Answerer).Answers(t.Context())
			if err == nil && c.member.until > 0 {
				time.Sleep(c.member.until)
				begin = time.Now()
				_, err = w.(bench.Verifier).Verify(t.Context())
			}
			if took := time.Since(begin); took < c.took || took > c.took+time.Second {
				t.Errorf("%s: it took %v, want %v", name, took, c.took)
			}
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		})
	}
}

// awakening is a member that does not answer until a time, or from a time on.
type awakening struct {
	begin        time.Time
	after, until time.Duration
	refuses      bool
}

func (a *awakening) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	switch since := time.Since(a.begin); {
	case a.refuses:
		return status.Error(codes.PermissionDenied, "no")
	case since < a.after:
		return status.Error(codes.Unavailable, "etcdserver: no leader")
	case a.until > 0 && since >= a.until:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (*awakening) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A population that is slow goes on; one that stands still ends when nothing has been
// answered for the target's patience.
func TestPopulationEndsWithoutProgress(t *testing.T) {
	for _, c := range []struct {
		answers  int64
		pause    time.Duration
		readable bool
		took     time.Duration
		want     string
	}{
		{answers: 1000, pause: 9 * time.Second, readable: true, took: 1000 * 9 * time.Second},
		{answers: 1000, pause: 9 * time.Second, took: 1000*9*time.Second + 10*time.Second, want: "populate: wait for members to catch up: no answer for 10s (0 of 1 connections"},
		{answers: 300, pause: 9 * time.Second, took: 300*9*time.Second + 10*time.Second, want: "populate: no answer for 10s (30,000 of 100,000 keys written)"},
		{answers: 0, took: 10 * time.Second, want: "populate: no answer for 10s (0 of 100,000 keys written)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			member := &silent{pause: c.pause, readable: c.readable}
			member.answers.Store(c.answers)
			target := Target{Conns: []grpc.ClientConnInterface{member}, Prefix: "/slow/", Patience: 10 * time.Second, Populators: 1}
			w, err := New("txn-mixed", target, nil)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			err = w.Setup(t.Context(), nil)
			if took := time.Since(begin); took != c.took {
				t.Errorf("%d answers: it took %v, want %v", c.answers, took, c.took)
			}
			if (err != nil) != (c.want != "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%d answers: %v, want %q", c.answers, err, c.want)
			}
		})
	}
}
