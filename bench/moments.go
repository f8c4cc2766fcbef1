package bench

import (
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// moments counts the outcomes of the arrivals that were intended for each moment of
// the load: finer than intervals, for outages. Its memory follows the longest time that an
// arrival may take; a nil one counts nothing.
type moments struct {
	// list is a ring of the latest moments, by their number modulo its length.
	list []moment
	// shown is what the intervals have already.
	shown []results.Moment
	// count is how many moments the plan has, and keep how many of the latest ones are
	// counted apart.
	count, keep int64
	// first is the earliest moment that is counted apart: what belongs to an earlier one
	// counts for it. cleared are those whose place in the ring was emptied.
	first   atomic.Int64
	cleared int64
}

type moment struct {
	completed, slow, failed atomic.Uint32
	longest                 atomic.Int64
}

// Beside its timeout, an arrival may take what it waits for a client, and longer where the
// process is stopped.
const momentSlack = 30 * time.Second

// newMoments makes room for the phases of a plan that end by time.
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

// record may be called by many at once.
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

// collect returns what has changed since the last call. Moments in a row without a failure
// or a late arrival are added up. One goroutine may call it at a time.
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
		if number < old { // no counter exists for it since the last call
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

// change is what was counted in a moment since the last call.
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
