package machine

import (
	"os"
	"runtime/debug"
	"strconv"
)

// The heap that a generator keeps alive, seen with gRPC: some of its own and the
// stack and buffers of each client. The collector may let it grow to heapGoal.
const (
	heapBase      = 3 << 20
	heapPerClient = 22 << 10
	heapGoal      = 44 << 20
	leastPercent  = 75
)

// CalmGC makes the garbage collector run less often while the heap is small, as
// a generator's with few clients is: each collection shows in the latencies. It
// returns the setting (GOGC) and what undoes it. A GOGC in the environment is
// left to have its way.
func CalmGC(clients int) (setting string, undo func()) {
	if v := os.Getenv("GOGC"); v != "" {
		return v, func() {}
	}
	percent := 100*heapGoal/(heapBase+clients*heapPerClient) - 100
	percent = max(percent, leastPercent)
	old := debug.SetGCPercent(percent)
	return strconv.Itoa(percent), func() { debug.SetGCPercent(old) }
}
