package bench

import (
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// moments counts the outcomes of arrivals by their intended moment, with a finer resolution
// than intervals, for the measurement of outages. Its memory is proportional to the longest
// time that an arrival may take. A nil *moments counts nothing.
type moments struct {
	// list is a ring of the latest moments. The place of a moment is its number modulo the
	// length of list.
	list []moment
	// shown holds the counts that previous intervals have reported.
	shown []results.Moment
	// count is the number of moments in the plan. keep is the number of latest moments that
	// have counters of their own.
	count, keep int64
	// first is the earliest moment that has counters of its own: outcomes of earlier moments
	// count for it. cleared is the first moment whose place was not emptied.
	first   atomic.Int64
	cleared int64
}

type moment struct {
	completed, slow, failed atomic.Uint32
	longest                 atomic.Int64
}

// momentSlack is the time that an arrival may take in addition to its timeout: the wait for a
// client, and stops of the process.
const momentSlack = 30 * time.Second

// newMoments allocates the counters for the phases of a plan that end by time.
func newMoments(plan Plan) *moments {
	length := time.Duration(0)
	for _, ph := range plan.Phases {
		length += ph.Duration
	}
	m := &moments{count: int64(length/results.MomentLength) + 1, keep: int64((plan.Timeout + momentSlack) / results.MomentLength)}
	size := min(m.count, m.keep+int64(momentSlack/results.MomentLength))
	m.list, m.shown = make([]moment, size), make([]results.Moment, size)
	return m
}

// record counts one outcome. It may be called concurrently.
func (m *moments) record(intended time.Duration, completed bool, response time.Duration) {
	if m == nil || intended < 0 {
		return
	}
	number := int64(intended / results.MomentLength)
	if number >= m.count {
		return
	}
	first := m.first.Load()
	number = min(max(number, first), first+int64(len(m.list))-1)
	at := &m.list[number%int64(len(m.list))]
	if !completed {
		at.failed.Add(1)
		return
	}
	if response > results.SlowAnswer {
		at.slow.Add(1)
	}
	at.completed.Add(1)
	for {
		longest := at.longest.Load()
		if int64(response) <= longest || at.longest.CompareAndSwap(longest, int64(response)) {
			return
		}
	}
}

// collect returns the changes since the last call. Consecutive moments without a failure or a
// slow arrival are merged. One goroutine may call it at a time.
func (m *moments) collect(now time.Duration) (changed []results.Moment) {
	if m == nil {
		return nil
	}
	old := m.first.Load()
	last := min(m.count, int64(now/results.MomentLength)+1)
	for number := m.cleared; number < min(m.count, m.cleared+int64(len(m.list))) && number <= last; number++ {
		place := number % int64(len(m.list))
		if delta, ok := m.change(place, number); ok {
			changed = results.AppendMoment(changed, delta)
		}
		if number < old { // since the last call, its outcomes count for later moments
			at := &m.list[place]
			at.completed.Store(0)
			at.slow.Store(0)
			at.failed.Store(0)
			at.longest.Store(0)
			m.shown[place] = results.Moment{}
		}
	}
	m.cleared = max(m.cleared, old)
	m.first.Store(max(old, last-m.keep))
	return changed
}

// change returns the counts of a moment since the last call.
func (m *moments) change(place, number int64) (results.Moment, bool) {
	at, shown := &m.list[place], &m.shown[place]
	completed, failed := at.completed.Load(), at.failed.Load()
	if completed == shown.Completed && failed == shown.Failed {
		return results.Moment{}, false
	}
	slow := at.slow.Load()
	delta := results.Moment{
		At:        time.Duration(number) * results.MomentLength,
		Completed: completed - shown.Completed, Slow: slow - shown.Slow, Failed: failed - shown.Failed, Longest: time.Duration(at.longest.Load()),
	}
	shown.Completed, shown.Slow, shown.Failed = completed, slow, failed
	return delta, true
}
