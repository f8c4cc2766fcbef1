package consistency

import "slices"

// The limits of the memory: the versions of all keys together and of one key, and the writes of one key
// without a known outcome.
const (
	maxVersions     = 1 << 16
	leastVersions   = 8
	mostVersions    = 1 << 10
	maxWrites       = 1 << 8
	maxOpen         = 1 << 8
	comparedAtATime = 1 << 6
)

// histories are the histories of all followed keys.
type histories struct {
	keys  []*history // by place
	count int
	// limit is the number of versions from which on the array of a key does not grow.
	limit int
	// compared counts reads and writes.
	compared uint64
	// touched holds the keys that must be judged.
	touched []Key
}

// A history holds the known versions and writes of one key.
type history struct {
	key Key
	// versions are in the order of their revisions, the latest ones.
	versions  []version
	forgotten bool // older versions
	// writes holds the writes without an answer yet, and those with an unknown outcome.
	writes []write
	// alive are the latest lives, in the order of their revisions.
	alive []life
	// leased means that the end of a lease may delete the key.
	leased bool
	// open holds the revisions of versions that must be judged.
	open    []int64
	touched bool
}

// A version is the state of a key after one write.
type version struct {
	// revision is the revision of the write. If the deletion of an absent key is unknown, it is
	// the revision of the read.
	revision int64
	// through is the highest revision at which it was read as the present one.
	through int64
	// number is etcd's version; 0 is not known.
	number int64
	// hash is the hash of the value; 0 means unknown.
	hash uint64
	// known means that the write was acknowledged or is older than the run.
	known, absent bool
	// round is the round in which it was last touched.
	round uint32
	// by is the write and readBy the read with the revision through.
	by, readBy operation
}

// deletion reports whether the version is that of a deletion whose revision is known.
func (v *version) deletion() bool { return v.absent && v.known }

// A write is a write whose revision is not known.
type write struct {
	id       uint64
	floor    int64
	hash     uint64
	deletion bool
	unknown  bool // the revision will stay unknown
	operation
}

// of returns the history of a key, or nil if the key is no longer followed.
func (c *Checker) of(k Key) *history {
	h := c.histories.keys[k-1]
	if h == nil {
		h = &history{key: k}
		c.histories.keys[k-1] = h
		c.histories.count++
		c.histories.limit = max(leastVersions, min(mostVersions, maxVersions/c.histories.count))
	}
	if c.sample.losses.Load() && c.sample.lost[k-1].Load() || c.wide.Load() {
		if h.versions != nil || h.writes != nil {
			*h = history{key: k, touched: h.touched}
		}
		return nil
	}
	return h
}

// take adds an event to the history of its key.
func (c *Checker) take(e *event) {
	h := c.of(e.key)
	if h == nil {
		return
	}
	switch e.kind {
	case sentPut, sentLeasedPut, sentDeletion:
		h.leased = h.leased || e.kind == sentLeasedPut
		if len(h.writes) == maxWrites {
			c.sample.lose(e.key)
			return
		}
		h.writes = append(h.writes, write{
			id: e.id, floor: e.floor, hash: e.hash, deletion: e.kind == sentDeletion, operation: e.operation,
		})
	case acknowledged, refused, failed:
		c.settle(h, e)
	case keyRead:
		c.histories.compared++
		c.see(h, e)
		c.lives(h, e)
	case keyExisted:
		c.histories.compared++
		c.lives(h, e)
	}
}

// settle records the outcome of a write.
func (c *Checker) settle(h *history, e *event) {
	i := 0
	for i < len(h.writes) && h.writes[i].id != e.id {
		i++
	}
	if i == len(h.writes) {
		c.sample.lose(e.key)
		return
	}
	w := &h.writes[i]
	w.sent, w.answered, w.member = e.sent, e.answered, e.member
	if e.kind == failed {
		w.unknown, w.answered = true, 0
	} else {
		done := *w
		copy(h.writes[i:], h.writes[i+1:])
		h.writes = h.writes[:len(h.writes)-1]
		if e.kind == acknowledged {
			c.histories.compared++
			c.wrote(h, &done, e.revision)
		}
	}
	if len(h.open) > 0 {
		c.touch(h, 0)
	}
}

// wrote adds the version of an acknowledged write.
func (c *Checker) wrote(h *history, w *write, revision int64) {
	i, found := h.find(revision)
	if found {
		v := &h.versions[i]
		before := *v
		v.known, v.by, v.absent = true, w.operation, w.deletion
		switch {
		case before.known:
			c.contradiction(h, c.describeSent(h, w, revision), "a revision of its own", "the revision of another write", c.describeWrite(h, &before))
		case before.absent != w.deletion:
			c.contradiction(h, c.describeVersion(h, &before), "the "+w.name.String()+" that was acknowledged at that revision",
				contentText(&before), c.describeSent(h, w, revision))
		case !w.deletion && w.hash != 0 && before.hash != 0 && w.hash != before.hash:
			c.contradiction(h, c.describeVersion(h, &before), contentText(v), "another value", c.describeSent(h, w, revision))
		}
		v.hash = max(v.hash, w.hash)
	} else {
		if i == 0 && h.forgotten {
			return
		}
		v := h.insert(i, revision)
		v.hash, v.absent, v.known, v.by = w.hash, w.deletion, true, w.operation
		if w.deletion {
			c.checkAbsence(h, v)
		}
		if i+1 < len(h.versions) && h.versions[i+1].absent && !h.versions[i+1].known {
			c.touch(h, h.versions[i+1].revision) // that version requires a deletion after this one
		}
		c.checkBefore(h, i)
	}
	if found || i+1 < len(h.versions) || w.deletion { // otherwise, later reads are judged
		c.touch(h, revision)
	}
	c.forget(h)
}

// checkBefore checks that no later read returned the version before a new one.
func (c *Checker) checkBefore(h *history, i int) {
	if i == 0 {
		return
	}
	if before, v := &h.versions[i-1], &h.versions[i]; before.through >= v.revision {
		c.contradiction(h, c.describeVersion(h, before), contentText(v)+" or a later one", contentText(before), c.describeOrigin(h, v))
	}
}

// see compares a read with the history of the key.
func (c *Checker) see(h *history, e *event) {
	if e.modified > e.revision {
		c.contradiction(h, c.describeRead(h, e), "nothing newer than the answer's revision "+revisionText(e.revision),
			"a value written at revision "+revisionText(e.modified), nil)
		return
	}
	if e.modified == 0 {
		c.seeAbsence(h, e)
		return
	}
	i, found := h.find(e.modified)
	if !found {
		if i == 0 && h.forgotten && (len(h.versions) == 0 || h.versions[0].revision > e.revision) {
			return // older than the recorded versions
		}
		begin := c.begin.Load()
		v := h.insert(i, e.modified)
		v.number, v.hash, v.known, v.readBy = e.version, e.hash, e.modified <= begin, e.operation
		c.checkBefore(h, i)
	}
	v := &h.versions[i]
	switch {
	case v.absent:
		c.contradiction(h, c.describeRead(h, e), contentText(v), readText(e), c.describeOrigin(h, v))
		return
	case e.hash != 0 && v.hash != 0 && e.hash != v.hash:
		c.contradiction(h, c.describeRead(h, e), contentText(v),
			"another value with that revision", c.describeOrigin(h, v))
		return
	case e.version != 0 && v.number != 0 && e.version != v.number:
		c.contradiction(h, c.describeRead(h, e), "version "+revisionText(v.number)+" of the key, as it was read before",
			"version "+revisionText(e.version), c.describeOrigin(h, v))
		return
	}
	learned := v.number == 0 && e.version != 0
	v.hash, v.number = max(v.hash, e.hash), max(v.number, e.version)
	if e.revision >= v.through {
		v.through, v.readBy = e.revision, e.operation
	}
	if i+1 < len(h.versions) {
		if next := &h.versions[i+1]; next.revision <= e.revision {
			c.contradiction(h, c.describeRead(h, e), contentText(next)+" or later", readText(e), c.describeOrigin(h, next))
		}
	}
	if !v.known || learned {
		c.touch(h, e.modified)
	}
	c.forget(h)
}

// seeAbsence compares a read that found no key with the history of the key.
func (c *Checker) seeAbsence(h *history, e *event) {
	i, found := h.find(e.revision)
	if found {
		if v := &h.versions[i]; !v.absent {
			c.contradiction(h, c.describeRead(h, e), contentText(v), readText(e), c.describeOrigin(h, v))
		}
		return
	}
	if i == 0 && h.forgotten {
		return
	}
	if i > 0 {
		switch before := &h.versions[i-1]; {
		case before.through >= e.revision && !before.absent:
			c.contradiction(h, c.describeRead(h, e), contentText(before), readText(e), c.describeVersion(h, before))
			return
		case before.absent && !before.known && i > 1 && h.versions[i-2].absent && before.round < c.round.number:
			// A read between two others adds no information.
			before.revision, before.through, before.readBy = e.revision, e.revision, e.operation
			c.checkAbsence(h, before)
			return
		}
	}
	v := h.insert(i, e.revision)
	v.absent, v.readBy = true, e.operation
	c.checkAbsence(h, v)
	c.touch(h, e.revision)
	c.forget(h)
}

// find returns the index of a revision.
func (h *history) find(revision int64) (int, bool) {
	n := len(h.versions)
	switch {
	case n == 0 || h.versions[n-1].revision < revision:
		return n, false
	case h.versions[n-1].revision == revision:
		return n - 1, true
	}
	return slices.BinarySearchFunc(h.versions, revision, func(v version, r int64) int { return int(v.revision - r) })
}

// insert adds the version of a revision, which is most often the last one.
func (h *history) insert(i int, revision int64) *version {
	h.versions = append(h.versions, version{})
	v := &h.versions[i]
	if i+1 < len(h.versions) {
		copy(h.versions[i+1:], h.versions[i:])
		*v = version{}
	}
	v.revision, v.through = revision, revision
	return v
}

// forget removes the oldest versions if there is no room for one more.
func (c *Checker) forget(h *history) {
	if limit := c.histories.limit; len(h.versions) > limit && len(h.versions) == cap(h.versions) {
		h.versions = slices.Delete(h.versions, 0, len(h.versions)-limit*3/4)
		h.forgotten = true
	}
}

// touch marks a version to be judged when all operations that were sent before it was read are
// known. 0 stands for the versions that are marked already.
func (c *Checker) touch(h *history, revision int64) {
	if revision > 0 {
		if i, ok := h.find(revision); ok {
			h.versions[i].round = c.round.number
		}
		if len(h.open) < maxOpen && !slices.Contains(h.open, revision) {
			h.open = append(h.open, revision)
		}
	}
	if !h.touched {
		h.touched = true
		c.histories.touched = append(c.histories.touched, h.key)
	}
}

// overflows counts a violation, and reports whether there are too many to describe it.
func (c *Checker) overflows() bool {
	if len(c.proof.Violations) < mostDescribed {
		return false
	}
	c.proof.Found++
	return true
}

// mostDescribed is the largest number of violations that are described.
const mostDescribed = 20
