package judge

import (
	"math"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

const (
	// leastOutage is the shortest outage: shorter ones are single slow answers. leastPartial is
	// the shortest outage in which less than half of the arrivals are affected. It is longer
	// than the effect of a short stop of the machine.
	leastOutage, leastPartial = 100 * time.Millisecond, 500 * time.Millisecond
	// falseAlarms bounds the outages by chance. An outage affects clearly more than backShare of its
	// arrivals: with that share, as many are affected in at most one of falseAlarms stretches.
	falseAlarms = 1e6
	// outageShare is the share of affected arrivals above which a stretch belongs to an outage.
	outageShare = 0.1
	// leastAhead is the number of arrivals that show that the rate has recovered.
	leastAhead = 40
	// maxOutages is the largest number of outages that a run lists.
	maxOutages = 100
	// settleShare is the largest share of the moments of settleTime that may be above the usual p99 when
	// response times have recovered. In a short run, the usual p99 is that of few moments.
	settleTime, settleShare = time.Second, 0.05
	// causeBefore is the longest time before an outage at which its cause may have begun.
	causeBefore = time.Second
	// maxCauses is the largest number of named causes of an outage.
	maxCauses = 5
)

// outageFinder finds outages in moments that come in order.
type outageFinder struct {
	availability *results.Availability
	run          *results.Run
	// ahead holds the moments that are not judged yet, and waiting is the number of their
	// arrivals.
	ahead   []results.Moment
	waiting uint64
	// judged counts the arrivals of judged moments, the last of which ended at last.
	judged arrivalCounts
	last   time.Duration
	// current is the stretch that has not ended; found are the outages.
	current *foundOutage
	found   []*foundOutage
	settler
}

// foundOutage is an outage, or what may be one: the part of a stretch in which the sum of what
// its affected arrivals are above outageShare is highest. So single failures before and after
// an outage do not belong to it.
type foundOutage struct {
	results.Outage
	// before are the arrivals before its first affected moment.
	before arrivalCounts
	// sum is the one up to now, whose data are in now, and highest the highest one, whose data
	// are in outageEnd.
	sum, highest float64
	now          outageEnd
	outageEnd
	// recovered is when the first arrival after the highest sum was answered.
	recovered time.Duration
}

// outageEnd is the state of an outage at the end of an affected moment.
type outageEnd struct {
	until   arrivalCounts
	lastBad time.Duration
	// answered is when the last late arrival was answered, and failed the latest time at which
	// a failed arrival ended.
	answered, failed time.Duration
}

type arrivalCounts struct{ all, affected, lost uint64 }

// during returns the number of arrivals from the first affected moment to the last one.
func (s *foundOutage) during() arrivalCounts {
	return arrivalCounts{s.until.all - s.before.all, s.until.affected - s.before.affected, s.until.lost - s.before.lost}
}

func (s *foundOutage) partial() bool { return 2*s.during().affected < s.during().all }

// counts reports whether it is an outage if it is long enough.
func (s *foundOutage) counts() bool {
	n := s.during()
	return s.lastBad-s.Start >= leastOutage && clearlyAbove(backShare, n.affected, n.all)
}

// clearlyAbove reports whether a count of n is too high for a share, by the bound of Chernoff
// and Hoeffding (1963) for the tail of the binomial distribution.
func clearlyAbove(share float64, count, n uint64) bool {
	q := float64(count) / float64(n)
	if n == 0 || q <= share {
		return false
	}
	divergence := q * math.Log(q/share)
	if q < 1 {
		divergence += (1 - q) * math.Log((1-q)/(1-share))
	}
	return float64(n)*divergence > math.Log(falseAlarms)
}

// affected returns the number of arrivals of a moment that failed or may have been late: in a
// moment with a late arrival, the slow ones. Older journals do not contain the number of slow
// arrivals.
func (f *outageFinder) affected(m results.Moment) uint32 {
	switch {
	case m.Longest <= f.availability.Late:
		return m.Failed
	case m.Slow == 0:
		return m.Completed + m.Failed
	}
	return min(m.Slow, m.Completed) + m.Failed
}

func arrivalsOf(m results.Moment) uint64 { return uint64(m.Completed) + uint64(m.Failed) }

// see adds the next moment, and judges the earlier ones that can be judged.
func (f *outageFinder) see(m results.Moment) {
	f.ahead = append(f.ahead, m)
	f.waiting += arrivalsOf(m)
	for len(f.ahead) > 1 && f.ahead[0].At+backFor < m.At && f.waiting > leastAhead+arrivalsOf(m) {
		f.judge()
	}
}

// judge judges the earliest moment by the ones after it.
func (f *outageFinder) judge() {
	m := f.ahead[0]
	affected := f.affected(m)
	if f.current == nil && affected > 0 {
		f.current = &foundOutage{Outage: results.Outage{Start: m.At}, before: f.judged}
	}
	f.judged.all += arrivalsOf(m)
	f.judged.affected += uint64(affected)
	f.judged.lost += uint64(m.Failed)
	f.last = m.At + results.MomentLength
	if f.current == nil {
		f.settle(m, max(f.availability.Usual, leastLate))
	} else if f.extend(m, affected); f.current.sum < 0 || affected == 0 && isBack(f.ahead, leastAhead, f.affected) {
		f.end(false)
	}
	f.waiting -= arrivalsOf(m)
	f.ahead = f.ahead[1:]
}

// extend adds a moment to the current stretch.
func (f *outageFinder) extend(m results.Moment, affected uint32) {
	s := f.current
	s.sum += float64(affected) - outageShare*float64(arrivalsOf(m))
	if affected == 0 {
		if s.recovered == 0 {
			s.recovered = m.At + m.Longest
		}
		return
	}
	s.now.until, s.now.lastBad = f.judged, f.last
	if m.Longest > f.availability.Late {
		s.now.answered = max(s.now.answered, m.At+m.Longest)
	}
	if m.Failed > 0 {
		s.now.failed = m.At + f.run.Plan.Timeout
	}
	if s.sum >= s.highest {
		s.highest, s.outageEnd, s.recovered = s.sum, s.now, 0
	}
}

// end ends the current stretch. A partial outage lasts until its late arrivals were answered. It
// is one with the next outage where clients may have waited meanwhile: they send nothing.
func (f *outageFinder) end(open bool) {
	s := f.current
	f.current = nil
	f.restart(f.last)
	if !s.counts() {
		return
	}
	at := s.recovered
	if at == 0 {
		at = s.lastBad
	}
	if s.partial() {
		at = max(at, s.answered)
	}
	s.Length, s.Open = at-s.Start, open && s.recovered == 0
	if n := len(f.found); n > 0 && f.found[n-1].goesOn(s) {
		f.found[n-1].join(s)
		s = f.found[n-1]
	} else {
		f.found = append(f.found, s)
	}
	if !s.partial() || s.Length >= leastPartial {
		f.settleAfter(&s.Outage, at)
	}
}

// goesOn reports whether a later outage belongs to the same one. Failures say that clients waited
// for their timeout only where most affected arrivals failed.
func (s *foundOutage) goesOn(next *foundOutage) bool {
	busy := s.answered
	if n := s.during(); 2*n.lost >= n.affected {
		busy = max(busy, s.failed)
	}
	return (s.partial() || next.partial()) && next.Start <= busy+backFor
}

// join adds a later outage, and the arrivals between.
func (s *foundOutage) join(next *foundOutage) {
	s.Length = max(s.Start+s.Length, next.Start+next.Length, s.answered, next.answered) - s.Start
	s.until, s.lastBad, s.Open = next.until, next.lastBad, next.Open
	s.answered, s.failed = max(s.answered, next.answered), max(s.failed, next.failed)
}

// finish judges the last moments and lists the outages.
func (f *outageFinder) finish() {
	for len(f.ahead) > 0 {
		f.judge()
	}
	if f.current != nil {
		f.end(true)
	}
	a := f.availability
	for _, s := range f.found {
		if s.partial() && s.Length < leastPartial {
			continue
		}
		a.Count++
		if s.partial() {
			a.Partial++
		}
		a.Total += s.Length
		a.Longest = max(a.Longest, s.Length)
		if len(a.Outages) < maxOutages {
			n := s.during()
			s.Affected, s.Lost, s.Share = n.affected, n.lost, float64(n.affected)/float64(n.all)
			s.Causes = f.causes(&s.Outage)
			a.Outages = append(a.Outages, s.Outage)
		}
	}
}

// settler determines the second after an outage from which on response times are as usual.
type settler struct {
	outage *results.Outage
	// since is the beginning of that second. slow is the number of its moments above the usual
	// p99.
	since time.Duration
	slow  int
}

func (s *settler) settleAfter(o *results.Outage, at time.Duration) {
	s.outage, o.Settled = o, 0
	s.restart(at)
}

func (s *settler) restart(at time.Duration) { s.since, s.slow = max(s.since, at), 0 }

func (s *settler) settle(m results.Moment, usual time.Duration) {
	if s.outage == nil || m.At < s.since {
		return
	}
	// The journal does not distinguish response times below leastLate.
	if m.Longest > usual {
		s.slow++
	}
	switch {
	case float64(s.slow) > settleShare*float64(settleTime/results.MomentLength):
		s.restart(m.At + results.MomentLength)
	case m.At-s.since >= settleTime:
		s.outage.Settled, s.outage = s.since-s.outage.Start, nil
	}
}

// causes returns the disturbances during an outage or directly before it, and the causes of
// slow seconds at the time: each signal of a member once, with the longest of its times.
func (f *outageFinder) causes(o *results.Outage) (list []string) {
	overlaps := func(start, length time.Duration) bool {
		return start < o.Start+o.Length && start+length > o.Start-causeBefore
	}
	named := map[movement]bool{} // disturbances, which have a more detailed description
	for _, e := range f.run.Events {
		if overlaps(e.Start, e.Length) {
			named[movement{e.Kind, ""}] = true
			list = append(list, e.Kind+" "+e.Detail)
		}
	}
	longest := map[movement]results.Cause{}
	for _, s := range f.run.Slow {
		if !overlaps(s.Start, s.Length) {
			continue
		}
		for _, c := range s.Causes {
			m := movement{c.Name, c.Member}
			if known, ok := longest[m]; !named[m] && (!ok || c.Time > known.Time) {
				longest[m] = c
			}
		}
	}
	for _, c := range longest {
		list = append(list, c.Text)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxCauses)]
}
