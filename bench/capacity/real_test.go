package capacity_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

var realServer = flag.Bool("real", false, "search a real server of known capacity, for some four minutes")

// What holds in virtual time holds for a server behind real sockets, with the real
// engine in front of it.
func TestRealServer(t *testing.T) {
	if !*realServer {
		t.Skip("searches for some four minutes: ask for it with -real")
	}
	q := queue{workers: 4, service: 4 * time.Millisecond}
	server, err := transporttest.NewQueue(transporttest.QueueOptions{Workers: q.workers, Mean: q.service, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	pool, err := transport.Dial(t.Context(), transport.Options{Endpoints: []string{server.Address}, Conns: 4, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	run := func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		w, err := workloads.New("put", workloads.Target{Conns: pool.Conns(), Prefix: "/real/", Seed: uint64(p.Number)}, nil)
		if err != nil {
			return judge.Run{}, err
		}
		load := bench.Load{Rate: p.Rate, Arrival: bench.ArrivalPoisson}
		kept := &intervals{}
		run, err := bench.Run(ctx, bench.Plan{
			Seed: uint64(p.Number), Clients: 2000, Conns: 4, Timeout: 10 * time.Second, Drain: 10 * time.Second,
			Phases: []bench.PlanPhase{{Name: "warmup", Duration: time.Second, Load: load, Warmup: true}, {Name: "measure", Duration: p.Length, Load: load}},
		}, w, bench.Options{Observers: []bench.Observer{kept}})
		return judge.Run{Run: run, Intervals: kept.each}, err
	}
	c, err := capacity.Run(t.Context(), capacity.Options{
		Dir: t.TempDir(), SLO: slo(t, "put.response_time.p99 < 40ms"), Start: 200, Factor: 4, Precision: 0.05, Extensions: 1, Length: 8 * time.Second, Soak: 16 * time.Second, Run: run,
		Progress: func(p capacity.Progress) {
			if p.Done != nil {
				t.Logf("%s %.0f/s for %v: %s %s", p.Stage, p.Rate, p.Length, p.Done.Verdict, p.Done.Reason)
			}
		},
	})
	truth := q.capacity(40 * time.Millisecond)
	if err != nil || c.Low > truth || c.High < truth || c.Low < 0.75*truth {
		t.Errorf("%.0f to %.0f, truth %.0f, %v", c.Low, c.High, truth, err)
	}
	t.Logf("%.0f to %.0f, truth %.0f", c.Low, c.High, truth)
}

// intervals keeps a run's seconds.
type intervals struct{ list []*results.Interval }

func (*intervals) Start(*results.Run) error             { return nil }
func (o *intervals) Interval(i *results.Interval) error { o.list = append(o.list, i); return nil }
func (*intervals) Finish(*results.Run) error            { return nil }
func (o *intervals) each(fn func(*results.Interval) error) error {
	for _, i := range o.list {
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}
