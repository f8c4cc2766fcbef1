package results

import (
	"slices"
	"time"
)

// TuningSchema is the version of a tuning's document.
const TuningSchema = "etcdbench.tuning/v1"

// DimensionPair is the dimension of heartbeat interval and election timeout; others
// are named after etcd's flag.
const DimensionPair = "heartbeat-election"

// Tuning is the document of a comparison of settings, with a recommendation.
type Tuning struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Workload, Cluster and Environment are those of the runs; the cluster's settings
	// are those of the last.
	Workload    string      `json:"workload"`
	Rate        float64     `json:"rate"`
	Cluster     Cluster     `json:"cluster"`
	Environment Environment `json:"environment"`
	Dimension   string      `json:"dimension"`
	// RTT is the longest round trip between two members: the configured one or, if RTTMeasured
	// is set, an upper bound that was read from the members.
	RTT         time.Duration `json:"rtt_ns"`
	RTTMeasured bool          `json:"rtt_measured,omitempty"`
	// Fsync is the upper bound of the slowest member's p99.
	Fsync time.Duration `json:"fsync_p99_ns,omitempty"`
	// Failover means that faults were injected and failover was measured.
	Failover bool    `json:"failover_measured"`
	Tried    []Tried `json:"tried"`
	// Recommended names a candidate that was tried or that follows from the rules. Reasons are
	// the reasons for it.
	Recommended string    `json:"recommended,omitempty"`
	Settings    []Setting `json:"settings,omitempty"`
	Reasons     []string  `json:"reasons"`
	// Confirmation is the result of measuring the recommendation again: confirmed, unconfirmed
	// or withdrawn. It is empty if that was not done.
	Confirmation string `json:"confirmation,omitempty"`
	// Compared is the A/B comparison of the recommended settings with the defaults.
	Compared *TuningComparison `json:"compared,omitempty"`
}

// The results of the second measurement of a recommendation, see [Tuning].
const (
	// Confirmed: better by the figure that decided, and as good by the others.
	Confirmed = "confirmed"
	// Unconfirmed: too few rounds, or too much noise, to tell.
	Unconfirmed = "unconfirmed"
	// Withdrawn: worse, or no better, than the defaults, which are recommended instead.
	Withdrawn = "withdrawn"
)

// Setting is one of etcd's flags.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Tried is one choice of settings with the figures of its runs.
type Tried struct {
	Name     string    `json:"name"`
	Settings []Setting `json:"settings"`
	Default  bool      `json:"default,omitempty"`
	// Heartbeat and Election are the pair, if that is the dimension.
	Heartbeat time.Duration `json:"heartbeat_ns,omitempty"`
	Election  time.Duration `json:"election_ns,omitempty"`
	// Finding is the reason why the measurement is not complete, such as that no leader could be
	// elected.
	Finding string   `json:"finding,omitempty"`
	Runs    []string `json:"runs,omitempty"`
	// P50 and P99 are response times of the steady stretch, medians over runs, in ns.
	P50 float64 `json:"p50_ns,omitempty"`
	P99 float64 `json:"p99_ns,omitempty"`
	// AtLeast names those of the two that are lower bounds, because operations did not finish
	// in some run.
	AtLeast []string `json:"at_least,omitempty"`
	// Steady is the total length of the steady stretches. ElectionsPerHour is the 95 % upper
	// bound of the rate of unplanned elections.
	Steady            time.Duration `json:"steady_ns"`
	Elections         float64       `json:"elections"`
	ElectionsPerHour  float64       `json:"elections_per_hour_at_most"`
	HeartbeatFailures float64       `json:"heartbeat_failures"`
	// Figures are other figures of the steady stretch, medians over runs: the costs of
	// [Run.Figures], and idle_cpu and idle_peer_bytes.
	Figures map[string]float64 `json:"figures,omitempty"`
	// Faults sum up the outages by fault.
	Faults []FaultTimes `json:"faults,omitempty"`
	// Failover is the median unavailability after the loss of the leader, in ns. If no outage
	// was detected, it is 0, and FailoverBelow is an upper bound.
	Failover      float64 `json:"failover_ns,omitempty"`
	FailoverBelow float64 `json:"failover_below_ns,omitempty"`
	// FailoverP99 is the p99 of the unavailability after the loss of the leader. If there are
	// few outages, it is the longest.
	FailoverP99 float64 `json:"failover_p99_ns,omitempty"`
	// Pareto means that no other steady candidate is better in one respect and as good in all
	// others.
	Pareto bool `json:"pareto,omitempty"`
}

// FaultTimes are the lengths of the outages after one kind of fault. With fewer than
// a hundred outages, P99 is the longest.
type FaultTimes struct {
	Fault   string          `json:"fault"`
	Outages []time.Duration `json:"outages_ns"`
	P50     time.Duration   `json:"p50_ns"`
	P99     time.Duration   `json:"p99_ns"`
	// Open counts the outages that lasted until the next fault.
	Open int `json:"open,omitempty"`
	// Undetected counts the faults after which no arrival failed or was late. Their outages
	// were shorter than Below, and are 0 in Outages.
	Undetected int           `json:"undetected,omitempty"`
	Below      time.Duration `json:"below_ns,omitempty"`
	// Trace is the median over the faults of [Unavailability.Trace], operations in each step
	// of [TraceStep]. It has as many steps as all of the faults have, [TraceSteps] at most.
	Trace []float64 `json:"trace,omitempty"`
}

// NewFaultTimes summarises the outages after a fault. A percentile is the smallest outage that
// is not below that percentage of all, and 0 without outages.
func NewFaultTimes(fault string, outages []time.Duration) FaultTimes {
	sorted := slices.Sorted(slices.Values(outages))
	at := func(p float64) time.Duration {
		if len(sorted) == 0 {
			return 0
		}
		return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
	}
	return FaultTimes{Fault: fault, Outages: outages, P50: at(0.5), P99: at(0.99)}
}

// TuningComparison is the A/B of the recommended settings against the defaults.
type TuningComparison struct {
	// Candidate names the settings that were compared.
	Candidate string `json:"candidate,omitempty"`
	// Confidence is the confidence of the intervals of all primary metrics together, as a
	// share.
	Confidence float64 `json:"confidence,omitempty"`
	// Words are better, as good, worse or inconclusive, by primary metric.
	Words   map[string]string `json:"words,omitempty"`
	Rounds  int               `json:"rounds"`
	Dropped int               `json:"dropped,omitempty"`
	Metrics []MetricVerdict   `json:"metrics"`
	// Elections counts the unplanned elections with the recommended settings,
	// DefaultElections those with the defaults.
	Elections        float64 `json:"elections"`
	DefaultElections float64 `json:"default_elections,omitempty"`
	Text             string  `json:"text"`
}

// The kinds of fault.
const (
	FaultKillLeader   = "kill-leader"
	FaultPauseLeader  = "pause-leader"
	FaultCutLeader    = "cut-leader"
	FaultKillFollower = "kill-follower"
	FaultMoveLeader   = "move-leader"
)

// Faults returns the kinds of fault.
func Faults() []string {
	return []string{FaultKillLeader, FaultPauseLeader, FaultCutLeader, FaultKillFollower, FaultMoveLeader}
}

// LostLeader returns the faults after which a new leader must be elected.
func LostLeader() []string { return []string{FaultKillLeader, FaultPauseLeader, FaultCutLeader} }

// DecodeTuning reads the document of a tuning. It returns an error for any other document, and
// for one that is larger than any tuning writes.
func DecodeTuning(data []byte) (*Tuning, error) {
	t := new(Tuning)
	if err := decode(data, KindTuning, t); err != nil {
		return nil, err
	}
	faults := map[string]bool{}
	for _, x := range t.Tried {
		for _, f := range x.Faults {
			faults[f.Fault] = true
		}
	}
	lengths := []length{
		{"tried", len(t.Tried), maxTried}, {"kinds of fault", len(faults), maxShortList}, {"settings", len(t.Settings), maxShortList},
		{"reasons", len(t.Reasons), maxList},
	}
	if t.Compared != nil {
		lengths = append(lengths, length{"compared.metrics", len(t.Compared.Metrics), maxList})
	}
	if err := checkLengths(lengths); err != nil {
		return nil, err
	}
	return t, nil
}
