package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// second is one second of a phase.
type second struct{ phase, number int }

func (s second) before(o second) bool {
	return s.phase < o.phase || s.phase == o.phase && s.number < o.number
}

// never comes after every second.
func never() second { return second{phase: 1 << 30} }

// track is the position of one agent's intervals.
type track struct {
	phase int
	start time.Duration // the agent's start of the phase
	// complete is the first second for which intervals may still arrive.
	complete second
}

// aligner merges the intervals of agents, second by second. Seconds are counted from each
// agent's own start of the phase: phases that end by time begin at the same time in all agents,
// phases that end by a number of operations do not.
type aligner struct {
	phases []string
	tracks []track
	waits  map[second][]agentInterval
	starts []time.Duration // by phase: the latest start of any agent
	number int
}

type agentInterval struct {
	agent int
	// end is the end of the interval since the start of the phase.
	end time.Duration
	*results.Interval
}

func newAligner(p bench.Plan, agents int) *aligner {
	a := &aligner{tracks: make([]track, agents), waits: map[second][]agentInterval{}}
	for _, ph := range p.Phases {
		a.phases = append(a.phases, ph.Name)
	}
	a.phases = append(a.phases, bench.PhaseDrain)
	a.starts = make([]time.Duration, len(a.phases))
	for i := range a.tracks {
		a.tracks[i].phase = -1
	}
	return a
}

// add adds the next interval of an agent. It returns an error if the interval belongs to no
// phase of the plan.
func (a *aligner) add(agent int, i *results.Interval) error {
	if err := results.CheckInterval(i); err != nil {
		return err
	}
	t := &a.tracks[agent]
	phase := slices.Index(a.phases, i.Phase)
	if phase < t.phase || i.Length < 0 || i.Start < 0 {
		return fmt.Errorf("an interval of phase %q is out of order", results.Clip(i.Phase))
	}
	if phase > t.phase {
		t.phase, t.start = phase, i.Start
		a.starts[phase] = max(a.starts[phase], i.Start)
	}
	at := second{phase, int((i.Start - t.start) / time.Second)}
	end := i.Start + i.Length - t.start
	t.complete = second{phase, int(end / time.Second)}
	for k := range a.waits[at] {
		if last := &a.waits[at][k]; last.agent == agent { // only the later interval's operations in flight count
			last.InFlight, last.Queued = 0, 0
		}
	}
	a.waits[at] = append(a.waits[at], agentInterval{agent, end, i})
	return nil
}

// end marks that no further intervals come from an agent.
func (a *aligner) end(agent int) { a.tracks[agent].complete = never() }

// take returns the complete seconds, in order.
func (a *aligner) take() (list []*results.Interval, err error) {
	bound := never()
	for _, t := range a.tracks {
		if t.complete.before(bound) {
			bound = t.complete
		}
	}
	var ready []second
	for at := range a.waits {
		if at.before(bound) {
			ready = append(ready, at)
		}
	}
	slices.SortFunc(ready, func(x, y second) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	for _, at := range ready {
		from := time.Duration(at.number) * time.Second
		length := time.Duration(1)
		var parts []*results.Interval
		for _, i := range a.waits[at] {
			parts, length = append(parts, i.Interval), max(length, min(time.Second, i.end-from))
		}
		sum, err := results.MergeIntervals(a.phases[at.phase], a.starts[at.phase]+from, length, parts)
		if err != nil {
			return list, err
		}
		delete(a.waits, at)
		sum.Number = a.number
		a.number++
		list = append(list, sum)
	}
	return list, nil
}
