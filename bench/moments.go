package bench

import (
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// moments counts what became of the arrivals that were intended for each moment of
// the load: finer than intervals, for outages. Its memory follows the plan's length
// alone; a nil one counts nothing.
type moments struct {
	list []moment
	// shown is what the intervals have already.
	shown []results.Moment
}

type moment struct {
	completed, failed atomic.Uint32
	longest           atomic.Int64
}

// newMoments makes room for the phases of a plan that end by time.
func newMoments(plan Plan) *moments {
	length := time.Duration(0)
	for _, ph := range plan.Phases {
		length += ph.Duration
	}
	n := int(length/results.MomentLength) + 1
	return &moments{list: make([]moment, n), shown: make([]results.Moment, n)}
}

// record may be called by many at once.
func (m *moments) record(intended time.Duration, completed bool, response time.Duration) {
	if m == nil {
		return
	}
	place := int(intended / results.MomentLength)
	if place < 0 || place >= len(m.list) {
		return
	}
	at := &m.list[place]
	if !completed {
		at.failed.Add(1)
		return
	}
	at.completed.Add(1)
	for {
		longest := at.longest.Load()
		if int64(response) <= longest || at.longest.CompareAndSwap(longest, int64(response)) {
			return
		}
	}
}

// collect returns what has changed since the last call. One goroutine may call it
// at a time.
func (m *moments) collect() (changed []results.Moment) {
	if m == nil {
		return nil
	}
	for i := range m.list {
		at, shown := &m.list[i], &m.shown[i]
		completed, failed := at.completed.Load(), at.failed.Load()
		if completed == shown.Completed && failed == shown.Failed {
			continue
		}
		changed = append(changed, results.Moment{
			At:        time.Duration(i) * results.MomentLength,
			Completed: completed - shown.Completed, Failed: failed - shown.Failed, Longest: time.Duration(at.longest.Load()),
		})
		shown.Completed, shown.Failed = completed, failed
	}
	return changed
}
