package results

import "time"

// CapacitySchema is the version of a capacity search's document.
const CapacitySchema = "etcdbench.capacity/v1"

// Capacity is the highest rate that a cluster sustains under an SLO, as an interval.
type Capacity struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Workload, Cluster and Environment are those of the probes.
	Workload    string      `json:"workload"`
	Cluster     Cluster     `json:"cluster"`
	Environment Environment `json:"environment"`
	SLO         []string    `json:"slo"`
	// Low is the highest rate that a probe and the soak sustained, in arrivals per second. High is
	// the lowest rate above it that clearly failed. They are 0 if there is none.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Failed is the lowest rate above Low that was not sustained, clearly or not. It is 0 if it is
	// not below High.
	Failed float64 `json:"failed,omitempty"`
	// Stopped is the reason why there is no upper bound, such as the generator's limit.
	Stopped string `json:"stopped,omitempty"`
	// Machine means that the generator or the machine, which the cluster may share with it, was at
	// its limit when the rate failed.
	Machine string `json:"machine_limit,omitempty"`
	// Most is the largest rate that could be searched, if it was sustained.
	Most float64 `json:"most,omitempty"`
	// Target compares the interval with the target.
	Target Target `json:"target"`
	// Over names the scenario's parameter that was searched over instead of the rate:
	// then all rates here are its values.
	Over string `json:"over,omitempty"`
	// Repeats are the intervals of several searches, of which Low and High are the
	// ends of a confidence interval, with that Confidence.
	Repeats    []CapacityRange `json:"repeats,omitempty"`
	Confidence float64         `json:"confidence,omitempty"`
	// MemberDown is the maximum while a follower is killed, if it was measured.
	MemberDown *CapacityRange `json:"member_down,omitempty"`
	// Resources are the resources at the maximum, the one that was nearest to its limit first.
	Resources []Resource `json:"resources,omitempty"`
	// Fit describes throughput by concurrency.
	Fit  *USL          `json:"usl,omitempty"`
	Plan *CapacityPlan `json:"plan,omitempty"`
	// Warnings are notes for the reader.
	Warnings []Warning `json:"warnings,omitempty"`
	// Probes are in the order in which they were made.
	Probes []CapacityProbe `json:"probes"`
}

// CapacityRange is the highest rate that was sustained, and the lowest above it that failed; 0
// if there is none.
type CapacityRange struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// The stages of a search.
const (
	StageBracket = "bracket"
	StageBisect  = "bisect"
	StageSoak    = "soak"
	StageBeyond  = "beyond"
	StageSweep   = "sweep"
	StageDown    = "member down"
)

// The verdicts of a probe.
const (
	// Sustained means that the cluster sustains the rate, Overloaded that it does not. Unclear
	// means that the probe does not decide it, TooFew that there were too few samples, and
	// GeneratorLimit that the generator was the limit.
	Sustained      = "sustained"
	Overloaded     = "overloaded"
	Unclear        = "unclear"
	TooFew         = "too few samples"
	GeneratorLimit = "generator limit"
)

// WarnNotMonotone is the code of the warning that a capacity search sustained a higher
// rate than one that it did not sustain.
const WarnNotMonotone = "not-monotone"

// CapacityProbe is one run at one rate.
type CapacityProbe struct {
	Number  int           `json:"n"`
	Stage   string        `json:"stage"`
	Rate    float64       `json:"rate"`
	Length  time.Duration `json:"length_ns"`
	Verdict string        `json:"verdict"`
	Reason  string        `json:"reason,omitempty"`
	// Dir is the run's directory, relative to the search's.
	Dir string `json:"dir"`
	// Achieved is in completed operations per second. Times are in nanoseconds; 0 means not
	// resolved.
	Achieved float64 `json:"achieved"`
	// Concurrency is the mean number of operations in progress: throughput times mean response
	// time (Little's law).
	Concurrency float64 `json:"concurrency,omitempty"`
	P50         int64   `json:"p50_ns,omitempty"`
	P99         int64   `json:"p99_ns,omitempty"`
	P999        int64   `json:"p99.9_ns,omitempty"`
	// AtLeast names the percentiles that are lower bounds, because operations did not
	// finish.
	AtLeast []string `json:"at_least,omitempty"`
	// ErrorRate is the share of operations that failed, were dropped or did not finish.
	ErrorRate float64 `json:"error_rate"`
	// DBSize is the size of the largest database when the probe ended.
	DBSize int64 `json:"db_size_bytes,omitempty"`
	// Revision is the highest revision that a member reported when the probe ended.
	Revision int64 `json:"revision,omitempty"`
	// SendLag is the p99 of the send lag, in nanoseconds; 0 means not resolved. It is part of
	// the response times.
	SendLag int64 `json:"send_lag_p99_ns,omitempty"`
	// Validity is the validity of the run. Reasons are the reasons why it is not valid.
	Validity string   `json:"validity,omitempty"`
	Reasons  []Reason `json:"reasons,omitempty"`
	// Contradicted is the number of a probe that sustained a higher rate, if this probe did not
	// sustain its rate: then the verdicts are not monotone in the rate.
	Contradicted int `json:"contradicted_by,omitempty"`
}

// Resource is the use of one resource at the maximum.
type Resource struct {
	Name   string `json:"name"`
	Member string `json:"member,omitempty"`
	// Share is the used share of the resource's limit; 0 if there is no known limit.
	Share float64 `json:"share,omitempty"`
	Text  string  `json:"text"`
}

// CapacityPlan compares the maximum with a demand.
type CapacityPlan struct {
	Demand float64 `json:"demand"`
	// Safe is the share of the maximum that is safe to plan with. SafeRate is that rate.
	Safe     float64 `json:"safe_share"`
	SafeRate float64 `json:"safe_rate"`
	// Headroom is the growth of the demand that reaches the safe rate, as a share.
	Headroom float64 `json:"headroom"`
	// Growth is the growth of the demand each month, as a share. Months is the number of months
	// until the safe rate; Endless is set if the demand does not reach it.
	Growth  float64 `json:"growth,omitempty"`
	Months  float64 `json:"months,omitempty"`
	Endless bool    `json:"endless,omitempty"`
	// DownSafeRate is the safe rate with one member down, and DownHeadroom its headroom. They
	// are 0 if that was not measured.
	DownSafeRate float64 `json:"member_down_safe_rate,omitempty"`
	DownHeadroom float64 `json:"member_down_headroom,omitempty"`
}

// DecodeCapacity reads the document of a capacity search. It returns an error for any other
// document, and for one that is larger than any search writes.
func DecodeCapacity(data []byte) (*Capacity, error) {
	c := new(Capacity)
	if err := decode(data, KindCapacity, c); err != nil {
		return nil, err
	}
	lengths := []length{
		{"probes", len(c.Probes), maxList}, {"repeats", len(c.Repeats), maxList}, {"resources", len(c.Resources), maxList},
		{"slo", len(c.SLO), maxShortList}, {"warnings", len(c.Warnings), maxList},
	}
	if c.Fit != nil {
		lengths = append(lengths, length{"usl.points", len(c.Fit.Points), maxList})
	}
	if err := checkLengths(lengths); err != nil {
		return nil, err
	}
	return c, nil
}
