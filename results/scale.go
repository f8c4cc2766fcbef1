package results

import (
	"strings"
	"time"
)

// ScaleSchema is the version of the document of a scale experiment.
const ScaleSchema = "etcdbench.scale/v1"

// Scale describes how a cluster behaves as its data grows. It has a rung for each logical size,
// with latencies, memory, file size, and the times of maintenance and recovery.
type Scale struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Workload is the load on each rung, Rate its arrivals per second.
	Workload    string      `json:"workload"`
	Rate        float64     `json:"rate"`
	Cluster     Cluster     `json:"cluster"`
	Environment Environment `json:"environment"`
	// Sizes are the requested logical sizes. ObjectSize is the size of one object, key and
	// value. Both are in bytes.
	Sizes      []int64 `json:"sizes_bytes"`
	ObjectSize int64   `json:"object_size_bytes"`
	// Values is the content of the objects; empty in documents that do not have it.
	Values string `json:"values,omitempty"`
	// Stopped is the reason why there are fewer rungs than sizes.
	Stopped  string      `json:"stopped,omitempty"`
	Warnings []Warning   `json:"warnings,omitempty"`
	Rungs    []ScaleRung `json:"rungs"`
	// Fits are power laws and lines over the logical size, if there are enough rungs.
	Fits []ScaleFit `json:"fits,omitempty"`
}

// ScaleRung holds the measurements with one amount of data.
type ScaleRung struct {
	Number int `json:"n"`
	// Objects is the number of objects in the cluster. Size is the size of their keys and
	// values, in bytes.
	Objects int64 `json:"objects"`
	Size    int64 `json:"size_bytes"`
	// Dir contains the rung's runs. It is relative to the experiment's directory.
	Dir string `json:"dir"`
	// Added is the number of objects that were written for this rung. Populated is the time
	// that this took.
	Added     int64         `json:"added_objects"`
	Populated time.Duration `json:"populated_ns"`
	// Members are the members after the population and in the steady state.
	Members []ScaleMember `json:"members"`
	// Operations are the operations of the steady state.
	Operations []ScaleOperation `json:"operations"`
	// WriteAmplification is the number of bytes that all members caused to be written to disks
	// per byte of keys and values, in the steady state; 0 if it is unknown.
	WriteAmplification float64 `json:"write_amplification,omitempty"`
	// Cost is the cost of one operation, see [CostFigures].
	Cost map[string]float64 `json:"cost,omitempty"`
	// Events are compactions, defragmentations, snapshots, recoveries and list storms.
	Events []ScaleEvent `json:"events"`
	// Validity is the validity of the steady state.
	Validity string `json:"validity"`
	// Findings are the reasons why the rung is not complete, such as a member that did not
	// return.
	Findings []string `json:"findings,omitempty"`
	// Violations is the number of violations in the proofs of the rung's runs.
	Violations uint64 `json:"violations,omitempty"`
}

// ScaleMember describes one member's file and memory.
type ScaleMember struct {
	Name string `json:"name"`
	// File is the size of the database's file after the population, compacted and
	// defragmented, in bytes.
	File int64 `json:"file_bytes"`
	// Resident is the median resident memory in the steady state, and Peak the largest. Both
	// are in bytes.
	Resident int64 `json:"resident_bytes"`
	Peak     int64 `json:"peak_resident_bytes"`
}

// ScaleOperation is one kind of operation in the steady state. Times are in nanoseconds; 0
// means not resolved.
type ScaleOperation struct {
	Op         string  `json:"op"`
	Throughput float64 `json:"throughput"`
	ErrorRate  float64 `json:"error_rate"`
	P50        int64   `json:"p50_ns,omitempty"`
	P99        int64   `json:"p99_ns,omitempty"`
	// AtLeast names the percentiles that are lower bounds.
	AtLeast []string `json:"at_least,omitempty"`
}

// The kinds of events of a rung.
const (
	ScaleCompaction      = "compaction"
	ScaleDefragmentation = "defragmentation"
	ScaleSnapshot        = "snapshot"
	ScaleListUnary       = "list storm, one request each"
	ScaleListPages       = "list storm, in pages"
	ScaleListStream      = "list storm, streamed"
	ScaleRestart         = "restart"
	ScaleFullLogRestart  = "restart, full log"
	ScaleRestore         = "restore from a snapshot file"
	ScaleColdRestart     = "restart, cold page cache"
	ScaleKill            = "kill and restart"
	ScaleClusterRestart  = "restart of the cluster"
	ScaleCatchUpLog      = "catch-up by log"
	ScaleCatchUpSnapshot = "catch-up by snapshot"
	ScaleReplacement     = "replacement"
)

// Recovers reports whether a kind of event is a recovery.
func Recovers(kind string) bool {
	switch kind {
	case ScaleRestart, ScaleColdRestart, ScaleFullLogRestart, ScaleKill, ScaleClusterRestart, ScaleCatchUpLog, ScaleCatchUpSnapshot,
		ScaleReplacement, ScaleRestore:
		return true
	}
	return false
}

// ScaleEvent is maintenance or a fault under load, and its effect.
type ScaleEvent struct {
	Kind string `json:"kind"`
	// Member is the affected member; empty means all members.
	Member string `json:"member,omitempty"`
	// Start counts from the start of the run. Length is the time until the event was over.
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Serving is the time from the fault until the member answered a linearizable read, or
	// until any member did if all were affected. Redundant is the time until all members
	// answered, agreed on a leader and had applied the leader's entries. 0 means that it did
	// not happen, or that it does not apply.
	Serving   time.Duration `json:"serving_ns,omitempty"`
	Redundant time.Duration `json:"redundant_ns,omitempty"`
	// Ended is the time from the fault until the stopped processes had ended. Promoted is the
	// time until the new member voted. 0 means that it does not apply.
	Ended    time.Duration `json:"ended_ns,omitempty"`
	Promoted time.Duration `json:"promoted_ns,omitempty"`
	// Bytes is the number of bytes that were read or sent, or the size of a snapshot file.
	Bytes int64 `json:"bytes,omitempty"`
	// Restored is the time until the data of all members were created from the snapshot file,
	// which all members read and write concurrently.
	Restored time.Duration `json:"restored_ns,omitempty"`
	// FileBefore and FileAfter are the sizes of the database file, in bytes.
	FileBefore int64 `json:"file_before_bytes,omitempty"`
	FileAfter  int64 `json:"file_after_bytes,omitempty"`
	// Peak is the largest resident memory of a member meanwhile, in bytes.
	Peak int64 `json:"peak_resident_bytes,omitempty"`
	// Replayed is the number of committed entries that the member read from its write-ahead log
	// when it started: those after its last snapshot, according to its log. 0 means unknown.
	Replayed int64        `json:"replayed_entries,omitempty"`
	Effect   *ScaleEffect `json:"effect,omitempty"`
	Detail   string       `json:"detail,omitempty"`
	Error    string       `json:"error,omitempty"`
	// Skipped is the reason why the event was skipped.
	Skipped string `json:"skipped,omitempty"`
}

// ScaleEffect compares the writes during an event with those just before. If there are no
// writes, it compares all operations.
type ScaleEffect struct {
	Before ScaleWindow `json:"before"`
	During ScaleWindow `json:"during"`
	// Stall is the longest response time of an operation that arrived during the event.
	Stall time.Duration `json:"stall_ns"`
}

// ScaleWindow is a number of whole seconds of a load. Times are in nanoseconds; 0 means not
// resolved.
type ScaleWindow struct {
	Length     time.Duration `json:"length_ns"`
	Throughput float64       `json:"throughput"`
	ErrorRate  float64       `json:"error_rate"`
	P90        int64         `json:"p90_ns,omitempty"`
	P99        int64         `json:"p99_ns,omitempty"`
}

// ScaleFit is the power law value = Factor·size^Exponent over the logical size in bytes, and a
// line. It describes the measurements, and is not valid beyond Reach.
type ScaleFit struct {
	// Figure is the fitted figure. Unit is "bytes" or "ns".
	Figure   string   `json:"figure"`
	Unit     string   `json:"unit"`
	Factor   float64  `json:"factor"`
	Exponent Estimate `json:"exponent"`
	Points   int      `json:"points"`
	// Reach is 1.2 times the largest size.
	Reach float64 `json:"reach_bytes"`
	// Line is fitted to the same rungs; nil in documents that do not have it.
	Line *ScaleLine `json:"line,omitempty"`
}

// ScaleLine is the line value = Intercept + PerGB·size, with the size in units of 10⁹ bytes.
type ScaleLine struct {
	Intercept float64  `json:"intercept"`
	PerGB     Estimate `json:"per_gb"`
}

// Event returns the first event of a kind that had no error.
func (r *ScaleRung) Event(kind string) (ScaleEvent, bool) {
	for _, e := range r.Events {
		if e.Kind == kind && e.Error == "" && e.Skipped == "" {
			return e, true
		}
	}
	return ScaleEvent{}, false
}

// Largest returns the largest file, memory and peak of any member.
func (r *ScaleRung) Largest() (m ScaleMember) {
	for _, one := range r.Members {
		m.File, m.Resident, m.Peak = max(m.File, one.File), max(m.Resident, one.Resident), max(m.Peak, one.Peak)
	}
	return m
}

// Operation returns the steady state of the operation with that name. The name of a workload of
// a mix means its only kind of operation.
func (r *ScaleRung) Operation(name string) (ScaleOperation, bool) {
	for _, o := range r.Operations {
		if o.Op == name || strings.HasPrefix(o.Op, name+"/") {
			return o, true
		}
	}
	return ScaleOperation{}, false
}

// DecodeScale reads the document of a scale experiment. It returns an error for any other
// document, and for one that is larger than any experiment writes.
func DecodeScale(data []byte) (*Scale, error) {
	s := new(Scale)
	if err := decode(data, KindScale, s); err != nil {
		return nil, err
	}
	lengths := []length{
		{"rungs", len(s.Rungs), maxShortList}, {"sizes_bytes", len(s.Sizes), maxShortList}, {"fits", len(s.Fits), maxShortList},
		{"warnings", len(s.Warnings), maxList},
	}
	for _, r := range s.Rungs {
		lengths = append(lengths, length{"events", len(r.Events), maxShortList}, length{"operations", len(r.Operations), maxShortList},
			length{"members", len(r.Members), maxShortList}, length{"findings", len(r.Findings), maxShortList})
	}
	return s, checkLengths(lengths)
}
