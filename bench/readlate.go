package bench

import (
	"fmt"

	"github.com/etcdbench/etcdbench/results"
)

// readLateMax is the largest share of operations that may have waited for their reader. Above
// it, their p99 may be that wait.
const readLateMax = 0.01

// addArrived counts the operations that arrived through a [Sink] in the measured phases, and
// those of them that may have waited for their reader.
func (f *findings) addArrived(plan Plan, ops []results.Operation) {
	measured := map[string]bool{}
	for _, ph := range plan.Phases {
		measured[ph.Name] = !ph.Warmup
	}
	for _, o := range ops {
		if late, counted := o.Counted(results.CountReadLate); counted && measured[o.Phase] {
			f.readLate += late
			f.read += o.Completed
		}
	}
}

// judgeReading reports readers that fell behind: an operation that waited for its reader was
// not late at etcd.
func (f *findings) judgeReading(add func(results.Reason)) {
	if f.read == 0 || float64(f.readLate) <= readLateMax*float64(f.read) {
		return
	}
	share := min(1, float64(f.readLate)/float64(f.read))
	add(results.Reason{
		Code: "reader-behind", Severity: results.Degraded, Value: share, Limit: readLateMax,
		Message: fmt.Sprintf("%.0f %% of the events may have waited more than 1 ms for the generator to read them: "+
			"their times include that wait", 100*share),
		Remedy: "use more --streams, fewer watchers on each, or no --watcher-delay; reserve CPUs for the generator",
	})
}
