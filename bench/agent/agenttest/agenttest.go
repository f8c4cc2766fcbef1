// Package agenttest starts agents for tests.
package agenttest

import (
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/cluster"
)

// Gather starts agents in this process, and a coordinator for them. end closes the coordinator
// and waits for the agents. The test fails if an agent ends with an error.
func Gather(t *testing.T, count int) (c *agent.Coordinator, end func()) {
	t.Helper()
	etcd, err := cluster.StartCoordination(t.Context(), cluster.CoordinationOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Stop)
	endpoint := agent.Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}
	c, err = agent.NewCoordinator(t.Context(), agent.CoordinatorOptions{Endpoint: endpoint, Count: count, JoinTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var agents sync.WaitGroup
	for i := range count {
		agents.Go(func() {
			if err := agent.Serve(t.Context(), agent.AgentOptions{Endpoint: endpoint, Index: i}); err != nil {
				t.Errorf("agent %d: %v", i, err)
			}
		})
	}
	return c, func() {
		c.Close()
		agents.Wait()
	}
}
