package results

// Comparison compares one figure of two sides of saved runs.
type Comparison struct {
	// Operation is empty for what all operations cost.
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
	// Change is that from base to candidate as a share, of error rates their difference,
	// and Lower and Upper its 95 % interval; without one where there is too little to tell.
	Change float64  `json:"change"`
	Lower  *float64 `json:"lower,omitempty"`
	Upper  *float64 `json:"upper,omitempty"`
	// Word is better, worse, same (within Within, a share) or unresolved.
	Word   string  `json:"word"`
	Within float64 `json:"within,omitempty"`
	// Descriptive says that the interval is that of one run's own seconds: what
	// another run of the same would give is not in it.
	Descriptive bool `json:"descriptive,omitempty"`
}

// The words for a comparison, see [Comparison].
const (
	Better     = "better"
	Worse      = "worse"
	Same       = "same"
	Unresolved = "unresolved"
)
