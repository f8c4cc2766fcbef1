package results

// Proof is what a run's checks of correctness found after the load.
type Proof struct {
	// Verdict is "proved", "violated", or "incomplete" when something could not
	// be checked and nothing was found wrong.
	Verdict string  `json:"verdict"`
	Checks  []Check `json:"checks"`
	// Violations are the first of those that were found; Found counts all.
	Violations []Violation `json:"violations,omitempty"`
	Found      uint64      `json:"violations_found"`
}

// The verdicts of a proof.
const (
	Proved     = "proved"
	Violated   = "violated"
	Incomplete = "incomplete"
)

// Check is one thing that was looked at.
type Check struct {
	Name string `json:"name"`
	// Checked is how many of Of things (keys, members, events) were looked at; a
	// sample is drawn with the plan's seed.
	Checked uint64 `json:"checked"`
	Of      uint64 `json:"of"`
	// Skipped says why the check could not be made.
	Skipped string `json:"skipped,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Violation is one broken promise.
type Violation struct {
	Check    string `json:"check"`
	Key      string `json:"key"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// maxViolations is how many violations a proof carries.
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
