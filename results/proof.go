package results

import "time"

// Proof is the result of a run's checks of correctness after the load.
type Proof struct {
	// Verdict is "proved", "violated", or "incomplete" if a check could not be made and none
	// found a violation.
	Verdict string  `json:"verdict"`
	Checks  []Check `json:"checks"`
	// Violations are the first violations. Found is the number of all.
	Violations []Violation `json:"violations,omitempty"`
	Found      uint64      `json:"violations_found"`
}

// The verdicts of a proof.
const (
	Proved     = "proved"
	Violated   = "violated"
	Incomplete = "incomplete"
)

// Check is one check of a proof.
type Check struct {
	Name string `json:"name"`
	// Checked is how many of Of keys, members or events were checked; a sample is drawn with
	// the plan's seed.
	Checked uint64 `json:"checked"`
	Of      uint64 `json:"of"`
	// Skipped is the reason why the check could not be made.
	Skipped string `json:"skipped,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Violation is one violation of a guarantee of etcd.
type Violation struct {
	Check    string `json:"check"`
	Key      string `json:"key"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
	// Operation is the operation with the wrong answer. Against is the operation that it
	// contradicts. They are nil for checks that are not about single operations.
	Operation *ProofOperation `json:"operation,omitempty"`
	Against   *ProofOperation `json:"against,omitempty"`
	// History contains the operations around the violation, some of which contradict each
	// other.
	History []ProofOperation `json:"history,omitempty"`
	// Page is the file in the run's directory that shows the history.
	Page string `json:"page,omitempty"`
}

// ProofOperation is one operation of a violation.
type ProofOperation struct {
	// Name is put, delete, read, transaction, compare-and-swap, lease, acquire, hash or watch (an
	// event), or write for one of which only the revision is known.
	Name string `json:"name"`
	Key  string `json:"key,omitempty"`
	// Sent and Answered are times of the generator's clock. Answered is zero without an answer;
	// both are zero if the times were not recorded.
	Sent     time.Time `json:"sent,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	// Unknown means that it is unknown whether the operation took effect.
	Unknown bool `json:"unknown,omitempty"`
	// Revision is the revision of the answer.
	Revision int64 `json:"revision,omitempty"`
	// Modified, Version and Value describe the key that was read. Value is a hash; for a write,
	// it is the hash of the written value. Modified is 0 if no key was found.
	Modified int64  `json:"modified,omitempty"`
	Version  int64  `json:"version,omitempty"`
	Value    string `json:"value,omitempty"`
	// HeaderOnly means that only the answer's revision is known, and not what was found at
	// the key.
	HeaderOnly bool `json:"header_only,omitempty"`
	// Member is the ID of the member that answered, Conn the number of the connection, or
	// [NoConn].
	Member string `json:"member,omitempty"`
	Conn   int    `json:"conn"`
}

// NoConn means that the connection of an operation is unknown, or that it had none.
const NoConn = -1

// maxViolations is the largest number of violations in a proof.
const maxViolations = 20

// Violate adds a violation.
func (p *Proof) Violate(v Violation) {
	p.Found++
	if len(p.Violations) < maxViolations {
		p.Violations = append(p.Violations, v)
	}
}

// Judge sets the verdict from checks and violations.
func (p *Proof) Judge() {
	p.Verdict = Proved
	for _, c := range p.Checks {
		if c.Skipped != "" {
			p.Verdict = Incomplete
		}
	}
	if p.Found > 0 {
		p.Verdict = Violated
	}
}

// Merge adds the violations of another proof.
func (p *Proof) Merge(o Proof) {
	p.Violations = append(p.Violations, o.Violations[:min(len(o.Violations), max(0, maxViolations-len(p.Violations)))]...)
	p.Found += o.Found
}
