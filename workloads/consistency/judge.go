package consistency

import "slices"

// judge judges the open versions of the keys that were touched. Only versions of earlier
// rounds are judged: every write that was sent before they were read is known now.
func (c *Checker) judge() {
	touched := c.histories.touched
	c.histories.touched = nil
	for _, k := range touched {
		h := c.of(k)
		if h == nil {
			continue
		}
		h.touched = false
		wait := false
		h.open = slices.DeleteFunc(h.open, func(revision int64) bool {
			i, ok := h.find(revision)
			if !ok {
				return true
			}
			if h.versions[i].round >= c.round.number {
				wait = true
				return false
			}
			return c.judgeVersion(h, i)
		})
		if wait {
			c.touch(h, 0)
		}
	}
}

// exclusive reports whether the run has written every version that is younger than the run.
func (c *Checker) exclusive() bool { return c.alone && c.begin.Load() > 0 }

// judgeVersion reports whether no later event can change the judgement.
func (c *Checker) judgeVersion(h *history, i int) (final bool) {
	v := &h.versions[i]
	final = true
	switch {
	case v.deletion():
		final = c.judgeDeletion(h, i)
	case v.known:
	case v.absent:
		final = c.judgeAbsence(h, i)
	default:
		final = c.judgeUnacknowledged(h, i)
	}
	c.judgeNumbers(h, i)
	if v.number > 0 {
		c.judgeNumbers(h, i+1)
	}
	return final
}

// judgeUnacknowledged checks that a version without an acknowledgement in this run may be the
// result of a write with an unknown outcome.
func (c *Checker) judgeUnacknowledged(h *history, i int) (final bool) {
	if !c.exclusive() {
		return true
	}
	v := &h.versions[i]
	all, unknown := h.candidates(v.revision, false)
	same, versions, sameVersions := 0, 0, 0
	for _, w := range h.writes {
		if !w.deletion && w.floor < v.revision && (w.hash == v.hash || w.hash == 0) {
			same++
		}
	}
	for j := range h.versions[:i+1] {
		if o := &h.versions[j]; !o.known && !o.absent {
			if versions++; o.hash == v.hash {
				sameVersions++
			}
		}
	}
	if versions > all || v.hash != 0 && sameVersions > same {
		c.contradiction(h, c.describeVersion(h, v), "a value that was written: no client has sent such a write, or it was refused",
			contentText(v), nil)
		v.known = true // reported once
		return true
	}
	return unknown == all
}

// judgeAbsence checks that a key that was not found may have been deleted.
func (c *Checker) judgeAbsence(h *history, i int) (final bool) {
	v := &h.versions[i]
	if !c.exclusive() || h.leased || i == 0 || h.versions[i-1].absent {
		return true
	}
	put := &h.versions[i-1]
	open, unknown := h.candidates(v.revision, true)
	if open == 0 {
		c.contradiction(h, c.describeVersion(h, v), contentText(put), "no key", c.describeOrigin(h, put))
		v.known = true
		return true
	}
	return unknown == open
}

// judgeDeletion checks that a key that was deleted may have existed.
func (c *Checker) judgeDeletion(h *history, i int) (final bool) {
	v := &h.versions[i]
	if !c.exclusive() || i == 0 || !h.versions[i-1].absent {
		return true
	}
	open, unknown := h.candidates(v.revision, false)
	if open == 0 || v.revision < h.versions[i-1].revision+2 {
		before := &h.versions[i-1]
		c.contradiction(h, c.describeWrite(h, v), "no key to delete: "+contentText(before), "a deletion", c.describeOrigin(h, before))
		return true
	}
	return unknown == open
}

// candidates counts the puts or deletions that may have taken effect before a revision: those
// that are still open, and those whose outcome stays unknown.
func (h *history) candidates(revision int64, deletion bool) (open, unknown int) {
	for _, w := range h.writes {
		if w.deletion == deletion && w.floor < revision {
			if open++; w.unknown {
				unknown++
			}
		}
	}
	return open, unknown
}

// judgeNumbers compares etcd's count of a key's puts before and after a version with the
// puts that are known between.
func (c *Checker) judgeNumbers(h *history, i int) {
	left, right := i-1, i
	for right < len(h.versions) && right < i+comparedAtATime && !h.versions[right].absent && h.versions[right].number == 0 {
		right++
	}
	if right >= len(h.versions) || h.versions[right].number == 0 || h.versions[right].absent {
		return
	}
	puts := int64(right - i + 1)
	for left >= 0 && left > i-comparedAtATime && !h.versions[left].absent && h.versions[left].number == 0 {
		left, puts = left-1, puts+1
	}
	if left < 0 || left == i-comparedAtATime {
		return
	}
	from, to := &h.versions[left], &h.versions[right]
	if !c.exclusive() || to.round >= c.round.number {
		return
	}
	maybePuts, maybeDeletions := int64(0), h.leased
	for _, w := range h.writes {
		switch {
		case w.floor >= to.revision:
		case w.deletion:
			maybeDeletions = true
		default:
			maybePuts++
		}
	}
	for j := range h.versions { // those that have been read are counted already
		if o := &h.versions[j]; !o.known && !o.absent && o.revision <= to.revision {
			maybePuts--
		}
	}
	// Each write has its own revision.
	maybePuts = max(0, min(maybePuts, to.revision-from.through-puts))
	grown := to.number - from.number
	tooFew := grown < puts && !(maybeDeletions && restarts(h.versions[left:right+1], maybePuts))
	if tooFew || grown > puts+maybePuts {
		c.contradiction(h, c.describeVersion(h, to), "version "+revisionText(from.number+puts)+" of the key, after as many puts",
			"version "+revisionText(to.number), c.describeOrigin(h, from))
		to.number = 0 // reported once
	}
}

// restarts reports whether the count of the last version's puts may be the one since a
// deletion that is not known: at a revision between two of the versions, all of them puts
// but for the first.
func restarts(versions []version, maybePuts int64) bool {
	last := len(versions) - 1
	number := versions[last].number
	for i := 1; i <= last; i++ {
		puts := int64(last - i + 1)
		if versions[i].revision > versions[i-1].through+1 && puts <= number && number <= puts+maybePuts {
			return true
		}
	}
	return false
}
