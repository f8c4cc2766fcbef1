package cluster_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
)

// elsewhere is a cluster of one member at an address.
type elsewhere struct{ address string }

func (e elsewhere) Members() []cluster.Member {
	return []cluster.Member{{Name: "m1", Endpoint: e.address}}
}
func (elsewhere) TLS() *tls.Config { return nil }
func (elsewhere) Describe() results.Cluster {
	return results.Cluster{Kind: results.ClusterRemote}
}
func (elsewhere) Stop() error { return nil }

// What an operation costs is exact to a percent, however short the phase and
// however late the member answers: of a member that allocates 200 objects for each
// of 1,000 operations a second, and takes its time.
func TestCostOfAKnownMember(t *testing.T) {
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	var over atomic.Int64 // when the load ended
	over.Store(math.MaxInt64)
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(120 * time.Millisecond)
		fmt.Fprintf(w, "# TYPE go_memstats_mallocs_total counter\ngo_memstats_mallocs_total %f\n", 200*1000*min(clock(), time.Duration(over.Load())).Seconds())
	}))
	defer member.Close()
	s := cluster.NewSampler(elsewhere{member.Listener.Addr().String()})
	s.Begin(t.Context(), clock)
	run := &results.Run{
		Plan:       results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "first"}, {Name: "second"}}},
		Operations: []results.Operation{{Phase: "first", Completed: 2000}, {Phase: "second", Completed: 1000}},
	}
	from := clock()
	for n, phase := range []string{"warmup", "first", "first", "second"} {
		time.Sleep(time.Second)
		now := clock()
		i := &results.Interval{Number: n, Phase: phase, Start: from, Length: now - from}
		i.Operations = []results.Operation{{Phase: phase, Op: "put", Completed: uint64(1000*i.Length.Seconds() + 0.5)}}
		if n == 3 {
			over.Store(int64(now))
		}
		s.Sample(i)
		from = now
	}
	s.End(t.Context(), run)
	seen := 0
	for _, c := range run.Server.Cost {
		seen++
		if got := c.Figures["allocs"]; math.Abs(got-200) > 2 {
			t.Errorf("%s %s: %v objects for an operation, want 200", c.Phase, c.Member, got)
		}
	}
	if seen != 4 {
		t.Errorf("costs %+v", run.Server.Cost)
	}
}

// A member that is slow to answer before and after the load has totals, and one that is slow
// beside the load a gap.
func TestSlowMetrics(t *testing.T) {
	t.Parallel()
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	var puts atomic.Int64
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(1200 * time.Millisecond)
		fmt.Fprintf(w, "# TYPE etcd_mvcc_put_total counter\netcd_mvcc_put_total %d\n", puts.Load())
	}))
	defer member.Close()
	s := cluster.NewSampler(elsewhere{member.Listener.Addr().String()})
	s.Begin(t.Context(), clock)
	puts.Store(1000)
	s.Sample(&results.Interval{Phase: "measure", Start: clock(), Length: time.Second})
	run := &results.Run{Plan: results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}}}
	s.End(t.Context(), run)
	if m := run.Server.Members[0]; m.Growth["puts"] != 1000 || m.Readings != 2 || m.Missed != 1 {
		t.Errorf("%+v, want 1000 puts and one of two readings missed", m)
	}
}

// The last reading waits for a member that does not answer, but not after the end of the context.
func TestLastReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	member := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer member.Close()
	s := cluster.NewSampler(elsewhere{member.Listener.Addr().String()})
	before, stop := context.WithCancel(t.Context())
	s.Begin(before, clock)
	stop() // as when a run is aborted
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	s.End(ctx, &results.Run{})
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}
