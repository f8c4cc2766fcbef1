package results

import (
	"fmt"
	"slices"
	"time"
)

// MomentLength is that of a moment.
const MomentLength = 10 * time.Millisecond

// Moment is what became of the arrivals that were intended for the ten milliseconds
// from At on. In an interval, it holds what ended in it; Longest, the longest
// response time of those that were completed, is that of all until then.
type Moment struct {
	At        time.Duration `json:"at_ns"`
	Completed uint32        `json:"completed,omitempty"`
	Failed    uint32        `json:"failed,omitempty"`
	Longest   time.Duration `json:"longest_ns,omitempty"`
}

// Unavailability is what arrivals met after a fault: from when the first that failed
// or came late was intended until the rate was back.
type Unavailability struct {
	Fault  string        `json:"fault"`
	Detail string        `json:"detail,omitempty"`
	Start  time.Duration `json:"start_ns"`
	// Length is 0 where no arrival failed or was late.
	Length time.Duration `json:"length_ns"`
	// Lost are the arrivals that failed until the next fault.
	Lost uint32 `json:"lost"`
	// Open says that the rate was not back by then: Length is a lower bound.
	Open bool `json:"open,omitempty"`
}

// The rate is back when so few arrivals of the time that follows are bad.
const (
	backFor   = 500 * time.Millisecond
	backShare = 0.05
	// An arrival is late when it takes twice as long as all but a hundredth of the
	// moments before the faults, and as two moments.
	lateFactor, leastLate = 2, 2 * MomentLength
)

// NewUnavailability measures what followed each of a run's faults, and says after
// how long an arrival was taken for late. It needs a run with moments; events with
// an error, which did not happen as they should, are left out.
func NewUnavailability(run *Run, intervals func(each func(*Interval) error) error) (list []Unavailability, late time.Duration, err error) {
	moments, err := mergeMoments(intervals)
	if err != nil {
		return nil, 0, err
	}
	if len(moments) == 0 {
		return nil, 0, fmt.Errorf("unavailability: the run has no moments")
	}
	late = lateAfter(run, moments)
	for i, e := range run.Events {
		if e.Error != "" {
			continue
		}
		end := moments[len(moments)-1].At + MomentLength
		if i+1 < len(run.Events) {
			// What is under way when the next fault comes is that one's.
			end = run.Events[i+1].Start - late
		}
		from, _ := slices.BinarySearchFunc(moments, e.Start.Truncate(MomentLength), compareMoment)
		to, _ := slices.BinarySearchFunc(moments, end, compareMoment)
		if from >= to {
			continue
		}
		u := unavailable(moments[from:to], late)
		u.Fault, u.Detail = e.Kind, e.Detail
		list = append(list, u)
	}
	return list, late, nil
}

func compareMoment(m Moment, at time.Duration) int { return int(m.At - at) }

// mergeMoments adds up what the intervals have of each moment.
func mergeMoments(intervals func(each func(*Interval) error) error) ([]Moment, error) {
	all := map[time.Duration]Moment{}
	err := intervals(func(i *Interval) error {
		for _, m := range i.Moments {
			sum := all[m.At]
			all[m.At] = Moment{At: m.At, Completed: sum.Completed + m.Completed, Failed: sum.Failed + m.Failed, Longest: max(sum.Longest, m.Longest)}
		}
		return nil
	})
	var list []Moment
	for _, m := range all {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Moment) int { return int(a.At - b.At) })
	return list, err
}

// lateAfter looks at the measured phases, before the first fault.
func lateAfter(run *Run, moments []Moment) time.Duration {
	var usual []time.Duration
	for _, ph := range run.Phases {
		for _, m := range moments {
			if run.measures(ph.Name) && m.At >= ph.Start && m.At < ph.Start+ph.Length && (len(run.Events) == 0 || m.At < run.Events[0].Start) {
				usual = append(usual, m.Longest)
			}
		}
	}
	if len(usual) == 0 {
		return leastLate
	}
	slices.Sort(usual)
	return max(leastLate, lateFactor*usual[len(usual)*99/100])
}

// unavailable looks for the first bad moment, and for the first good one that is
// followed by hardly any bad ones.
func unavailable(moments []Moment, late time.Duration) (u Unavailability) {
	bad := func(m Moment) bool { return m.Failed > 0 || m.Longest > late }
	for _, m := range moments {
		u.Lost += m.Failed
	}
	first := slices.IndexFunc(moments, bad)
	if first < 0 {
		return u
	}
	u.Start = moments[first].At
	for i, m := range moments[first:] {
		if !bad(m) && isBack(moments[first+i:], bad) {
			// Those that waited were completed when the outage was over.
			u.Length = m.At + m.Longest - u.Start
			return u
		}
	}
	last := moments[len(moments)-1]
	u.Length, u.Open = last.At+MomentLength-u.Start, true
	return u
}

// isBack looks at the time that follows the first of the moments.
func isBack(moments []Moment, bad func(Moment) bool) bool {
	var arrivals, lost uint32
	for _, m := range moments {
		if m.At > moments[0].At+backFor {
			break
		}
		n := m.Completed + m.Failed
		arrivals += n
		if bad(m) {
			lost += n
		}
	}
	return float64(lost) <= backShare*float64(arrivals)
}
