package consistency

import "github.com/etcdbench/etcdbench/results"

// maxLives is the largest number of recorded lives of a key. The latest ones are kept.
const maxLives = 8

// A life of a key lasts from its creation until its deletion.
type life struct {
	created int64
	// through is the highest revision at which the key was found with that creation.
	through int64
	by      operation
}

// Existed records that a key with a known creation existed at a revision.
func (c *Checker) Existed(k Key, call Call, a Answer, revision, created int64) {
	e := event{kind: keyExisted, key: k, revision: revision, created: created, operation: c.operation(call, a)}
	c.put(&c.lanes[a.Conn%laneCount], &e)
}

// lives compares an answer that contains the creation of a key with the known lives.
func (c *Checker) lives(h *history, e *event) {
	number, modified := e.version, e.modified
	switch {
	case e.created == 0:
		return
	case e.created > e.revision, modified > 0 && e.created > modified:
		c.contradiction(h, c.describeRead(h, e), "a key created at or before its revision", createdText(e.created), nil)
		return
	case modified > 0 && number > 0 && (number == 1) != (e.created == modified):
		c.contradiction(h, c.describeRead(h, e), "version 1 if and only if no write came after the creation",
			"version "+revisionText(number)+" at revision "+revisionText(modified)+", and "+createdText(e.created), nil)
		return
	}
	i := len(h.alive)
	for i > 0 && h.alive[i-1].created > e.created {
		i--
	}
	from := e.created - 1
	if i > 0 && h.alive[i-1].created == e.created {
		l := &h.alive[i-1]
		if e.revision <= l.through {
			return
		}
		from, l.through, l.by = l.through, e.revision, e.operation
	} else {
		if i > 0 && h.alive[i-1].through >= e.created {
			c.contradictLife(h, e, &h.alive[i-1])
			return
		}
		h.rememberLife(i, life{e.created, e.revision, e.operation})
	}
	for j := range h.alive {
		if l := &h.alive[j]; l.created > e.created && l.created <= e.revision {
			c.contradictLife(h, e, l)
			return
		}
	}
	end, found := h.find(e.revision)
	if found {
		end++
	}
	for j := end - 1; j >= 0 && h.versions[j].revision > from; j-- {
		if v := &h.versions[j]; v.absent {
			c.contradiction(h, c.describeRead(h, e), contentText(v), "a key "+createdText(e.created), c.describeOrigin(h, v))
			return
		}
	}
}

func (h *history) rememberLife(i int, l life) {
	if len(h.alive) == maxLives {
		if i == 0 {
			return
		}
		copy(h.alive, h.alive[1:])
		h.alive, i = h.alive[:maxLives-1], i-1
	}
	h.alive = append(h.alive, life{})
	copy(h.alive[i+1:], h.alive[i:])
	h.alive[i] = l
}

// contradictLife adds a violation: the creation in an answer contradicts that of another
// answer.
func (c *Checker) contradictLife(h *history, e *event, l *life) {
	c.contradiction(h, c.describeRead(h, e), "a key "+createdText(l.created)+", which was found at revision "+revisionText(l.through),
		"a key "+createdText(e.created), c.describeLife(h, l))
}

// checkAbsence checks that a key that does not exist at a revision was not found before and
// after it with the same creation.
func (c *Checker) checkAbsence(h *history, v *version) {
	for i := range h.alive {
		if l := &h.alive[i]; l.created <= v.revision && v.revision <= l.through {
			c.contradiction(h, c.describeVersion(h, v), "a key "+createdText(l.created)+", which was found at revision "+
				revisionText(l.through), contentText(v), c.describeLife(h, l))
			return
		}
	}
}

// describeLife describes the latest answer with a life.
func (c *Checker) describeLife(h *history, l *life) *results.ProofOperation {
	op := c.describe(l.by)
	op.Key, op.Revision, op.HeaderOnly = c.sample.name(h.key), l.through, true
	return op
}

func createdText(revision int64) string { return "created at revision " + revisionText(revision) }
