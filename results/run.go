// Package results defines the saved data: the versioned documents of runs and
// experiments, their codec, the journal from which a run can be rebuilt, and the
// directory that contains both.
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
	"slices"
	"time"
)

// Schema is the version of the document. Readers reject unknown versions.
const Schema = "etcdbench.run/v2"

// schemaV1 is the previous version, which can still be read. Its response times did not include
// the lower bounds of unfinished operations.
const schemaV1 = "etcdbench.run/v1"

// DefaultTarget is the default target in writes per second: etcd's own claim.
const DefaultTarget = 10_000

// Outcome is the way in which a run ended.
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
	// Label is the user's name for the run, such as a commit or a build.
	Label   string  `json:"label,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Reason is the reason why the outcome is not "completed".
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
	// Events are the disturbances, in the order in which they began.
	Events []Event `json:"events,omitempty"`
	// Server holds the members' own figures, and the cost of operations for them.
	Server *Server `json:"server,omitempty"`
	// Slow are the stretches that were much slower than usual, with the signals that changed at
	// the same time.
	Slow []Slow `json:"slow,omitempty"`
	// Availability describes the outages, for runs whose arrivals were scheduled.
	Availability *Availability `json:"availability,omitempty"`
	// Resilience describes the effect of faults, for runs with faults.
	Resilience *Resilience `json:"resilience,omitempty"`
	// Profiles are the requested profiles of CPU time, memory and others.
	Profiles []Profile `json:"profiles,omitempty"`
	Proof    *Proof    `json:"proof,omitempty"`
	// Agents are the processes that generated the load of a distributed run.
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

// Warn adds a warning for the reader of the result.
func (r *Run) Warn(code, message string) {
	r.Warnings = append(r.Warnings, Warning{Code: code, Message: message})
}

// Warned reports whether there is a warning with the code.
func (r *Run) Warned(code string) bool {
	return slices.ContainsFunc(r.Warnings, func(w Warning) bool { return w.Code == code })
}

// Warning is a note for the reader of a result.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Event is a disturbance that was made. Start counts from the run's start.
type Event struct {
	Kind   string        `json:"kind"`
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	Detail string        `json:"detail,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// Outcome returns the detail and the error, if there are any.
func (e Event) Outcome() string {
	if e.Detail == "" || e.Error == "" {
		return e.Detail + e.Error
	}
	return e.Detail + ": " + e.Error
}

// Phase is a phase of a run as it was carried out. Start counts from the run's start.
type Phase struct {
	Name   string        `json:"name"`
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Backlog is the number of operations that had arrived before the phase began and had no
	// outcome then.
	Backlog int64 `json:"backlog,omitempty"`
}
