package machine

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// The settings of a generator's garbage collector, in bytes and percent. The heap may grow to
// heapGoal, or to leastPercent more than the live heap. The collector's pauses show in the
// latencies, so it should run rarely.
const (
	heapGoal     = 28 << 20
	heapLeast    = 3 << 20 // the smallest live heap of a generator
	leastPercent = 50
)

// TuneGC makes the garbage collector run less often while the live heap is small, and limits
// the heap when it is large: after each collection, it sets GOGC by the size of the live heap.
// It returns the setting as results name it, and a function that restores the previous setting.
// If GOGC is set in the environment, TuneGC changes nothing.
func TuneGC() (setting string, undo func()) {
	if v := os.Getenv("GOGC"); v != "" {
		return v, func() {}
	}
	runtime.GC()
	t := &gcTuner{percent: gcPercent(liveHeap())}
	old := debug.SetGCPercent(t.percent)
	t.watch()
	return fmt.Sprintf("heap goal %d MiB", heapGoal>>20), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended = true
		debug.SetGCPercent(old)
	}
}

type gcTuner struct {
	mu      sync.Mutex
	ended   bool
	percent int
}

// watch arranges a call of collected after the next collection, which frees the sentinel.
func (t *gcTuner) watch() {
	sentinel := new(*gcTuner)
	runtime.AddCleanup(sentinel, (*gcTuner).collected, t)
}

func (t *gcTuner) collected() {
	live := liveHeap()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	// Setting GOGC stops all goroutines for a moment, so small changes are omitted.
	if p := gcPercent(live); p < t.percent*4/5 || p > t.percent*5/4 {
		t.percent = p
		debug.SetGCPercent(p)
	}
	t.watch()
}

// liveHeap returns the size of the heap after the last collection, in bytes.
func liveHeap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

// gcPercent returns the GOGC for a live heap of that many bytes.
func gcPercent(live uint64) int {
	return max(int(100*heapGoal/max(live, heapLeast))-100, leastPercent)
}
