package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/results"
)

const (
	// availabilityFactor times the 90th percentile of the longest response times of the usual moments
	// is the limit for a late arrival, within the two bounds.
	availabilityFactor, leastAvailabilityLate, mostAvailabilityLate = 3, results.SlowAnswer, time.Second
	// leastMomentsBefore is the number of moments before the first event that suffice for usual
	// response times.
	leastMomentsBefore = 50
)

// NewAvailability returns the outages of a run in its measured phases with an open loop, by the
// intended times of arrivals. It returns nil for a run without moments. It reads the intervals
// twice. Its memory is proportional to the timeout of an operation, not to the length of the
// run.
func NewAvailability(run *results.Run, intervals Intervals) (*results.Availability, error) {
	measured := func(visit func(results.Moment)) error {
		return eachMoment(run, intervals, func(m results.Moment) {
			if measuresAt(run, m.At) {
				visit(m)
			}
		})
	}
	u := newUsualTimes(run)
	if err := measured(u.see); err != nil || u.moments == 0 {
		return nil, err
	}
	a := &results.Availability{}
	a.Usual, a.Late = u.limits()
	sum, err := run.Measured("")
	if err != nil {
		return nil, fmt.Errorf("availability: %w", err)
	}
	a.Share = 1 - sum.ErrorRate()
	f := outageFinder{availability: a, run: run}
	if err := measured(f.see); err != nil {
		return nil, err
	}
	f.finish()
	return a, nil
}

// usualTimes holds the longest response times of the moments without a failure: of all of them,
// and of those before the first event.
type usualTimes struct {
	moments     int
	all, before *hdrhistogram.Histogram
	event       time.Duration
}

func newUsualTimes(run *results.Run) *usualTimes {
	u := &usualTimes{all: results.NewHistogram(), before: results.NewHistogram()}
	for i, e := range run.Events {
		if i == 0 || e.Start < u.event {
			u.event = e.Start
		}
	}
	return u
}

func (u *usualTimes) see(m results.Moment) {
	u.moments++
	if m.Failed > 0 {
		return
	}
	longest := min(int64(m.Longest), results.HighestTime)
	_ = u.all.RecordValue(longest)
	// An arrival that was in flight when the event began may be late because of it.
	if m.At < u.event-leastAvailabilityLate {
		_ = u.before.RecordValue(longest)
	}
}

// limits returns the usual p99 and the limit for a late arrival, from the moments before the
// first event. If there are too few of them, it uses all moments within the limit.
func (u *usualTimes) limits() (usual, late time.Duration) {
	if u.before.TotalCount() >= leastMomentsBefore {
		return time.Duration(u.before.ValueAtQuantile(99)), lateLimit(u.before)
	}
	h := within(u.all, mostAvailabilityLate)
	for late = mostAvailabilityLate; lateLimit(h) < late; h = within(h, late) {
		late = lateLimit(h)
	}
	return time.Duration(h.ValueAtQuantile(99)), late
}

func lateLimit(h *hdrhistogram.Histogram) time.Duration {
	return min(mostAvailabilityLate, max(leastAvailabilityLate, availabilityFactor*time.Duration(h.ValueAtQuantile(90))))
}

// within returns the values of a histogram up to a limit.
func within(h *hdrhistogram.Histogram, limit time.Duration) *hdrhistogram.Histogram {
	values := results.NewHistogram()
	for _, bar := range h.Distribution() {
		if bar.From <= int64(limit) {
			_ = values.RecordValues(bar.From, bar.Count)
		}
	}
	return values
}

// measuresAt reports whether a time is in a measured phase with an open loop.
func measuresAt(run *results.Run, at time.Duration) bool {
	for _, ph := range run.Phases {
		if at >= ph.Start && at < ph.Start+ph.Length {
			return slices.ContainsFunc(run.Plan.Phases, func(p results.PlanPhase) bool {
				return p.Name == ph.Name && !p.Warmup && p.Load.Open()
			})
		}
	}
	return false
}

// lastOutcome is the time after its intended time within which an arrival ends, in addition to
// the timeout.
const lastOutcome = 15 * time.Second

// eachMoment calls visit with the moments of a run in order, each summed over the intervals. It
// holds only the moments whose arrivals may not all have ended.
func eachMoment(run *results.Run, intervals Intervals, visit func(results.Moment)) error {
	open := map[time.Duration]results.Moment{}
	done := time.Duration(-1)
	flush := func(until time.Duration) {
		var list []results.Moment
		for at, m := range open {
			if at < until {
				list = append(list, m)
				delete(open, at)
			}
		}
		slices.SortFunc(list, func(a, b results.Moment) int { return int(a.At - b.At) })
		for _, m := range list {
			visit(m)
			done = m.At
		}
	}
	err := intervals(func(i *results.Interval) error {
		for _, m := range i.Moments {
			m.Each(func(m results.Moment) {
				m.At = max(m.At, done+results.MomentLength)
				open[m.At] = addMoments(open[m.At], m)
			})
		}
		flush(i.Start - run.Plan.Timeout - lastOutcome)
		return nil
	})
	flush(1<<63 - 1)
	return err
}
