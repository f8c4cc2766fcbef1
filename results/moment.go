package results

import (
	"slices"
	"time"
)

// MomentLength is the length of a [Moment].
const MomentLength = 10 * time.Millisecond

// Moment counts the outcomes of the arrivals whose intended time lies in the ten
// milliseconds from At on. In an interval, it holds those that ended in the interval.
// Longest is the longest response time of those that have completed so far. Slow are those that
// completed after more than [SlowAnswer].
type Moment struct {
	At        time.Duration `json:"at_ns"`
	Completed uint32        `json:"completed,omitempty"`
	Slow      uint32        `json:"slow,omitempty"`
	Failed    uint32        `json:"failed,omitempty"`
	Longest   time.Duration `json:"longest_ns,omitempty"`
	// Row is the number of consecutive quiet moments that it sums up; 0 means one.
	Row uint32 `json:"row,omitempty"`
}

// SlowAnswer is the response time above which a completed arrival counts as slow in its moment.
// It is the least limit for a late arrival.
const SlowAnswer = 100 * time.Millisecond

// quietMoment is the response time up to which a moment without a failure is quiet: it cannot
// be part of an outage.
const quietMoment = 2 * MomentLength

// maxRow bounds the moments in a row, because documents are untrusted.
const maxRow = 1 << 10

func (m Moment) quiet() bool { return m.Failed == 0 && m.Longest <= quietMoment }

func (m Moment) row() uint32 { return min(max(m.Row, 1), maxRow) }

// AppendMoment appends a moment to a list in the order of time. It merges the moment with the
// last one if both are quiet and consecutive.
func AppendMoment(list []Moment, m Moment) []Moment { return appendMoment(list, m, Moment.quiet) }

// appendMoment appends a moment to a list. It merges the moment with the last one if mayBe is
// true for both and they are consecutive.
func appendMoment(list []Moment, m Moment, mayBe func(Moment) bool) []Moment {
	if n := len(list); n > 0 {
		last := &list[n-1]
		row := last.row() + m.row()
		if mayBe(*last) && mayBe(m) && row <= maxRow && last.At+time.Duration(last.row())*MomentLength == m.At {
			last.Row = row
			last.Completed += m.Completed
			last.Longest = max(last.Longest, m.Longest)
			return list
		}
	}
	return append(list, m)
}

// coarseInterval is the length from which on the moments of an interval are coarse: those that
// are no part of an outage are merged, whatever their response times.
const coarseInterval = time.Minute

// inTime reports whether all arrivals of the moment were answered in time, see [SlowAnswer].
func (m Moment) inTime() bool { return m.Failed == 0 && m.Slow == 0 && m.Longest <= SlowAnswer }

// mergeMoments merges the moments of two intervals that become one of the given length.
func mergeMoments(length time.Duration, a, b []Moment) (list []Moment) {
	mayBe := Moment.quiet
	if length >= coarseInterval {
		mayBe = Moment.inTime
	}
	for _, m := range slices.Concat(a, b) {
		list = appendMoment(list, m, mayBe)
	}
	return list
}

// Each calls visit with each moment of a row, among which the arrivals are divided.
func (m Moment) Each(visit func(Moment)) {
	row := m.row()
	for i := range row {
		one := m
		one.At, one.Row = m.At+time.Duration(i)*MomentLength, 0
		one.Completed = m.Completed/row + min(1, max(m.Completed%row, i)-i)
		visit(one)
	}
}
