package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// crowd are agents that have joined a coordinator and read its messages.
func crowd(tb testing.TB, count int) (agents []*agent) {
	tb.Helper()
	etcd, err := cluster.StartCoordination(tb.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(etcd.Stop)
	endpoint := Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}
	c, err := NewCoordinator(tb.Context(), CoordinatorOptions{Endpoint: endpoint, Count: count})
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	tb.Cleanup(func() {
		c.Close()
		serving.Wait()
	})
	for i := range count {
		a := &agent{o: AgentOptions{Endpoint: endpoint, Index: i, Clock: time.Now}, clock: make(chan stamps, 1), assigned: make(chan *share, 1)}
		if err := a.findInTime(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		if a.session, err = concurrency.NewSession(a.client, concurrency.WithTTL(leaseTime)); err != nil {
			tb.Fatal(err)
		}
		revision, err := a.join(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		serving.Go(func() {
			if err := a.serve(context.WithoutCancel(tb.Context()), revision); err != nil {
				tb.Errorf("agent %d: %v", i, err)
			}
			_ = a.session.Close()
			_ = a.client.Close()
		})
		agents = append(agents, a)
	}
	return agents
}

// measureClocks has all agents measure their clocks at once, and returns the longest bound.
func measureClocks(tb testing.TB, agents []*agent) (bound time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, a := range agents {
		wg.Go(func() {
			o, err := a.measureClock(tb.Context())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				tb.Errorf("agent %d: %v", i, err)
			}
			bound = max(bound, o.Bound)
		})
	}
	wg.Wait()
	return bound
}

// How well the clocks of many agents are known that ask at once, all on this machine, which
// is too small for 1,000 of them.
func BenchmarkClocks(b *testing.B) {
	for _, count := range []int{10, 100} {
		b.Run(fmt.Sprintf("%d agents", count), func(b *testing.B) {
			agents := crowd(b, count)
			var worst time.Duration
			for b.Loop() {
				worst = max(worst, measureClocks(b, agents))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "ms-bound")
		})
	}
}
