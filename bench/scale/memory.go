package scale

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
)

// memoryEvery is the time between two readings of the members' memory.
const memoryEvery = 100 * time.Millisecond

// memory holds samples of the members' resident memory in bytes, from /proc.
type memory struct {
	mu      sync.Mutex
	samples map[string][]int64
}

// watchMemory samples the members' memory until stop is called.
func watchMemory(ctx context.Context, c cluster.Cluster) (m *memory, stop func()) {
	m = &memory{samples: map[string][]int64{}}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for m.read(c); ; m.read(c) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(memoryEvery):
			}
		}
	})
	return m, func() { cancel(); wg.Wait() }
}

func (m *memory) read(c cluster.Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, member := range c.Members() {
		if p, err := machine.ReadProcess(member.PID); err == nil {
			m.samples[member.Name] = append(m.samples[member.Name], int64(p.Resident))
		}
	}
}

// of returns the median and the largest sample of a member, or 0 if there is none.
func (m *memory) of(name string) (median, peak int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Sorted(slices.Values(m.samples[name]))
	if len(list) == 0 {
		return 0, 0
	}
	return list[len(list)/2], list[len(list)-1]
}

// peak returns the largest sample of any member.
func (m *memory) peak(c cluster.Cluster) (peak int64) {
	for _, member := range c.Members() {
		_, p := m.of(member.Name)
		peak = max(peak, p)
	}
	return peak
}
