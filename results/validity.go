package results

import "time"

// Target compares the run's writes per second with what was asked of it.
type Target struct {
	Writes   float64 `json:"writes_per_second"`
	Achieved float64 `json:"achieved"`
	// Verdict is met, missed, undecided (the run cannot tell) or none (no
	// writes in this run).
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// What a run can say about its target.
const (
	TargetMet       = "met"
	TargetMissed    = "missed"
	TargetUndecided = "undecided"
	TargetNone      = "none"
)

// Validity is whether the generator did its job.
type Validity struct {
	Verdict string   `json:"verdict"`
	Reasons []Reason `json:"reasons"`
	// Generator is what the verdict rests on.
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

// Generator is what the generator saw of itself and its machine over the
// measured phases. Shares are between 0 and 1.
type Generator struct {
	// SendLag is how late arrivals reached a free client.
	SendLag Latency `json:"send_lag,omitzero"`
	// Achieved is completed and failed operations over offered ones.
	Achieved float64 `json:"achieved_ratio"`
	// Waited is the share of arrivals that found no free client.
	Waited float64 `json:"waited_share"`
	// CPU is the generator's own CPU time over the CPUs it may use; Machine is
	// how busy the whole machine was, Steal what its host took away.
	CPU     float64       `json:"cpu_share"`
	CPUTime time.Duration `json:"cpu_time_ns"`
	Machine float64       `json:"machine_cpu_share"`
	// Members and Others are the parts of Machine that the members and other processes
	// took, where the cluster runs on this machine and its members said what they used.
	Members    float64       `json:"members_cpu_share,omitempty"`
	Others     float64       `json:"others_cpu_share,omitempty"`
	Steal      float64       `json:"steal_share"`
	Throttled  float64       `json:"throttled_share"`
	GCs        uint64        `json:"gc_cycles"`
	GCPause    time.Duration `json:"gc_pause_total_ns"`
	GCPauseMax time.Duration `json:"gc_pause_max_ns"`
	// Stops is how often the process was stopped in closed loops, Stopped for how long in
	// all and StopMax at most.
	Stops   uint64        `json:"stops,omitempty"`
	Stopped time.Duration `json:"stopped_total_ns,omitempty"`
	StopMax time.Duration `json:"stopped_max_ns,omitempty"`
	// SchedP99 is how long a runnable goroutine waited for a CPU.
	SchedP99 time.Duration `json:"sched_latency_p99_ns"`
	MaxRSS   uint64        `json:"max_rss_bytes"`
	// Shared means that the generator's runtime also runs the cluster.
	Shared bool `json:"shares_runtime_with_cluster,omitempty"`
}
