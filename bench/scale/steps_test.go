package scale

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Between two steps there is some time to settle, then the lead, in whole seconds of the load
// where it has some.
func TestStepsBeginAfterTheirLead(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct{ lead, end, want time.Duration }{
		{time.Second, 0, 2 * time.Second},
		{time.Second, 3400 * ms, 5 * time.Second},
		{time.Second, 3600 * ms, 6 * time.Second},
		{10 * time.Second, 3400 * ms, 14 * time.Second},
		{50 * ms, 120 * ms, 250 * ms},
		{1, 120 * ms, 120*ms + 2},
	} {
		q := sequence{lead: c.lead}
		if got := q.next(c.end); got != c.want {
			t.Errorf("lead %v, after %v: %v, want %v", c.lead, c.end, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		lead := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(t, "lead"))
		end := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "end"))
		q := sequence{lead: lead}
		start := q.next(end)
		if start-undisturbedTime(lead) < end || start-end > undisturbedTime(lead)+time.Second {
			t.Fatalf("lead %v, after %v: %v", lead, end, start)
		}
		// As many whole seconds as the lead has begin after the time to settle.
		first := (start - undisturbedTime(lead) + time.Second - 1).Truncate(time.Second)
		if start.Truncate(time.Second)-first < lead.Truncate(time.Second) {
			t.Fatalf("lead %v, after %v: %v, seconds from %v", lead, end, start, first)
		}
	})
}
