package results

import "time"

// The phases of a run that tries a cluster's settings with faults.
const (
	PhaseIdle   = "idle"   // almost no load: the cost of the heartbeats alone
	PhaseSteady = "steady" // the load, undisturbed
	PhaseFaults = "faults" // the same load, with faults
)

// Resilience describes how stable a cluster was under load and how it recovered from
// faults.
type Resilience struct {
	// IdleCPU is the CPU use of all members together, in CPUs. IdleBytes is the number of bytes
	// per second that they sent each other. Both are measured with almost no load.
	IdleCPU   float64 `json:"idle_cpu,omitempty"`
	IdleBytes float64 `json:"idle_peer_bytes_per_second,omitempty"`
	// Steady is the length of the undisturbed load. Elections is the number of leader changes
	// during it, and HeartbeatFailures the number of heartbeats that could not be sent in time.
	Steady            time.Duration `json:"steady_ns"`
	Elections         float64       `json:"elections"`
	HeartbeatFailures float64       `json:"heartbeat_failures"`
	// Late is the response time above which an arrival was late. Outages are the outages after
	// the faults.
	Late    time.Duration    `json:"late_ns,omitempty"`
	Outages []Unavailability `json:"outages,omitempty"`
	// RoundTrips are the generator's round-trip times to each member of a running cluster:
	// medians of requests with almost no cost for the member.
	RoundTrips map[string]time.Duration `json:"round_trips_ns,omitempty"`
	// Finding describes a problem with a fault, such as a member that did not return.
	Finding string `json:"finding,omitempty"`
}

// Unavailability is the outage that followed a fault: from the intended time of the
// first arrival that failed or was late until the rate had recovered.
type Unavailability struct {
	Fault  string        `json:"fault"`
	Detail string        `json:"detail,omitempty"`
	Start  time.Duration `json:"start_ns"`
	// Length is 0 if no arrival failed or was late.
	Length time.Duration `json:"length_ns"`
	// Lost is the number of arrivals that failed before the next fault.
	Lost uint32 `json:"lost"`
	// Open means that the rate had not recovered by then, so that Length is a lower bound.
	Open bool `json:"open,omitempty"`
	// Trace counts the acknowledged operations in steps of [TraceStep], from [TraceBefore]
	// before the fault on. It has [TraceSteps] at most, and ends earlier with the load or with
	// the next fault. An operation counts with the last one that was due in the same
	// [MomentLength] and ended in the same interval.
	Trace []uint32 `json:"trace,omitempty"`
}

// A trace shows the throughput around a fault, from TraceBefore before it to five seconds
// after it.
const (
	TraceStep   = 100 * time.Millisecond
	TraceBefore = time.Second
	TraceSteps  = 60
)
