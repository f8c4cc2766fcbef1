package results

import (
	"strings"
	"time"
)

// ScaleSchema names the version of the document of a scale experiment.
const ScaleSchema = "etcdbench.scale/v1"

// Scale is how a cluster behaves as its data grows: a ladder of logical sizes, and on each
// rung latencies, memory, file size, and what maintenance and recovery take.
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
	// Sizes are the logical sizes that were asked for, and ObjectSize that of one object,
	// key and value, in bytes.
	Sizes      []int64 `json:"sizes_bytes"`
	ObjectSize int64   `json:"object_size_bytes"`
	// Values is the content of the objects; empty in documents that do not have it.
	Values string `json:"values,omitempty"`
	// Stopped is the reason why there are fewer rungs than sizes.
	Stopped  string      `json:"stopped,omitempty"`
	Warnings []Warning   `json:"warnings,omitempty"`
	Rungs    []ScaleRung `json:"rungs"`
	// Fits are power laws and lines over the logical size, where there are rungs enough.
	Fits []ScaleFit `json:"fits,omitempty"`
}

// ScaleRung is what was measured with one amount of data.
type ScaleRung struct {
	Number int `json:"n"`
	// Objects are in the cluster, and Size are the bytes of their keys and values.
	Objects int64 `json:"objects"`
	Size    int64 `json:"size_bytes"`
	// Dir has the rung's runs, relative to the experiment's directory.
	Dir string `json:"dir"`
	// Added are the objects that were written for this rung, in Populated.
	Added     int64         `json:"added_objects"`
	Populated time.Duration `json:"populated_ns"`
	// Members are as they were after the population, and in the steady state.
	Members []ScaleMember `json:"members"`
	// Operations are those of the steady state.
	Operations []ScaleOperation `json:"operations"`
	// WriteAmplification is the bytes that all members caused to be written to disks for one
	// byte of key and value, in the steady state; 0 where that is not known.
	WriteAmplification float64 `json:"write_amplification,omitempty"`
	// Cost is that of one operation, see [CostFigures].
	Cost map[string]float64 `json:"cost,omitempty"`
	// Events are compactions, defragmentations, snapshots, recoveries and list storms.
	Events []ScaleEvent `json:"events"`
	// Validity says whether the generator did its job in the steady state.
	Validity string `json:"validity"`
	// Findings are the reasons why the rung is not complete, such as a member that did not
	// return.
	Findings []string `json:"findings,omitempty"`
	// Violations are those that the proofs of the rung's runs have found.
	Violations uint64 `json:"violations,omitempty"`
}

// ScaleMember is one member's file and memory.
type ScaleMember struct {
	Name string `json:"name"`
	// File is the size of the database's file after the population, compacted and
	// defragmented, in bytes.
	File int64 `json:"file_bytes"`
	// Resident is the median of the resident memory in the steady state, Peak the most.
	Resident int64 `json:"resident_bytes"`
	Peak     int64 `json:"peak_resident_bytes"`
}

// ScaleOperation is one kind of operation in the steady state. Times are nanoseconds, 0
// where they are not resolved.
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
	// Member is the one that it was done to; empty means all.
	Member string `json:"member,omitempty"`
	// Start counts from the start of the run, Length is until it was over.
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Serving is the time from the fault until the member, or any member where all had it,
	// answered a linearizable read; Redundant until all members answered, agreed on a leader
	// and had applied what the leader had. 0 where that did not happen, or is not asked.
	Serving   time.Duration `json:"serving_ns,omitempty"`
	Redundant time.Duration `json:"redundant_ns,omitempty"`
	// Ended is the time from the fault until the processes that were asked to stop had ended,
	// Promoted that until the new member voted. 0 where that is not asked.
	Ended    time.Duration `json:"ended_ns,omitempty"`
	Promoted time.Duration `json:"promoted_ns,omitempty"`
	// Bytes is how much was read or sent, or the size of a snapshot's file.
	Bytes int64 `json:"bytes,omitempty"`
	// Restored is the time until all members' data were made from the snapshot's file, which
	// each member reads and writes whole, all at the same time.
	Restored time.Duration `json:"restored_ns,omitempty"`
	// FileBefore and FileAfter are the sizes of the database's file.
	FileBefore int64 `json:"file_before_bytes,omitempty"`
	FileAfter  int64 `json:"file_after_bytes,omitempty"`
	// Peak is the most resident memory of a member meanwhile.
	Peak int64 `json:"peak_resident_bytes,omitempty"`
	// Replayed are the committed entries that the member read from its write-ahead log when it
	// started: those after its last snapshot, as its own log says. 0 where it does not.
	Replayed int64        `json:"replayed_entries,omitempty"`
	Effect   *ScaleEffect `json:"effect,omitempty"`
	Detail   string       `json:"detail,omitempty"`
	Error    string       `json:"error,omitempty"`
	// Skipped is the reason why it was not done.
	Skipped string `json:"skipped,omitempty"`
}

// ScaleEffect compares the writes, or all operations where there are no writes, during an
// event with those just before.
type ScaleEffect struct {
	Before ScaleWindow `json:"before"`
	During ScaleWindow `json:"during"`
	// Stall is the longest response time of an operation that arrived during the event.
	Stall time.Duration `json:"stall_ns"`
}

// ScaleWindow is some whole seconds of a load. Times are nanoseconds, 0 where they are not resolved.
type ScaleWindow struct {
	Length     time.Duration `json:"length_ns"`
	Throughput float64       `json:"throughput"`
	ErrorRate  float64       `json:"error_rate"`
	P90        int64         `json:"p90_ns,omitempty"`
	P99        int64         `json:"p99_ns,omitempty"`
}

// ScaleFit is the power law value = Factor·size^Exponent over the logical size in bytes, and
// a line. It describes what was measured, and says nothing beyond Reach.
type ScaleFit struct {
	// Figure is what grows, Unit is "bytes" or "ns".
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

// Event returns the first event of a kind that was done without an error.
func (r *ScaleRung) Event(kind string) (ScaleEvent, bool) {
	for _, e := range r.Events {
		if e.Kind == kind && e.Error == "" && e.Skipped == "" {
			return e, true
		}
	}
	return ScaleEvent{}, false
}

// Largest returns the member's file, memory and peak that are the largest of all.
func (r *ScaleRung) Largest() (m ScaleMember) {
	for _, one := range r.Members {
		m.File, m.Resident, m.Peak = max(m.File, one.File), max(m.Resident, one.Resident), max(m.Peak, one.Peak)
	}
	return m
}

// Operation returns the steady state of the operation of a name. The name of a workload of
// a mix stands for its only kind of operation.
func (r *ScaleRung) Operation(name string) (ScaleOperation, bool) {
	for _, o := range r.Operations {
		if o.Op == name || strings.HasPrefix(o.Op, name+"/") {
			return o, true
		}
	}
	return ScaleOperation{}, false
}

// DecodeScale reads the document of a scale experiment. It refuses any other, and one that
// is larger than any experiment writes.
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
