package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Slow is a stretch of the measured phases whose p99 was above three times the
// run's median p99 of a second, and what moved in the same seconds.
type Slow struct {
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// P99 is the highest of the stretch's seconds, Usual the run's median, both of
	// response time. Stalled says that in some second nothing was completed.
	P99     int64 `json:"p99_ns"`
	Usual   int64 `json:"usual_p99_ns"`
	Stalled bool  `json:"stalled,omitempty"`
	// Causes is what moved, strongest first; empty when nothing that was looked at
	// did.
	Causes []Cause `json:"causes"`
}

// Cause is something that took longer than usual while the run was slow. That it
// moved at the same time is all that is known.
type Cause struct {
	Name   string `json:"name"`
	Member string `json:"member,omitempty"`
	// Time is what it took beyond the usual.
	Time time.Duration `json:"time_ns"`
	Text string        `json:"text"`
}

// When a second is slow, and when something has moved.
const (
	slowFactor   = 3
	slowLeast    = 5 * time.Millisecond
	leastSamples = 100  // of fewer, a second's p99 is its slowest operation
	causeShare   = 0.25 // of the time that the slow operations took longer
	causeLeast   = 20 * time.Millisecond
	maxSlow      = 100
	electionTime = time.Second // what a change of leader counts for
)

// signals are the counters that explain latency, and what one unit of theirs is
// in time.
var signals = [...]struct {
	name, metric string
	unit         time.Duration
}{
	{"fsync", "fsync_time", time.Second},
	{"commit", "commit_time", time.Second},
	{"snapshot", "snapshot_time", time.Second},
	{"defragmentation", "defrag_time", time.Second},
	// The total is told at the end only; these are what others wait for.
	{"compaction", "compaction_pause", time.Millisecond},
	{"compaction", "index_compaction_pause", time.Millisecond},
	{"garbage collection", "gc_pause", time.Second},
	{"change of leader", "leader_changes", electionTime},
}

// ResponseTime is that of all operations which were asked for and completed in
// the interval.
func (i *Interval) ResponseTime() (Latency, error) {
	var all []Latency
	for _, o := range i.Operations {
		if o.Phase == i.Phase && !o.Arrived {
			all = append(all, o.ResponseTime)
		}
	}
	return MergeLatency(all...)
}

// Stalled says that operations were under way and none was completed.
func (i *Interval) Stalled() bool {
	return i.Completed() == 0 && i.InFlight+i.Queued > 0 && i.Length > 500*time.Millisecond
}

// Completed counts the operations that were asked for and completed in the
// interval.
func (i *Interval) Completed() (n uint64) {
	for _, o := range i.Operations {
		if o.Phase == i.Phase && !o.Arrived {
			n += o.Completed
		}
	}
	return n
}

// second is what attribution needs of an interval.
type second struct {
	start, length time.Duration
	p99           int64
	stalled       bool
	moved         map[movement]time.Duration
}

// movement is one signal of one member; the generator has no name.
type movement struct{ name, member string }

// Attribute finds the slow stretches of a run, and what moved meanwhile.
func Attribute(run *Run, intervals func(each func(*Interval) error) error) ([]Slow, error) {
	measured := map[string]bool{}
	for _, ph := range run.Plan.Phases {
		measured[ph.Name] = !ph.Warmup
	}
	var seconds []second
	var last *second
	var before []Reading
	err := intervals(func(i *Interval) error {
		// What a second moved is known from the readings at its beginning and at
		// the beginning of the next.
		if last != nil {
			last.move(before, i.Members, i.Start)
			seconds = append(seconds, *last)
		}
		last = nil
		if len(i.Members) > 0 {
			before = i.Members
		}
		if !measured[i.Phase] {
			return nil
		}
		s, err := newSecond(i)
		last = &s
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attribute: %w", err)
	}
	if last != nil {
		seconds = append(seconds, *last)
	}
	return stretches(seconds, run.Events), nil
}

func newSecond(i *Interval) (second, error) {
	s := second{start: i.Start, length: i.Length, moved: map[movement]time.Duration{
		{"send lag", ""}: i.Generator.SendLag,
		{"the generator's garbage collection", ""}: i.Generator.GCPause,
		{"CPU steal", ""}:                          time.Duration(i.Generator.Steal * float64(i.Length)),
		{"CPU limit", ""}:                          i.Generator.Throttled,
	}}
	l, err := i.ResponseTime()
	if l.Count >= leastSamples {
		s.p99 = l.P99
	}
	s.stalled = i.Stalled()
	return s, err
}

// move notes by how much the members' counters grew between two readings.
func (s *second) move(from, to []Reading, due time.Duration) {
	for k := range to {
		if k >= len(from) || from[k].Member != to[k].Member {
			continue
		}
		a, b := from[k], to[k]
		switch {
		case b.Missing != "":
			s.moved[movement{"silence", b.Member}] += s.length
			continue
		case a.Missing != "":
			continue
		}
		for _, sig := range signals {
			x, okX := a.Values[sig.metric]
			y, okY := b.Values[sig.metric]
			if okX && okY && y > x {
				s.moved[movement{sig.name, b.Member}] += time.Duration((y - x) * float64(sig.unit))
			}
		}
	}
	for _, r := range to {
		if late := r.At - due; r.Missing == "" && late > causeLeast {
			s.moved[movement{"silence", r.Member}] += late
		}
	}
}

// stretches joins slow seconds that follow each other.
func stretches(seconds []second, events []Event) []Slow {
	var p99s []int64
	for _, s := range seconds {
		if s.p99 > 0 {
			p99s = append(p99s, s.p99)
		}
	}
	if len(p99s) == 0 {
		return nil
	}
	slices.Sort(p99s)
	usual := p99s[len(p99s)/2]
	isSlow := func(s second) bool {
		return s.stalled || s.p99 > slowFactor*usual && s.p99-usual > int64(slowLeast)
	}
	usually := usualMovements(seconds)
	var slow []Slow
	for i := 0; i < len(seconds) && len(slow) < maxSlow; i++ {
		if !isSlow(seconds[i]) {
			continue
		}
		first := i
		for i+1 < len(seconds) && isSlow(seconds[i+1]) {
			i++
		}
		slow = append(slow, newSlow(seconds, first, i, usual, usually, events))
	}
	return slow
}

// usualMovements are the medians over all seconds.
func usualMovements(seconds []second) map[movement]time.Duration {
	all := map[movement][]time.Duration{}
	for _, s := range seconds {
		for m, d := range s.moved {
			all[m] = append(all[m], d)
		}
	}
	usual := map[movement]time.Duration{}
	for m, ds := range all {
		// In seconds in which it is not named, it was 0.
		slices.Sort(ds)
		if place := len(ds) - 1 - len(seconds)/2; place >= 0 {
			usual[m] = ds[place]
		}
	}
	return usual
}

func newSlow(seconds []second, first, last int, usual int64, usually map[movement]time.Duration, events []Event) Slow {
	s := Slow{Start: seconds[first].start, Usual: usual, Causes: []Cause{}}
	s.Length = seconds[last].start + seconds[last].length - s.Start
	for _, sec := range seconds[first : last+1] {
		s.P99 = max(s.P99, sec.p99)
		s.Stalled = s.Stalled || sec.stalled
	}
	// What was slow began earlier: the seconds before are looked at, too, as far
	// back as its operations reach.
	reach := max(time.Second, time.Duration(s.P99))
	excess := map[movement]time.Duration{}
	for _, sec := range seconds[:last+1] {
		if sec.start+sec.length <= s.Start-reach {
			continue
		}
		for m, d := range sec.moved {
			excess[m] += max(0, d-usually[m])
		}
	}
	for _, e := range events {
		if e.Start < s.Start+s.Length && e.Start+e.Length > s.Start-reach {
			excess[movement{e.Kind, ""}] = max(excess[movement{e.Kind, ""}], e.Length)
		}
	}
	longer := time.Duration(s.P99 - usual)
	if s.Stalled {
		longer = max(longer, s.Length)
	}
	least := max(causeLeast, time.Duration(causeShare*math.Min(float64(longer), float64(s.Length))))
	for m, d := range excess {
		if d >= least {
			s.Causes = append(s.Causes, m.cause(d))
		}
	}
	answerSilence(s.Causes)
	slices.SortFunc(s.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(b.Name, a.Name), cmp.Compare(a.Member, b.Member))
	})
	return s
}

// answerSilence lets a change of leader count for no more than the silence that it
// answers: who elects has missed somebody, and what a change counts for is set, while
// a silence is measured, and longer than what is seen of it.
func answerSilence(causes []Cause) {
	var silence time.Duration
	for _, c := range causes {
		if c.Name == "silence" {
			silence = max(silence, c.Time)
		}
	}
	for i := range causes {
		if causes[i].Name == "change of leader" && silence > 0 {
			causes[i].Time = min(causes[i].Time, silence)
		}
	}
}

func (m movement) cause(d time.Duration) Cause {
	c := Cause{Name: m.name, Member: m.member, Time: d}
	rounded := d.Round(time.Millisecond)
	switch {
	case m.name == "silence":
		c.Text = fmt.Sprintf("%s did not answer for %v", m.member, rounded)
	case m.name == "change of leader":
		c.Text = fmt.Sprintf("%s saw %d changes of leader", m.member, d/electionTime)
	case m.member != "":
		c.Text = fmt.Sprintf("%s of %s took %v more than usual", m.name, m.member, rounded)
	default:
		c.Text = fmt.Sprintf("%s took %v", m.name, rounded)
	}
	return c
}
