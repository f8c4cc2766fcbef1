package consistency

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// An Unresolved is a followed key with a write of unknown outcome, or with a version that only
// such a write can have made.
type Unresolved struct {
	Key string
	// From is the lowest revision at which the key may have changed by such a write.
	From int64
	// Deletable means that the key may have been deleted since it was written first.
	Deletable bool

	place Key
}

// A Change is an entry of a key's history on the server.
type Change struct {
	Revision int64
	// version is etcd's count of the key's puts, and 0 for a deletion.
	version int64
	hash    uint64
}

// Change returns the entry of a put, or with a version of 0 that of a deletion.
func (c *Checker) Change(revision, version int64, value []byte) Change {
	if version == 0 {
		return Change{Revision: revision}
	}
	return Change{revision, version, c.hash(value)}
}

// Deletion reports whether the key was deleted.
func (c Change) Deletion() bool { return c.version == 0 }

// A Past is the server's complete history of a key between two revisions.
type Past struct {
	// Changes are in the order of their revisions.
	Changes       []Change
	From, Through int64
	// Sent and Answered are when the history was read, from the checker's start.
	Sent, Answered time.Duration
	Member         uint64
}

// outcomes counts the writes of unknown outcome of the followed keys.
type outcomes struct {
	writes, happened, refuted int
	// reason is the reason why other outcomes are unknown.
	reason string
}

// Unresolved returns the keys for which the server's history is needed. The clients must be at
// rest.
func (c *Checker) Unresolved() (list []Unresolved) {
	for range 3 {
		c.drain()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes = outcomes{}
	for i, h := range c.histories.keys {
		if h == nil || c.of(Key(i+1)) == nil {
			continue
		}
		u := Unresolved{Key: c.sample.name(h.key), place: h.key, Deletable: h.leased || !c.exclusive() || h.forgotten}
		for _, w := range h.writes {
			u.From = least(u.From, w.floor+1)
			u.Deletable = u.Deletable || w.deletion
			c.outcomes.writes++
		}
		for _, v := range h.versions {
			// A version of another client is looked up only where a write of this run is.
			if !v.known && !v.absent && (c.exclusive() || len(h.writes) > 0) {
				u.From = least(u.From, v.revision)
			}
			u.Deletable = u.Deletable || v.absent && v.known
		}
		if u.From > 0 {
			list = append(list, u)
		}
	}
	return list
}

// least returns the lower of two revisions. If a is 0, it is b.
func least(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// Resolve compares the known history of a key with the server's history: writes with an unknown
// outcome have taken effect if and only if they are in it. The clients must be at rest.
func (c *Checker) Resolve(u Unresolved, p Past) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.of(u.place)
	if h == nil {
		return
	}
	for i := range p.Changes {
		c.happened(h, &p, &p.Changes[i])
	}
	c.compareVersions(h, &p)
	c.outcomes.refuted += len(h.writes)
	h.writes = h.writes[:0]
	for i := range h.versions {
		if v := &h.versions[i]; v.revision >= p.From {
			c.touch(h, v.revision)
		}
	}
}

// Unknown sets the reason why the remaining outcomes are unknown.
func (c *Checker) Unknown(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes.reason = cmp.Or(c.outcomes.reason, reason)
}

// happened adds an entry of the server's history to the known history of a key.
func (c *Checker) happened(h *history, p *Past, e *Change) {
	i, found := h.find(e.Revision)
	if found && h.versions[i].known {
		c.compareChange(h, p, e, &h.versions[i])
		return
	}
	by, own := h.takeWrite(e)
	if own {
		c.outcomes.happened++
	}
	switch {
	case found:
		v := &h.versions[i]
		c.compareChange(h, p, e, v)
		v.by, v.known = by, own || !c.exclusive()
	case i == 0 && h.forgotten:
	default:
		v := h.insert(i, e.Revision)
		v.number, v.hash, v.absent, v.by = e.version, e.hash, e.Deletion(), by
		v.known = true
		c.checkBefore(h, i)
		if v.absent {
			c.checkAbsence(h, v)
		}
		if !own && c.exclusive() && !(e.Deletion() && h.leased) {
			c.contradiction(h, c.describePast(h, p, e), "a change that a client of this run has sent", changeText(e), nil)
		}
	}
}

// takeWrite removes the write that made a change from the writes with an unknown outcome.
func (h *history) takeWrite(e *Change) (by operation, ok bool) {
	i := slices.IndexFunc(h.writes, func(w write) bool {
		return w.deletion == e.Deletion() && w.floor < e.Revision && (w.deletion || w.hash == 0 || w.hash == e.hash)
	})
	if i < 0 {
		return operation{}, false
	}
	by = h.writes[i].operation
	h.writes = slices.Delete(h.writes, i, i+1)
	return by, true
}

// compareChange compares a version with the change that the server's history has at its revision.
func (c *Checker) compareChange(h *history, p *Past, e *Change, v *version) {
	wrong := v.absent != e.Deletion() || v.hash != 0 && e.hash != 0 && v.hash != e.hash ||
		v.number != 0 && e.version != 0 && v.number != e.version
	if wrong {
		c.contradiction(h, c.describeVersion(h, v), changeText(e)+" in the server's history", versionText(v), c.describePast(h, p, e))
		return
	}
	v.number, v.hash = max(v.number, e.version), max(v.hash, e.hash)
}

// compareVersions checks that the server's history contains each known version.
func (c *Checker) compareVersions(h *history, p *Past) {
	for i := range h.versions {
		v := &h.versions[i]
		if v.revision < p.From || v.revision > p.Through {
			continue
		}
		at, listed := slices.BinarySearchFunc(p.Changes, v.revision, func(e Change, r int64) int { return cmp.Compare(e.Revision, r) })
		switch {
		case listed:
		case !v.absent || v.known:
			c.contradiction(h, c.describeVersion(h, v), "no change of the key at revision "+revisionText(v.revision)+
				" in the server's history", versionText(v), c.describePast(h, p, nil))
			v.known = true // reported once
		case at > 0 && !p.Changes[at-1].Deletion():
			e := &p.Changes[at-1]
			c.contradiction(h, c.describeVersion(h, v), changeText(e)+" in the server's history", "no key", c.describePast(h, p, e))
			v.known = true
		}
	}
}

// describePast describes the reading of the server's history. e is the relevant change.
func (c *Checker) describePast(h *history, p *Past, e *Change) *results.ProofOperation {
	op := c.describe(operation{sent: p.Sent, answered: p.Answered, member: p.Member, conn: results.NoConn, name: OperationRead})
	op.Key, op.Revision, op.HeaderOnly = c.sample.name(h.key), p.Through, true
	if e != nil {
		op.Modified, op.Version, op.Value = e.Revision, e.version, hashText(e.hash)
	}
	return op
}

func changeText(e *Change) string {
	if e.Deletion() {
		return "the deletion at revision " + revisionText(e.Revision)
	}
	return "the put at revision " + revisionText(e.Revision)
}

func versionText(v *version) string {
	text := contentText(v)
	if v.number > 0 {
		text += ", version " + revisionText(v.number)
	}
	return text
}

// check returns the check of the writes with an unknown outcome.
func (o *outcomes) check() results.Check {
	resolved := o.happened + o.refuted
	check := results.Check{Name: CheckOutcomes, Checked: uint64(resolved), Of: uint64(max(o.writes, resolved))}
	check.Note = fmt.Sprintf("writes of unknown outcome of followed keys, by the server's history: %d took effect, %d did not",
		o.happened, o.refuted)
	if left := o.writes - resolved; left > 0 {
		check.Note += fmt.Sprintf("; %d still unknown", left)
		if o.reason != "" {
			check.Note += ": " + o.reason
		}
	}
	return check
}
