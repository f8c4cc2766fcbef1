package consistency

import "github.com/etcdbench/etcdbench/results"

// An open violation is one whose other operation is not known yet. It is determined after the
// events before the violation have been read.
type open struct {
	// violation is the index in the proof, and round the one in which it was found.
	violation int
	round     uint32
	// operation is the operation with the wrong answer.
	operation operation
	// key is the one whose version of revision floor was made by the other operation. With 0,
	// the other operation is any one that was answered at floor, or at a revision from least to
	// floor before the request was sent. It is not known where least is above floor.
	key          Key
	least, floor int64
	// behind means that the other operation was answered on the same connection by the same
	// member.
	behind bool
}

// violate adds a violation. Its other operation is determined later.
func (c *Checker) violate(o open, v results.Violation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overflows() {
		return
	}
	v.History = []results.ProofOperation{*v.Operation}
	o.violation, o.round = len(c.proof.Violations), c.round.number
	c.proof.Violate(v)
	c.open = append(c.open, o)
}

// explainOpen completes the violations of earlier rounds, or all violations, because the events
// before them have been read.
func (c *Checker) explainOpen(all bool) {
	left := c.open[:0]
	for _, o := range c.open {
		if !all && o.round+1 >= c.round.number {
			left = append(left, o)
			continue
		}
		c.explain(&o, &c.proof.Violations[o.violation])
	}
	c.open = left
}

// explain determines the operation that a violation contradicts, and completes the history.
func (c *Checker) explain(o *open, v *results.Violation) {
	if o.key == 0 {
		v.Against = c.contradicted(o)
	} else if h := c.histories.keys[o.key-1]; h != nil {
		if i, ok := h.find(o.floor); ok && o.least <= o.floor {
			v.Against = c.describeOrigin(h, &h.versions[i])
		}
		v.History = append(v.History, c.neighbourhood(h, v.Operation.Revision)...)
	}
	if v.Against != nil {
		v.History = append(v.History, *v.Against)
	}
	v.History = sorted(v.History)
}

// contradicted returns the operation with the highest revision that an answer contradicts, or nil
// if it is not known.
func (c *Checker) contradicted(o *open) (other *results.ProofOperation) {
	highest := o.least - 1
	for _, h := range c.histories.keys {
		if h == nil {
			continue
		}
		for i := len(h.versions) - 1; i >= 0 && h.versions[i].through > highest; i-- {
			v := &h.versions[i]
			if v.revision > highest && o.contradicts(&v.by, v.revision) {
				other, highest = c.describeWrite(h, v), v.revision
			}
			if v.through > highest && o.contradicts(&v.readBy, v.through) {
				other, highest = c.describeVersion(h, v), v.through
			}
		}
	}
	return other
}

// contradicts reports whether an open violation contradicts an operation that was answered at
// a revision.
func (o *open) contradicts(other *operation, revision int64) bool {
	switch {
	case other.name == 0 || revision < o.least || revision > o.floor:
		return false
	case o.behind && (other.conn != o.operation.conn || other.member != o.operation.member):
		return false
	case revision == o.floor && !o.behind:
		return true
	}
	return other.answered > 0 && other.answered <= o.operation.sent
}

// Explain completes a violation that another check has found, in which only the revision of a
// write is known. It adds the interval of the write, the member that answered it, and a
// history. If the checker has no record of the write, the violation does not change.
func (c *Checker) Explain(v *results.Violation) {
	if v.Operation == nil || v.Against == nil || v.History != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complete(v.Operation, "")
	h := c.complete(v.Against, v.Operation.Key)
	if v.Operation.Sent.IsZero() || v.Against.Sent.IsZero() {
		return
	}
	v.History = []results.ProofOperation{*v.Against, *v.Operation}
	if h != nil && v.Against.Key == v.Operation.Key {
		v.History = append(v.History, c.neighbourhood(h, v.Operation.Revision)...)
	}
	v.History = sorted(v.History)
}

// complete adds the recorded details of a write with a known revision and possibly a known key,
// which differs from besides. It returns the history of the key, or nil.
func (c *Checker) complete(op *results.ProofOperation, besides string) *history {
	if op.Revision == 0 || !op.Sent.IsZero() {
		return nil
	}
	for _, h := range c.histories.keys {
		if h == nil {
			continue
		}
		if name := c.sample.name(h.key); op.Key != "" && op.Key != name || op.Key == "" && besides == name {
			continue
		}
		if i, ok := h.find(op.Revision); ok && h.versions[i].by.name != 0 {
			*op = *c.describeWrite(h, &h.versions[i])
			return h
		}
	}
	return nil
}

// ExplainEvent completes a violation by an event with the write before it, of which the event is
// missing or came too late, as far as the write is known.
func (c *Checker) ExplainEvent(v *results.Violation) {
	if v.Operation == nil || v.Against != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.sample.find(c.hash([]byte(v.Operation.Key)))
	if k == 0 || c.histories.keys[k-1] == nil {
		return
	}
	h := c.histories.keys[k-1]
	i, found := h.find(v.Operation.Revision)
	if found && v.Operation.Modified == 0 { // not an event, but the end of the watch
		i++
	}
	if i == 0 || h.versions[i-1].by.name == 0 {
		return
	}
	v.Against = c.describeWrite(h, &h.versions[i-1])
	v.History = sorted(append(c.neighbourhood(h, v.Operation.Revision), *v.Operation, *v.Against))
}
