package results

import "time"

// Slow is a slow stretch of the measured phases: its p99 of a second was above three
// times the run's median. See results/judge for how stretches are found.
type Slow struct {
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// P99 is the highest p99 of the stretch's seconds, and Usual the run's median, both
	// of response time. Stalled says that nothing completed in some second.
	P99     int64 `json:"p99_ns"`
	Usual   int64 `json:"usual_p99_ns"`
	Stalled bool  `json:"stalled,omitempty"`
	// Completed and Expected belong to the second with the smallest share of the usual number
	// of operations, if that is much less than usual. Completed is the number of completed
	// operations, and Expected the usual number, or that of the arrivals. They are 0 if there
	// is no such second.
	Completed uint64 `json:"completed,omitempty"`
	Expected  uint64 `json:"expected,omitempty"`
	// FewSamples means that P99 is from a second in which fewer than ten operations were
	// slower, so that it is not resolved.
	FewSamples bool `json:"few_samples,omitempty"`
	// Causes are the signals that rose at the same time, the strongest first. It is
	// empty when no monitored signal changed.
	Causes []Cause `json:"causes"`
}

// Cause is a signal that took longer than usual while the run was slow. The coincidence does not
// prove that it is the cause.
type Cause struct {
	Name   string `json:"name"`
	Member string `json:"member,omitempty"`
	// Time is the additional time compared with usual.
	Time time.Duration `json:"time_ns"`
	Text string        `json:"text"`
}
