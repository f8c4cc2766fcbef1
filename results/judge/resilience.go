package judge

import (
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// NewResilience computes the resilience of a run with the phases of a tuning. A run with
// faults needs moments, see [NewUnavailability].
func NewResilience(run *results.Run, intervals Intervals) (*results.Resilience, error) {
	r := &results.Resilience{}
	phases := map[string]results.Phase{}
	for _, ph := range run.Phases {
		phases[ph.Name] = ph
	}
	r.Steady = phases[results.PhaseSteady].Length
	var idle, steady growthIn
	err := intervals(func(i *results.Interval) error {
		idle.see(phases[results.PhaseIdle], i.Members)
		steady.see(phases[results.PhaseSteady], i.Members)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range idle.members {
		if seconds := (m.last.At - m.first.At).Seconds(); seconds > 0 {
			r.IdleCPU += m.growth("cpu") / seconds
			r.IdleBytes += m.growth("peer_sent") / seconds
		}
	}
	for _, m := range steady.members {
		// Each member sees every change.
		r.Elections = max(r.Elections, m.growth("leader_changes"))
		r.HeartbeatFailures += m.growth("heartbeat_failures")
	}
	for _, e := range run.Events {
		if e.Error != "" && r.Finding == "" {
			r.Finding = e.Kind + ": " + e.Error
		}
	}
	if len(run.Events) > 0 {
		r.Outages, r.Late, err = NewUnavailability(run, intervals)
	}
	return r, err
}

// growthIn keeps the members' first and last readings in a phase.
type growthIn struct{ members map[string]readingPair }

// afterPhase is the time after a phase within which a reading that was requested at its end may
// complete.
const afterPhase = 200 * time.Millisecond

type readingPair struct{ first, last results.Reading }

func (g *growthIn) see(ph results.Phase, readings []results.Reading) {
	for _, r := range readings {
		if r.Missing != "" || r.At < ph.Start || r.At >= ph.Start+ph.Length+afterPhase {
			continue
		}
		if g.members == nil {
			g.members = map[string]readingPair{}
		}
		pair, seen := g.members[r.Member]
		if !seen {
			pair.first = r
		}
		pair.last = r
		g.members[r.Member] = pair
	}
}

func (p readingPair) growth(metric string) float64 {
	return max(0, p.last.Values[metric]-p.first.Values[metric])
}

// NetworkAndDisk returns the longest median round trip between two members of a run and
// the slowest member's p99 of an fsync, as the members report them. Both are upper
// bounds, because they are read from buckets; 0 where no member reports them.
func NetworkAndDisk(run *results.Run, intervals Intervals) (rtt, fsync time.Duration, err error) {
	if run.Server == nil {
		return 0, 0, nil
	}
	upper := func(bounds [2]int64) time.Duration { return time.Duration(max(bounds[0], bounds[1])) }
	for _, m := range run.Server.Members {
		fsync = max(fsync, upper(m.Times[results.HistogramFsync].P99))
	}
	// Peers are probed only every few seconds: all probes since the members' start count.
	last := map[string]results.Reading{}
	err = intervals(func(i *results.Interval) error {
		for _, r := range i.Members {
			if r.Missing == "" {
				last[r.Member] = r
			}
		}
		return nil
	})
	for _, r := range last {
		rtt = max(rtt, upper(results.NewBucketTimes(run.Server.Bounds[results.HistogramPeerRTT], r.Buckets[results.HistogramPeerRTT], 0).P50))
	}
	return rtt, fsync, err
}
