package workloads_test

import (
	"math"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// Of a server that refuses a share of the puts, never answers another and is slow with a
// third, the result says what the server counted itself; the percentiles are those of
// all puts that were not refused.
func TestFailingServer(t *testing.T) {
	t.Parallel()
	const late, slow = 1200 * time.Millisecond, 450 * time.Millisecond
	server, err := transporttest.NewQueue(transporttest.QueueOptions{
		Workers: 64, Mean: time.Millisecond, Seed: 1, Failing: 0.04, Hanging: 0.02, Slow: 0.2, SlowBy: slow,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	w := newWorkload(t, "put", workloads.Target{Conns: workloadstest.Dial(t, 2, server.Address), Prefix: "/failures/", Seed: 1}, nil)
	plan := workloadstest.Plan(200, bench.PlanPhase{Total: 2000, Load: bench.Load{Rate: 500, Arrival: bench.ArrivalPoisson}})
	plan.Timeout = late
	run, err := bench.Run(t.Context(), plan, w, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put, _ := run.Operation("measure", "put")
	said := server.Counts()
	// A machine that freezes for longer than the timeout makes a timeout of an answer.
	frozen := put.Unfinished - said.Hung
	if put.Failed != said.Failed || put.TimedOut != put.Unfinished || put.Unfinished < said.Hung || frozen > 40 || put.Completed+frozen < said.Answered ||
		put.Offered != put.Completed+put.Failed+put.Unfinished {
		t.Errorf("%d completed, %d failed, %d unfinished, %d timed out; the server: %+v", put.Completed, put.Failed, put.Unfinished, put.TimedOut, said)
	}
	if want := float64(said.Failed+put.Unfinished) / 2000; math.Abs(put.ErrorRate()-want) > 1e-9 || want < 0.04 || want > 0.10 {
		t.Errorf("error rate %v, the server %v", put.ErrorRate(), want)
	}
	// Slow and hanging puts are 23 % of those that were not refused, hanging ones 2.1 %. Arrivals that wait
	// because the machine stands still can take longer than those that are never answered.
	p90, p99 := put.Percentile(90), put.Percentile(99)
	waited := put.QueueTime.Percentile(95).Time
	if p90.AtLeast && waited < 100*time.Millisecond || p90.Time < slow || !p99.AtLeast || p99.Time < late {
		t.Errorf("p90 %+v, p99 %+v; 95 %% of the arrivals waited for %v at most", p90, p99, waited)
	}
}
