package machine

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// The collector of a generator may let the heap grow to heapGoal, or to leastPercent more
// than what is live. Its pauses show in the latencies, so it should have little to do.
const (
	heapGoal     = 28 << 20
	heapLeast    = 3 << 20 // live at least, of a generator
	leastPercent = 50
)

// TuneGC makes the garbage collector run less often while little is live, and keeps the
// heap small when more is: after each collection it sets GOGC by what has stayed. It
// returns the setting as results name it, and a function that undoes it. A GOGC in the
// environment stays in force.
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

// watch has collected called after the next collection, which frees the sentinel.
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
	// To set it stops all goroutines for a moment, so small changes are left.
	if p := gcPercent(live); p < t.percent*4/5 || p > t.percent*5/4 {
		t.percent = p
		debug.SetGCPercent(p)
	}
	t.watch()
}

// liveHeap is the size in bytes of what the last collection has left.
func liveHeap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

// gcPercent is the GOGC for a number of live bytes.
func gcPercent(live uint64) int {
	return max(int(100*heapGoal/max(live, heapLeast))-100, leastPercent)
}
