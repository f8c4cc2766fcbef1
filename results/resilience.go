package results

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// The phases of a run that tries a cluster's settings with faults.
const (
	PhaseIdle   = "idle"   // hardly any load: what the heartbeats alone cost
	PhaseSteady = "steady" // the load, undisturbed
	PhaseFaults = "faults" // the same load, with faults
)

// Resilience is what a run says of how a cluster keeps steady and comes back.
type Resilience struct {
	// IdleCPU is the members' CPU use together, in CPUs, and IdleBytes what they sent
	// each other each second, while there was hardly any load.
	IdleCPU   float64 `json:"idle_cpu,omitempty"`
	IdleBytes float64 `json:"idle_peer_bytes_per_second,omitempty"`
	// Steady is how long nothing was done to the cluster under load; Elections are
	// the changes of leader in it, HeartbeatFailures the heartbeats that could not be
	// sent in time.
	Steady            time.Duration `json:"steady_ns"`
	Elections         float64       `json:"elections"`
	HeartbeatFailures float64       `json:"heartbeat_failures"`
	// Late is after how long an arrival was late; Outages are what followed the faults.
	Late    time.Duration    `json:"late_ns,omitempty"`
	Outages []Unavailability `json:"outages,omitempty"`
	// RoundTrips are the generator's own to each member of a cluster that runs already:
	// medians of requests that cost the member next to nothing.
	RoundTrips map[string]time.Duration `json:"round_trips_ns,omitempty"`
	// Finding says what went wrong with a fault, such as a member that did not come
	// back.
	Finding string `json:"finding,omitempty"`
}

// NewResilience reads a run with the phases above. Outages need moments; without
// faults there are none.
func NewResilience(run *Run, intervals func(each func(*Interval) error) error) (*Resilience, error) {
	r := &Resilience{}
	phases := map[string]Phase{}
	for _, ph := range run.Phases {
		phases[ph.Name] = ph
	}
	r.Steady = phases[PhaseSteady].Length
	var idle, steady growthIn
	err := intervals(func(i *Interval) error {
		idle.see(phases[PhaseIdle], i.Members)
		steady.see(phases[PhaseSteady], i.Members)
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

// failover is the median unavailability after the leader was lost, 0 where it was not.
func (r *Run) failover() time.Duration {
	var lost []time.Duration
	if r.Resilience != nil {
		for _, u := range r.Resilience.Outages {
			if slices.Contains(LostLeader(), u.Fault) {
				lost = append(lost, u.Length)
			}
		}
	}
	return quantileOf(lost, 0.5)
}

// growthIn is how much the members' counters grew between their first and their last
// reading in a phase.
type growthIn struct{ members map[string]readingPair }

// afterPhase is how long after a phase the reading may be complete that was asked for
// at its end.
const afterPhase = 200 * time.Millisecond

type readingPair struct{ first, last Reading }

func (g *growthIn) see(ph Phase, readings []Reading) {
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

// rateBound is the 95 % upper bound of a Poisson process's rate, per hour, of which
// so many events were seen in so long: half the χ² quantile of 2(n+1) degrees of
// freedom (Garwood, 1936).
func rateBound(events float64, over time.Duration) float64 {
	if over <= 0 {
		return 0
	}
	return distuv.ChiSquared{K: 2 * (events + 1)}.Quantile(0.95) / 2 / over.Hours()
}

// NetworkAndDisk are what the members of a run say of both: the longest usual round
// trip between two of them, and the slowest member's p99 of an fsync. Both are upper
// bounds, as buckets have; 0 where nobody said.
func NetworkAndDisk(run *Run, intervals func(each func(*Interval) error) error) (rtt, fsync time.Duration, err error) {
	if run.Server == nil {
		return 0, 0, nil
	}
	upper := func(bounds [2]int64) time.Duration { return time.Duration(max(bounds[0], bounds[1])) }
	for _, m := range run.Server.Members {
		fsync = max(fsync, upper(m.Times[HistogramFsync].P99))
	}
	// Peers are probed every few seconds only: what counts is all since their start.
	last := map[string]Reading{}
	err = intervals(func(i *Interval) error {
		for _, r := range i.Members {
			if r.Missing == "" {
				last[r.Member] = r
			}
		}
		return nil
	})
	for _, r := range last {
		rtt = max(rtt, upper(NewBucketTimes(run.Server.Bounds[HistogramPeerRTT], r.Buckets[HistogramPeerRTT], 0).P50))
	}
	return rtt, fsync, err
}
