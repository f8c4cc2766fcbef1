package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// usualRates returns the upper quartiles of the completed operations per second, by
// phase: an outage may last for more than half of one.
func usualRates(seconds []second) map[string]float64 {
	all := map[string][]float64{}
	for _, s := range seconds {
		if s.length > shortLength {
			all[s.phase] = append(all[s.phase], s.rate())
		}
	}
	usual := map[string]float64{}
	for phase, rates := range all {
		slices.Sort(rates)
		usual[phase] = rates[len(rates)*3/4]
	}
	return usual
}

// isShort reports whether far fewer operations than usual were completed in a second. If fewer
// arrived, fewer are expected.
func (u ordinary) isShort(s second) bool {
	return s.length > shortLength && u.expected(s) >= leastUsual && float64(s.completed) < shortShare*float64(u.expected(s))
}

// expected returns the usual number of completed operations in a second like this one.
func (u ordinary) expected(s second) uint64 {
	usual := uint64(u.rates[s.phase] * s.length.Seconds())
	if s.offered < usual && s.open {
		return s.offered
	}
	return usual
}

// addShort keeps the second with the smallest completed share.
func (u ordinary) addShort(to *results.Slow, s second) {
	expected := u.expected(s)
	if !u.isShort(s) || to.Expected > 0 && to.Completed*expected <= s.completed*to.Expected {
		return
	}
	to.Completed, to.Expected = s.completed, expected
}

// absence is the time since which a member has not answered until the run's end, and the
// reason.
type absence struct {
	since  time.Duration
	reason string
}

// absentMembers returns the members that did not answer in the last second in which they were
// queried, and the time since which they have not answered.
func absentMembers(seconds []second) map[string]absence {
	gone := map[string]absence{}
	for len(seconds) > 0 && len(seconds[len(seconds)-1].known)+len(seconds[len(seconds)-1].silent) == 0 {
		seconds = seconds[:len(seconds)-1]
	}
	if len(seconds) == 0 {
		return gone
	}
	for member, reason := range seconds[len(seconds)-1].silent {
		a := absence{reason: reason}
		for _, s := range slices.Backward(seconds) {
			if _, ok := s.silent[member]; !ok {
				break
			}
			a.since = s.start
		}
		gone[member] = a
	}
	return gone
}

// refuses reports whether a member did not answer because no process listened at its address.
func refuses(reason string) bool { return strings.Contains(reason, "connection refused") }

// explain adds to a silence that lasted until the run's end that the member is dead or does not
// answer any more.
func (a absence) explain(c results.Cause, s results.Slow) results.Cause {
	if a.reason == "" || c.Name != silent || a.since >= s.Start+s.Length {
		return c
	}
	state := "stopped answering"
	if refuses(a.reason) {
		state = "was down"
	}
	c.Text = fmt.Sprintf("%s %s, from %v to the end", c.Member, state, a.since.Round(100*time.Millisecond))
	return c
}
