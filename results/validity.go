package results

import "time"

// Target compares the run's writes per second with its target.
type Target struct {
	Writes   float64 `json:"writes_per_second"`
	Achieved float64 `json:"achieved"`
	// Verdict is met, missed, undecided (the run cannot tell) or none (no
	// writes in this run).
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// The verdicts on a target.
const (
	TargetMet       = "met"
	TargetMissed    = "missed"
	TargetUndecided = "undecided"
	TargetNone      = "none"
)

// Validity describes whether the generator did its job.
type Validity struct {
	Verdict string   `json:"verdict"`
	Reasons []Reason `json:"reasons"`
	// Generator holds the measurements on which the verdict is based.
	Generator Generator `json:"generator"`
}

// The three degrees of validity, best first.
const (
	Valid    = "valid"
	Degraded = "degraded"
	Invalid  = "invalid"
)

// Reason is one finding against a run's validity.
type Reason struct {
	Code string `json:"code"`
	// Severity is the verdict that this reason alone would give.
	Severity string  `json:"severity"`
	Value    float64 `json:"value"`
	Limit    float64 `json:"limit"`
	Message  string  `json:"message"`
	Remedy   string  `json:"remedy,omitempty"`
}

// Generator holds the generator's measurements of itself and its machine over the measured
// phases. Shares are between 0 and 1.
type Generator struct {
	// SendLag is the delay until arrivals reached a free client.
	SendLag Latency `json:"send_lag,omitzero"`
	// Achieved is the ratio of completed and failed operations to offered ones.
	Achieved float64 `json:"achieved_ratio"`
	// Waited is the share of arrivals that found no free client.
	Waited float64 `json:"waited_share"`
	// CPU is the generator's CPU time divided by that of the CPUs that it may use. Machine is
	// the busy share of the machine's CPU time. Steal is the share that its host withheld.
	CPU     float64       `json:"cpu_share"`
	CPUTime time.Duration `json:"cpu_time_ns"`
	Machine float64       `json:"machine_cpu_share"`
	// Members and OtherCPUShare are the parts of Machine that the members and other processes used.
	// They are known if the cluster runs on this machine and its members have reported their
	// CPU time.
	Members       float64       `json:"members_cpu_share,omitempty"`
	OtherCPUShare float64       `json:"others_cpu_share,omitempty"`
	Steal         float64       `json:"steal_share"`
	Throttled     float64       `json:"throttled_share"`
	GCs           uint64        `json:"gc_cycles"`
	GCPause       time.Duration `json:"gc_pause_total_ns"`
	GCPauseMax    time.Duration `json:"gc_pause_max_ns"`
	// Stops is the number of stops of the process in closed loops. Stopped is their total
	// length, and StopMax the longest one.
	Stops   uint64        `json:"stops,omitempty"`
	Stopped time.Duration `json:"stopped_total_ns,omitempty"`
	StopMax time.Duration `json:"stopped_max_ns,omitempty"`
	// SchedP99 is the p99 of the time that a runnable goroutine waited for a CPU.
	SchedP99 time.Duration `json:"sched_latency_p99_ns"`
	MaxRSS   uint64        `json:"max_rss_bytes"`
	// Shared means that the generator's runtime also runs the cluster.
	Shared bool `json:"shares_runtime_with_cluster,omitempty"`
}
