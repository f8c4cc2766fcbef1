// Package results defines what is saved: the versioned documents of runs and
// experiments, their codec, the journal that a run can be rebuilt from, and the
// directory that holds both.
//
// All durations are nanoseconds and their JSON names end in _ns, except inside
// the latency objects (response_time, service_time, queue_time …), which hold
// nanoseconds throughout. Wall-clock times are labels; no figure is computed
// from them.
//
// The package measures nothing, judges nothing and draws nothing. It computes the
// figures of one run, so that every reader prints the same. It imports no other
// package of this module: results/stats computes on plain numbers, results/judge
// turns documents into verdicts.
package results

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schema names the document's version. Readers refuse what they do not know.
const Schema = "etcdbench.run/v2"

// schemaV1 is the version before, which is still read. Its response times did not
// include the lower bounds of unfinished operations.
const schemaV1 = "etcdbench.run/v1"

// DefaultTarget is the project's yardstick, in writes per second: etcd's own
// claim.
const DefaultTarget = 10_000

// Outcome says how a run ended.
type Outcome string

// A run is completed, or it was interrupted by its user, or it failed, or it
// was rebuilt from a journal whose end is missing.
const (
	Completed   Outcome = "completed"
	Interrupted Outcome = "interrupted"
	Failed      Outcome = "failed"
	Partial     Outcome = "partial"
)

// Run is one execution of a plan against one cluster.
type Run struct {
	Schema string `json:"schema"`
	ID     string `json:"id"`
	// Label is what the user calls what was measured: a commit, a build.
	Label   string  `json:"label,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Reason says why the outcome is not "completed".
	Reason      string      `json:"reason,omitempty"`
	Started     time.Time   `json:"started"`
	Ended       time.Time   `json:"ended,omitzero"`
	Plan        Plan        `json:"plan"`
	Environment Environment `json:"environment"`
	Cluster     Cluster     `json:"cluster"`
	Target      Target      `json:"target"`
	Validity    Validity    `json:"validity"`
	Phases      []Phase     `json:"phases"`
	Operations  []Operation `json:"operations"`
	// Events are what was done to the cluster beside the load, in the order in
	// which it began.
	Events []Event `json:"events,omitempty"`
	// Server is what the members said of themselves, and what operations cost them.
	Server *Server `json:"server,omitempty"`
	// Slow are the stretches that were much slower than usual, with what moved
	// meanwhile.
	Slow []Slow `json:"slow,omitempty"`
	// Availability is what users of the cluster noticed, where arrivals were scheduled.
	Availability *Availability `json:"availability,omitempty"`
	// Resilience is what became of the load through faults, where such were made.
	Resilience *Resilience `json:"resilience,omitempty"`
	// Profiles say where CPU time and memory went, where that was asked for.
	Profiles []Profile `json:"profiles,omitempty"`
	Proof    *Proof    `json:"proof,omitempty"`
	// Agents are the processes that generated the load, where they were several.
	Agents   []Agent   `json:"agents,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Operation returns the totals of one kind of operation in one phase.
func (r *Run) Operation(phase, op string) (Operation, bool) {
	for _, o := range r.Operations {
		if o.Phase == phase && o.Op == op {
			return o, true
		}
	}
	return Operation{}, false
}

// Measures reports whether a phase is measured: it is in the plan and not a warm-up.
func (r *Run) Measures(phase string) bool {
	for _, ph := range r.Plan.Phases {
		if ph.Name == phase {
			return !ph.Warmup
		}
	}
	return false
}

// Warn adds a warning that the reader of the result should see.
func (r *Run) Warn(code, message string) {
	r.Warnings = append(r.Warnings, Warning{Code: code, Message: message})
}

// Warned reports whether there is a warning with the code.
func (r *Run) Warned(code string) bool {
	return slices.ContainsFunc(r.Warnings, func(w Warning) bool { return w.Code == code })
}

// Warning is something that the reader should know about a result.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Plan is everything that decides what a run does, so that it can be repeated.
type Plan struct {
	// Workload is the workload's name, or the scenario's.
	Workload string            `json:"workload"`
	Params   map[string]string `json:"params,omitempty"`
	// Scenario is where the plan came from, a name or a file; Parameters are the
	// values that it was given. Mix holds the scenario's workloads.
	Scenario   string             `json:"scenario,omitempty"`
	Parameters map[string]float64 `json:"parameters,omitempty"`
	Mix        []PlanEntry        `json:"mix,omitempty"`
	Population []PlanPopulation   `json:"population,omitempty"`
	// Disturbances are done to the cluster beside the load.
	Disturbances []PlanDisturbance `json:"disturbances,omitempty"`
	// Thresholds are for a gate; the run does not look at them.
	Thresholds []string `json:"thresholds,omitempty"`
	// Verify asks for a proof that nothing acknowledged was lost.
	Verify bool `json:"verify,omitempty"`
	// Seed fixes keys, values, mix and arrivals.
	Seed    uint64 `json:"seed"`
	Prefix  string `json:"prefix,omitempty"`
	Clients int    `json:"clients"`
	Conns   int    `json:"conns"`
	// Agents is how many processes generate the load together; 0 is one alone.
	Agents int `json:"agents,omitempty"`
	// Transport is [TransportLean] or [TransportGRPC]; empty means [TransportGRPC],
	// which earlier versions always used.
	Transport string `json:"transport,omitempty"`
	// Timeout bounds one request, counted from the moment it was sent.
	Timeout time.Duration `json:"timeout_ns"`
	// QueueLimit is how many arrivals may wait for a free client; 0 means ten
	// seconds of arrivals.
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
	// Warmup phases are loaded and recorded like the others, but neither the
	// target nor the validity looks at them.
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

// Entries are the workloads of the plan: its mix, or its one workload.
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
	// Weight is the entry's part of the operations; at 0, it has none, and only
	// what it does by itself, such as watching, goes on.
	Weight float64           `json:"weight"`
	Prefix string            `json:"prefix"`
	Params map[string]string `json:"params,omitempty"`
}

// PlanPopulation is keys that are written before the workloads set up.
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

// PlanDisturbance is something done to the cluster on a schedule. At counts from
// the start of the first measured phase; without Every it is done once.
type PlanDisturbance struct {
	Kind  string        `json:"kind"`
	At    time.Duration `json:"at_ns"`
	Every time.Duration `json:"every_ns,omitempty"`
	// Params are the kind's own: which member, how many watchers.
	Params map[string]string `json:"params,omitempty"`
}

// Event is something that was done to the cluster. Start counts from the run's
// start.
type Event struct {
	Kind   string        `json:"kind"`
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	Detail string        `json:"detail,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// Load is a closed loop when Rate is 0 and an open loop otherwise.
type Load struct {
	// Rate is in arrivals per second.
	Rate float64 `json:"rate,omitempty"`
	// RateEnd, when it is set, makes a linear ramp from Rate over the phase.
	RateEnd float64 `json:"rate_end,omitempty"`
	// Arrival is "constant" or "poisson".
	Arrival string `json:"arrival,omitempty"`
}

// Open tells whether operations arrive on a schedule.
func (l Load) Open() bool { return l.Rate > 0 || l.RateEnd > 0 }

// Phase is a stretch of a run as it happened. Start counts from the run's start.
type Phase struct {
	Name   string        `json:"name"`
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Backlog is how many operations had arrived before the phase began and had no
	// outcome then.
	Backlog int64 `json:"backlog,omitempty"`
}

// Operation is what became of one kind of operation, in a phase or in one
// interval of it. Offered = Completed + Failed + Dropped + Unfinished.
type Operation struct {
	Phase string `json:"phase"`
	Op    string `json:"op"`
	// Write says that this kind counts towards the target.
	Write bool `json:"write,omitempty"`
	// Arrived says that operations of this kind were not asked for one by one:
	// they came by themselves, such as events, or were part of others.
	Arrived bool `json:"arrived,omitempty"`
	// Of and Sign mark one half of a time that can be negative: the operations
	// with the same Of hold its magnitudes, those with Sign -1 of the negative ones.
	Of   string `json:"of,omitempty"`
	Sign int    `json:"sign,omitempty"`

	Offered   uint64 `json:"offered"`
	Completed uint64 `json:"completed"`
	Failed    uint64 `json:"failed"`
	// Dropped arrivals found the queue full and were never sent.
	Dropped uint64 `json:"dropped"`
	// Unfinished operations timed out, or were waiting or in flight when the
	// run stopped: their true time is longer than what is recorded.
	Unfinished uint64 `json:"unfinished"`
	// TimedOut is the part of Unfinished that reached the request timeout.
	TimedOut uint64 `json:"timed_out,omitempty"`
	// CompletedLate is the part of Completed that was answered after the phase
	// had ended; it does not count towards Throughput.
	CompletedLate uint64 `json:"completed_late,omitempty"`
	// Inherited counts the operations that were completed within the phase and had
	// arrived before it.
	Inherited uint64 `json:"inherited,omitempty"`
	// Overdue is the part of the acknowledged operations that were completed later than
	// the request timeout allows, counted from their intended time.
	Overdue uint64 `json:"overdue,omitempty"`

	// Throughput is the operations acknowledged within the phase, whenever they arrived,
	// per second. Complete sets it.
	Throughput float64 `json:"throughput"`

	// ResponseTime holds what was completed, and what did not finish with the lower
	// bound of its time. ServiceTime and QueueTime hold what was completed.
	ResponseTime Latency `json:"response_time"`
	ServiceTime  Latency `json:"service_time"`
	QueueTime    Latency `json:"queue_time"`
	// FailedResponseTime holds the failures, UnfinishedResponseTime the part of
	// ResponseTime that is lower bounds.
	FailedResponseTime     Latency `json:"failed_response_time,omitzero"`
	UnfinishedResponseTime Latency `json:"unfinished_response_time,omitzero"`
	// AllResponseTime is ResponseTime with the failures. Complete sets it.
	AllResponseTime Latency `json:"all_response_time,omitzero"`
	// Overflow counts times above the histograms' range (10 min).
	Overflow uint64 `json:"overflow,omitempty"`

	// Counts are what the workload counted besides, such as attempts.
	Counts []Count      `json:"counts,omitempty"`
	Errors []ErrorClass `json:"errors"`
}

// operationFields are the fields of an operation without its methods.
type operationFields Operation

// MarshalJSON implements [json.Marshaler]. It adds the figures that follow from others.
func (o Operation) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		operationFields
		ErrorRate   float64  `json:"error_rate"`
		Goodput     float64  `json:"goodput"`
		LowerBounds []string `json:"lower_bounds,omitempty"`
	}{operationFields(o), o.ErrorRate(), o.Goodput(), o.LowerBounds()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Operation) UnmarshalJSON(data []byte) error {
	*o = Operation{}
	if err := json.Unmarshal(data, (*operationFields)(o)); err != nil {
		return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
	}
	return nil
}

// Count is a number that a workload counts beside its operations. Of names the
// count it is a share of; without, it is compared with the completed operations.
type Count struct {
	Name  string `json:"name"`
	Of    string `json:"of,omitempty"`
	Count uint64 `json:"count"`
}

// CountReadLate is the name of the count of operations that arrived by themselves and may
// have waited for the generator to read them.
const CountReadLate = "read-late"

// Counted returns what the workload counted under a name, and whether it counts that.
func (o *Operation) Counted(name string) (n uint64, counted bool) {
	for _, c := range o.Counts {
		if c.Name == name {
			return c.Count, true
		}
	}
	return 0, false
}

// ErrorClass counts the errors of one kind: a gRPC code and, where etcd said
// so, its own error.
type ErrorClass struct {
	Code    string `json:"code"`
	Etcd    string `json:"etcd,omitempty"`
	Count   uint64 `json:"count"`
	Example string `json:"example,omitempty"`
}

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

// Validity says whether the generator did its job.
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
	// SchedP99 is how long a runnable goroutine waited for a CPU.
	SchedP99 time.Duration `json:"sched_latency_p99_ns"`
	MaxRSS   uint64        `json:"max_rss_bytes"`
	// Shared says that the generator's runtime also runs the cluster.
	Shared bool `json:"shares_runtime_with_cluster,omitempty"`
}

// Environment holds what decides a number besides the plan and the cluster.
type Environment struct {
	CPUModel    string `json:"cpu_model,omitempty"`
	CPUs        int    `json:"cpus"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	GOGC        string `json:"gogc,omitempty"`
	Memory      uint64 `json:"memory_bytes,omitempty"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	ClockSource string `json:"clock_source,omitempty"`
	// CPULimit (in CPUs) and MemoryLimit are the container's, 0 where none is set.
	CPULimit    float64 `json:"cpu_limit,omitempty"`
	MemoryLimit uint64  `json:"memory_limit_bytes,omitempty"`

	Tool       string `json:"etcdbench_version"`
	Revision   string `json:"git_revision,omitempty"`
	Go         string `json:"go_version"`
	EtcdClient string `json:"etcd_client_version,omitempty"`

	// Disk describes the data directory of a cluster we started.
	Disk *Disk `json:"disk,omitempty"`
}

// Machine describes the machine in a way that tells machines apart: by processor,
// limits, memory and kernel.
func (e Environment) Machine() string {
	s := fmt.Sprintf("%d CPUs %s, %d GiB, %s/%s %s", e.CPUs, e.CPUModel, e.Memory>>30, e.OS, e.Arch, e.Kernel)
	if e.CPULimit > 0 {
		s += fmt.Sprintf(", limited to %.4g CPUs", e.CPULimit)
	}
	return s
}

// Disk is a file system and how long an fdatasync of one WAL-sized write took
// on it before the cluster started.
type Disk struct {
	FileSystem string        `json:"file_system"`
	Memory     bool          `json:"in_memory,omitempty"`
	SyncP50    time.Duration `json:"fdatasync_p50_ns"`
	SyncP99    time.Duration `json:"fdatasync_p99_ns"`
	Syncs      int           `json:"fdatasyncs"`
}

// The kinds of cluster.
const (
	ClusterProcess   = "process"
	ClusterInProcess = "in-process"
	ClusterRemote    = "remote"
)

// Cluster is what the load went to.
type Cluster struct {
	// Kind is "process", "in-process" or "remote".
	Kind    string   `json:"kind"`
	Version string   `json:"version,omitempty"`
	TLS     bool     `json:"tls,omitempty"`
	Members []Member `json:"members"`
	// Settings are the etcd flags of a cluster we started, without addresses.
	Settings map[string]string `json:"settings,omitempty"`
	// Binary is the program that ran, when it was not our own.
	Binary string `json:"binary,omitempty"`
	// Unverified says that any server's certificate was accepted.
	Unverified bool `json:"insecure_skip_tls_verify,omitempty"`
}

// Member is one member at the start of the run.
type Member struct {
	Name     string `json:"name,omitempty"`
	ID       string `json:"id,omitempty"`
	Endpoint string `json:"endpoint"`
	Version  string `json:"version,omitempty"`
	Leader   bool   `json:"leader,omitempty"`
	PID      int    `json:"pid,omitempty"`
	DBSize   int64  `json:"db_size_bytes,omitempty"`
	Quota    int64  `json:"quota_bytes,omitempty"`
	// Conns is how many of the load's connections lead to the member.
	Conns int `json:"conns,omitempty"`
}
