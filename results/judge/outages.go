package judge

import (
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

const (
	// leastOutage is the shortest outage. In an outage, at least half of the arrivals fail or are
	// late; shorter ones are single slow answers.
	leastOutage = 100 * time.Millisecond
	// maxOutages is how many outages a run lists.
	maxOutages = 100
	// Response times have recovered when at most this share of the moments of a second is above
	// the usual p99, which is that of few moments in a short run.
	settleTime, settleShare = time.Second, 0.05
	// causeBefore is how long before an outage its cause may have begun.
	causeBefore = time.Second
)

// outageFinder finds outages in moments that come in order.
type outageFinder struct {
	availability *results.Availability
	run          *results.Run
	// ahead are the moments that are not judged yet.
	ahead  []results.Moment
	outage *results.Outage
	// arrivals are those since the outage began, between those up to its last bad moment,
	// which ended at lastBad.
	arrivals, between uint64
	lastBad           time.Duration
	// settling is an outage that has ended; since is when response times began to be as
	// usual, seen and above count the moments from then on.
	settling    *results.Outage
	since       time.Duration
	seen, above int
	last        time.Duration
}

func (f *outageFinder) bad(m results.Moment) bool {
	return m.Failed > 0 || m.Longest > f.availability.Late
}

// see takes one more moment and judges those of which enough is known.
func (f *outageFinder) see(m results.Moment) {
	f.ahead = append(f.ahead, m)
	for len(f.ahead) > 1 && f.ahead[0].At+backFor < m.At {
		f.judge()
	}
}

// judge judges the earliest moment by those after it.
func (f *outageFinder) judge() {
	m := f.ahead[0]
	bad := f.bad(m)
	switch {
	case f.outage == nil && bad:
		f.outage, f.arrivals = &results.Outage{Start: m.At}, 0
	case f.outage != nil && !bad && isBack(f.ahead, f.bad):
		f.end(m.At+m.Longest, false)
	case f.outage == nil:
		f.settle(m)
	}
	if f.outage != nil {
		f.count(m, bad)
	}
	f.last = m.At + results.MomentLength
	f.ahead = f.ahead[1:]
}

// count adds a moment to the outage.
func (f *outageFinder) count(m results.Moment, bad bool) {
	n := uint64(m.Completed) + uint64(m.Failed)
	f.arrivals += n
	if bad {
		f.outage.Affected += n
		f.outage.Lost += uint64(m.Failed)
		f.between, f.lastBad = f.arrivals, m.At+results.MomentLength
	}
}

// end ends an outage. An outage that was too short, or during which most arrivals were served,
// does not count.
func (f *outageFinder) end(at time.Duration, open bool) {
	o, a := f.outage, f.availability
	f.outage = nil
	o.Length, o.Open = at-o.Start, open
	if f.lastBad-o.Start < leastOutage || 2*o.Affected < f.between {
		f.since, f.seen, f.above = at, 0, 0
		return
	}
	o.Causes = f.causes(o)
	a.Count++
	a.Total += o.Length
	a.Longest = max(a.Longest, o.Length)
	if len(a.Outages) == maxOutages {
		return
	}
	a.Outages = append(a.Outages, *o)
	f.settling, f.since, f.seen, f.above = &a.Outages[len(a.Outages)-1], at, 0, 0
}

// settle looks for the second from which on response times are as usual.
func (f *outageFinder) settle(m results.Moment) {
	if f.settling == nil || m.At < f.since {
		return
	}
	f.seen++
	// The journal does not tell shorter response times than leastLate apart.
	if m.Longest > max(f.availability.Usual, leastLate) {
		f.above++
	}
	switch {
	case float64(f.above) > settleShare*float64(settleTime/results.MomentLength):
		f.since, f.seen, f.above = m.At+results.MomentLength, 0, 0
	case m.At-f.since >= settleTime:
		f.settling.Settled, f.settling = f.since-f.settling.Start, nil
	}
}

// finish judges the last moments.
func (f *outageFinder) finish() {
	for len(f.ahead) > 0 {
		f.judge()
	}
	if f.outage != nil {
		f.end(f.last, true)
	}
}

// causes are the disturbances during an outage or directly before it, and the causes of slow
// seconds at the time.
func (f *outageFinder) causes(o *results.Outage) (list []string) {
	overlaps := func(start, length time.Duration) bool {
		return start < o.Start+o.Length && start+length > o.Start-causeBefore
	}
	for _, e := range f.run.Events {
		if overlaps(e.Start, e.Length) {
			list = append(list, e.Kind+" "+e.Detail)
		}
	}
	for _, s := range f.run.Slow {
		if overlaps(s.Start, s.Length) {
			for _, c := range s.Causes {
				list = append(list, c.Text)
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxCauses)]
}

// maxCauses is how many causes of an outage are named.
const maxCauses = 5
