package results

import (
	"fmt"
	"strings"
	"time"
)

// Plan describes a run completely, so that it can be repeated.
type Plan struct {
	// Workload is the workload's name, or the scenario's.
	Workload string            `json:"workload"`
	Params   map[string]string `json:"params,omitempty"`
	// Scenario is the origin of the plan, a name or a file. Parameters are the values of its
	// parameters. Mix holds the scenario's workloads.
	Scenario   string             `json:"scenario,omitempty"`
	Parameters map[string]float64 `json:"parameters,omitempty"`
	Mix        []PlanEntry        `json:"mix,omitempty"`
	Population []PlanPopulation   `json:"population,omitempty"`
	// Disturbances are made beside the load.
	Disturbances []PlanDisturbance `json:"disturbances,omitempty"`
	// Thresholds are for a gate; the run does not apply them.
	Thresholds []string `json:"thresholds,omitempty"`
	// Verify requests a proof that no acknowledged write was lost.
	Verify bool `json:"verify,omitempty"`
	// Seed fixes keys, values, mix and arrivals.
	Seed    uint64 `json:"seed"`
	Prefix  string `json:"prefix,omitempty"`
	Clients int    `json:"clients"`
	Conns   int    `json:"conns"`
	// Agents is the number of processes that generate the load; 0 means this process alone.
	Agents int `json:"agents,omitempty"`
	// Transport is [TransportLean] or [TransportGRPC]; empty means [TransportGRPC],
	// which earlier versions always used.
	Transport string `json:"transport,omitempty"`
	// Timeout bounds one request, counted from the moment it was sent.
	Timeout time.Duration `json:"timeout_ns"`
	// QueueLimit is the number of arrivals that may wait for a free client; 0 means ten seconds
	// of arrivals.
	QueueLimit int `json:"queue_limit,omitempty"`
	// Drain bounds the wait for requests in flight when the load has stopped.
	Drain time.Duration `json:"drain_ns"`
	// Target is in writes per second.
	Target float64     `json:"target"`
	Phases []PlanPhase `json:"phases"`
}

// PlanPhase is a stretch of a plan with one load. It ends after Duration or
// after Total operations, whichever is set.
type PlanPhase struct {
	Name     string        `json:"name"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	Total    uint64        `json:"total,omitempty"`
	Load     Load          `json:"load"`
	// Warmup phases are loaded and recorded like the others, but do not count for the target
	// and the validity.
	Warmup bool `json:"warmup,omitempty"`
}

// DescribePhases lists the phases on one line, each with its length, rates and arrivals.
func (p Plan) DescribePhases() string {
	var parts []string
	for _, ph := range p.Phases {
		part := fmt.Sprintf("%s %v", ph.Name, ph.Duration)
		if ph.Total > 0 {
			part = fmt.Sprintf("%s %d", ph.Name, ph.Total)
		}
		if ph.Load.Open() {
			part += fmt.Sprintf(" at %g/s", ph.Load.Rate)
		}
		if ph.Load.RateEnd > 0 {
			part += fmt.Sprintf(" to %g/s", ph.Load.RateEnd)
		}
		if ph.Load.Open() && ph.Load.Arrival != "" {
			part += " " + ph.Load.Arrival
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// Measured returns the length of the load from the first measured phase on. known is false if a phase
// ends after a number of operations.
func (p Plan) Measured() (length time.Duration, known bool) {
	for _, ph := range p.Phases {
		switch {
		case ph.Total > 0:
			return 0, false
		case !ph.Warmup || length > 0:
			length += ph.Duration
		}
	}
	return length, true
}

// Entries returns the workloads of the plan: its mix, or its one workload.
func (p Plan) Entries() []PlanEntry {
	if len(p.Mix) > 0 {
		return p.Mix
	}
	return []PlanEntry{{Name: p.Workload, Workload: p.Workload, Weight: 1, Prefix: p.Prefix, Params: p.Params}}
}

// PlanEntry is one workload of a mix.
type PlanEntry struct {
	Name     string `json:"name"`
	Workload string `json:"workload"`
	// Weight is the entry's part of the operations, relative to the other entries. At 0, the
	// entry has no operations and only its own activity, such as watching.
	Weight float64           `json:"weight"`
	Prefix string            `json:"prefix"`
	Params map[string]string `json:"params,omitempty"`
}

// PlanPopulation is a set of keys that are written before the workloads set up.
type PlanPopulation struct {
	Prefix  string `json:"prefix"`
	Keys    int64  `json:"keys"`
	KeySize int    `json:"key_size"`
	ValSize string `json:"val_size"`
	// Values is the content of the values; empty means random.
	Values string `json:"values,omitempty"`
	// Compressibility is the share of each random value that a compressor can remove.
	Compressibility float64 `json:"compressibility,omitempty"`
}

// PlanDisturbance is a disturbance on a schedule. At counts from the start of the first
// measured phase. Without Every, the disturbance is made once.
type PlanDisturbance struct {
	Kind  string        `json:"kind"`
	At    time.Duration `json:"at_ns"`
	Every time.Duration `json:"every_ns,omitempty"`
	// Params are the kind's own: which member, how many watchers.
	Params map[string]string `json:"params,omitempty"`
}

// Load is a closed loop when Rate is 0 and an open loop otherwise.
type Load struct {
	// Rate is in arrivals per second.
	Rate float64 `json:"rate,omitempty"`
	// RateEnd, if set, makes a linear ramp from Rate over the phase.
	RateEnd float64 `json:"rate_end,omitempty"`
	// Arrival is "constant" or "poisson".
	Arrival string `json:"arrival,omitempty"`
}

// Open reports whether operations arrive on a schedule.
func (l Load) Open() bool { return l.Rate > 0 || l.RateEnd > 0 }
