package results

// Comparison compares one figure of two sides of saved runs.
type Comparison struct {
	// Operation is empty for costs, which cover all operations.
	Operation string `json:"operation,omitempty"`
	Metric    string `json:"metric"`
	Unit      string `json:"unit,omitempty"`
	Higher    bool   `json:"higher_is_better,omitempty"`
	// Base and Candidate are the medians of the runs.
	Base      float64 `json:"base"`
	Candidate float64 `json:"candidate"`
	// BaseAtLeast and CandidateAtLeast say that a side is a lower bound, because
	// operations did not finish.
	BaseAtLeast      bool `json:"base_at_least,omitempty"`
	CandidateAtLeast bool `json:"candidate_at_least,omitempty"`
	// Change is the change from base to candidate as a share; for error rates, it is their
	// difference. Lower and Upper are its 95 % interval, which is missing if there are too few
	// samples.
	Change float64  `json:"change"`
	Lower  *float64 `json:"lower,omitempty"`
	Upper  *float64 `json:"upper,omitempty"`
	// Word is better, worse, same (within Within, a share) or unresolved.
	Word   string  `json:"word"`
	Within float64 `json:"within,omitempty"`
	// Descriptive means that the interval is over the seconds of one run. It does not include
	// the variation between runs.
	Descriptive bool `json:"descriptive,omitempty"`
}

// The words for a comparison, see [Comparison].
const (
	Better     = "better"
	Worse      = "worse"
	Same       = "same"
	Unresolved = "unresolved"
)
