package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

const (
	// backShare is the largest share of bad arrivals in the following backFor when the rate has
	// recovered.
	backFor   = 500 * time.Millisecond
	backShare = 0.05
	// lateFactor times the p99 of the moments before the faults is the response time from which an
	// arrival is late, but at least leastLate.
	lateFactor, leastLate = 2, 2 * results.MomentLength
)

// NewUnavailability returns the outage after each of a run's faults, and the response
// time above which an arrival counts as late. It needs a run with moments. Events with
// an error, which did not happen as planned, are left out.
func NewUnavailability(run *results.Run, intervals Intervals) (list []results.Unavailability, late time.Duration, err error) {
	moments, err := mergeMoments(intervals)
	if err != nil {
		return nil, 0, err
	}
	if len(moments) == 0 {
		return nil, 0, fmt.Errorf("unavailability: the run has no moments")
	}
	acknowledged, err := newAcknowledgements(intervals)
	if err != nil {
		return nil, 0, err
	}
	late = lateAfter(run, moments)
	events := faultEvents(run)
	for i, e := range events {
		if e.Error != "" {
			continue
		}
		end := moments[len(moments)-1].At + results.MomentLength
		traced := end
		if i+1 < len(events) {
			// An operation in flight when the next fault begins counts for that fault.
			end, traced = events[i+1].Start-late, events[i+1].Start
		}
		from, _ := slices.BinarySearchFunc(moments, e.Start.Truncate(results.MomentLength), compareMoment)
		to, _ := slices.BinarySearchFunc(moments, end, compareMoment)
		if from >= to {
			continue
		}
		u := unavailable(moments[from:to], late)
		u.Fault, u.Detail, u.Trace = e.Kind, e.Detail, acknowledged.around(e.Start, traced)
		list = append(list, u)
	}
	return list, late, nil
}

// faultEvents returns the events that are faults, without other disturbances beside
// them; all events where none is a fault.
func faultEvents(run *results.Run) []results.Event {
	var faults []results.Event
	for _, e := range run.Events {
		if slices.Contains(results.Faults(), e.Kind) {
			faults = append(faults, e)
		}
	}
	if len(faults) == 0 {
		return run.Events
	}
	return faults
}

func compareMoment(m results.Moment, at time.Duration) int { return int(m.At - at) }

// mergeMoments adds up the moments of all intervals.
func mergeMoments(intervals Intervals) ([]results.Moment, error) {
	all := map[time.Duration]results.Moment{}
	err := intervals(func(i *results.Interval) error {
		for _, m := range i.Moments {
			m.Each(func(m results.Moment) { all[m.At] = addMoments(all[m.At], m) })
		}
		return nil
	})
	var list []results.Moment
	for _, m := range all {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b results.Moment) int { return int(a.At - b.At) })
	return list, err
}

// addMoments adds the later outcomes of a moment.
func addMoments(sum, m results.Moment) results.Moment {
	return results.Moment{
		At: m.At, Completed: sum.Completed + m.Completed, Slow: sum.Slow + m.Slow, Failed: sum.Failed + m.Failed,
		Longest: max(sum.Longest, m.Longest),
	}
}

// lateAfter returns the response time above which an arrival counts as late, from the
// measured phases before the first fault.
func lateAfter(run *results.Run, moments []results.Moment) time.Duration {
	var usual []time.Duration
	for _, ph := range run.Phases {
		for _, m := range moments {
			if run.Measures(ph.Name) && m.At >= ph.Start && m.At < ph.Start+ph.Length && (len(run.Events) == 0 || m.At < run.Events[0].Start) {
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

// unavailable returns the outage from the first bad moment to the first good one that
// is followed by hardly any bad ones.
func unavailable(moments []results.Moment, late time.Duration) (u results.Unavailability) {
	bad := func(m results.Moment) bool { return m.Failed > 0 || m.Longest > late }
	for _, m := range moments {
		u.Lost += m.Failed
	}
	whole := func(m results.Moment) uint32 {
		if bad(m) {
			return m.Completed + m.Failed
		}
		return 0
	}
	first := slices.IndexFunc(moments, bad)
	if first < 0 {
		return u
	}
	u.Start = moments[first].At
	for i, m := range moments[first:] {
		if !bad(m) && isBack(moments[first+i:], 0, whole) {
			// The waiting operations were completed when the outage was over.
			u.Length = m.At + m.Longest - u.Start
			return u
		}
	}
	last := moments[len(moments)-1]
	u.Length, u.Open = last.At+results.MomentLength-u.Start, true
	return u
}

// isBack reports whether the rate has recovered in the time after the first moment, and in at
// least so many arrivals.
func isBack(moments []results.Moment, least uint32, affected func(results.Moment) uint32) bool {
	var arrivals, bad uint32
	for _, m := range moments {
		if m.At > moments[0].At+backFor && arrivals >= least {
			break
		}
		arrivals += m.Completed + m.Failed
		bad += affected(m)
	}
	return float64(bad) <= backShare*float64(arrivals)
}
