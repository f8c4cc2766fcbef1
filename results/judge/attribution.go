package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/results"
)

// The limits from which on a second is slow, and a signal has changed.
const (
	slowFactor   = 3
	slowLeast    = 5 * time.Millisecond
	leastSamples = 100  // of fewer, a second's p99 is its slowest operation
	causeShare   = 0.25 // of the time that the slow operations took longer
	causeLeast   = 20 * time.Millisecond
	maxSlow      = 100
	electionTime = time.Second // the time that a change of leader counts for
	// shortShare is the share of the usual number of operations below which a second is slow, if the
	// usual number is at least leastUsual.
	shortShare, leastUsual = 0.5, 50
	shortLength            = 500 * time.Millisecond
)

// signals are the counters that explain latency, and the time that one unit counts for.
var signals = [...]struct {
	name, metric string
	unit         time.Duration
}{
	{"fsync", "fsync_time", time.Second},
	{"commit", "commit_time", time.Second},
	{"snapshot", "snapshot_time", time.Second},
	{"defragmentation", "defrag_time", time.Second},
	// The total is reported only at the end; requests wait for these pauses.
	{"compaction", "compaction_pause", time.Millisecond},
	{"compaction", "index_compaction_pause", time.Millisecond},
	{"garbage collection", "gc_pause", time.Second},
	{"change of leader", "leader_changes", electionTime},
}

// second is the data of an interval for the attribution.
type second struct {
	start, length time.Duration
	p99           int64
	resolved      bool // whether p99 is resolved
	stalled       bool
	moved         map[movement]time.Duration
	phase         string
	// completed and offered count the requested operations.
	completed, offered uint64
	open               bool // they arrived on a schedule
	// known contains the members whose counters were read at both ends. silent contains those
	// that did not answer, with the reason.
	known  map[string]bool
	silent map[string]string
}

// rate returns the number of completed operations per second.
func (s *second) rate() float64 { return float64(s.completed) / s.length.Seconds() }

// silent is the signal of a member that does not answer.
const silent = "silence"

// movement is a signal of a member, or of the generator, whose member is empty.
type movement struct{ name, member string }

// Attribute returns the slow stretches of the measured phases of a run, in order, each
// with the signals that rose at the same time, the strongest first.
func Attribute(run *results.Run, intervals Intervals) ([]results.Slow, error) {
	measured, open := map[string]bool{}, map[string]bool{}
	for _, ph := range run.Plan.Phases {
		measured[ph.Name], open[ph.Name] = !ph.Warmup, ph.Load.Open()
	}
	var seconds []second
	var last *second
	var before []results.Reading
	err := intervals(func(i *results.Interval) error {
		// The growth in a second follows from the readings at its beginning and at the
		// beginning of the next second.
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
		s.open = open[i.Phase]
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

func newSecond(i *results.Interval) (second, error) {
	s := second{start: i.Start, length: i.Length, phase: i.Phase, known: map[string]bool{}, silent: map[string]string{}}
	s.moved = map[movement]time.Duration{
		{"send lag", ""}:                           i.Generator.SendLag,
		{"stops of the generator", ""}:             i.Generator.Stopped,
		{"the generator's garbage collection", ""}: i.Generator.GCPause,
		{"CPU steal", ""}:                          time.Duration(i.Generator.Steal * float64(i.Length)),
		{"CPU limit", ""}:                          i.Generator.Throttled,
	}
	sum, err := i.Sum()
	if sum.ResponseTime.Count >= leastSamples {
		q := sum.Percentile(99)
		s.p99, s.resolved = int64(q.Time), q.Resolved
	}
	s.stalled, s.completed = i.Stalled(), i.Completed()
	for _, o := range i.Asked() {
		s.offered += o.Offered
	}
	return s, err
}

// move records the growth of the members' counters between two readings.
func (s *second) move(from, to []results.Reading, due time.Duration) {
	for k := range to {
		if k >= len(from) || from[k].Member != to[k].Member {
			continue
		}
		a, b := from[k], to[k]
		switch {
		case b.Missing != "":
			s.moved[movement{silent, b.Member}] += s.length
			s.silent[b.Member] = b.Missing
			continue
		case a.Missing != "":
			continue
		}
		s.known[b.Member] = true
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
			s.moved[movement{silent, r.Member}] += late
		}
	}
}

// stretches joins consecutive slow seconds.
func stretches(seconds []second, events []results.Event) []results.Slow {
	var p99s []int64
	for _, s := range seconds {
		if s.p99 > 0 {
			p99s = append(p99s, s.p99)
		}
	}
	// If operations are few or long, a second without any is normal; if none was
	// completed at all, the cluster did not answer.
	if len(p99s) == 0 && slices.ContainsFunc(seconds, func(s second) bool { return s.completed > 0 }) {
		return nil
	}
	var usual int64
	if len(p99s) > 0 {
		slices.Sort(p99s)
		usual = p99s[len(p99s)/2]
	}
	u := ordinary{p99: usual, rates: usualRates(seconds), movements: usualMovements(seconds), absences: absentMembers(seconds)}
	isSlow := func(s second) bool {
		return s.stalled || u.isShort(s) || s.p99 > slowFactor*usual && s.p99-usual > int64(slowLeast)
	}
	var slow []results.Slow
	for i := 0; i < len(seconds) && len(slow) < maxSlow; i++ {
		if !isSlow(seconds[i]) {
			continue
		}
		first := i
		for i+1 < len(seconds) && isSlow(seconds[i+1]) {
			i++
		}
		slow = append(slow, newSlow(seconds, first, i, u, events))
	}
	return slow
}

// ordinary holds the usual values of the run.
type ordinary struct {
	p99       int64
	movements map[movement]time.Duration
	// rates are in completed operations per second, by phase.
	rates map[string]float64
	// absences holds the time since which members did not answer until the end.
	absences map[string]absence
}

// usualMovements returns the medians over the seconds in which a member was read, or over all
// seconds for the generator. The silence of a member is never usual.
func usualMovements(seconds []second) map[movement]time.Duration {
	all := map[movement][]time.Duration{}
	known := map[string]int{"": len(seconds)}
	for _, s := range seconds {
		for member := range s.known {
			known[member]++
		}
		for m, d := range s.moved {
			all[m] = append(all[m], d)
		}
	}
	usual := map[movement]time.Duration{}
	for m, ds := range all {
		// It was 0 in the seconds that do not contain it.
		slices.Sort(ds)
		if place := len(ds) - 1 - known[m.member]/2; place >= 0 && m.name != silent {
			usual[m] = ds[place]
		}
	}
	return usual
}

func newSlow(seconds []second, first, last int, u ordinary, events []results.Event) results.Slow {
	s := results.Slow{Start: seconds[first].start, Usual: u.p99, Causes: []results.Cause{}}
	s.Length = seconds[last].start + seconds[last].length - s.Start
	for _, sec := range seconds[first : last+1] {
		s.P99 = max(s.P99, sec.p99)
		s.FewSamples = s.FewSamples || sec.p99 > 0 && !sec.resolved
		s.Stalled = s.Stalled || sec.stalled
		u.addShort(&s, sec)
	}
	// Slow operations began earlier: the seconds before count, too, as far back as the
	// slowest operation reaches.
	reach := max(time.Second, time.Duration(s.P99))
	excess := map[movement]time.Duration{}
	dead := map[string]bool{} // members that refused connections
	for _, sec := range seconds[:last+1] {
		if sec.start+sec.length <= s.Start-reach {
			continue
		}
		for member, reason := range sec.silent {
			dead[member] = dead[member] || refuses(reason)
		}
		for m, d := range sec.moved {
			excess[m] += max(0, d-u.movements[m])
		}
	}
	for _, e := range events {
		if e.Start < s.Start+s.Length && e.Start+e.Length > s.Start-reach {
			excess[movement{e.Kind, ""}] = max(excess[movement{e.Kind, ""}], e.Length)
		}
	}
	longer := time.Duration(s.P99 - u.p99)
	switch {
	case s.Stalled:
		longer = max(longer, s.Length)
	case s.Expected > 0: // an outage within seconds
		longer = max(longer, min(time.Second, s.Length))
	}
	least := max(causeLeast, time.Duration(causeShare*math.Min(float64(longer), float64(s.Length))))
	for m, d := range excess {
		if d >= least {
			s.Causes = append(s.Causes, u.absences[m.member].explain(m.cause(d, dead), s))
		}
	}
	answerSilence(s.Causes)
	slices.SortFunc(s.Causes, func(a, b results.Cause) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(b.Name, a.Name), cmp.Compare(a.Member, b.Member))
	})
	return s
}

// answerSilence limits the time of a change of leader to the silence of a member, which caused
// the election. The time of a change is an assumption, while a silence is measured, and lasts
// longer than its observed part.
func answerSilence(causes []results.Cause) {
	var silence time.Duration
	for _, c := range causes {
		if c.Name == silent {
			silence = max(silence, c.Time)
		}
	}
	for i := range causes {
		if causes[i].Name == "change of leader" && silence > 0 {
			causes[i].Time = min(causes[i].Time, silence)
		}
	}
}

func (m movement) cause(d time.Duration, dead map[string]bool) results.Cause {
	c := results.Cause{Name: m.name, Member: m.member, Time: d}
	rounded := d.Round(time.Millisecond)
	switch {
	case m.name == silent && dead[m.member]:
		c.Text = fmt.Sprintf("%s was down for %v", m.member, rounded)
	case m.name == silent:
		c.Text = fmt.Sprintf("%s did not answer for %v", m.member, rounded)
	case m.name == "change of leader":
		c.Text = m.member + " saw " + english.Plural(int(d/electionTime), "change of leader", "changes of leader")
	case m.member != "":
		c.Text = fmt.Sprintf("%s of %s took %v more than usual", m.name, m.member, rounded)
	default:
		c.Text = fmt.Sprintf("%s took %v", m.name, rounded)
	}
	return c
}
