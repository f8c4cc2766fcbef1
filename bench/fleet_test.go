package bench

import (
	"testing"
	"time"
)

// There are at most 50 messages a second with intervals, whatever the number of agents.
func TestPublishTime(t *testing.T) {
	for agents, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 50: time.Second, 51: 2 * time.Second, 100: 2 * time.Second, 1000: 20 * time.Second,
	} {
		if got := PublishTime(agents); got != want {
			t.Errorf("%d agents: %v, want %v", agents, got, want)
		}
	}
}
