package consistency

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

func (c *Checker) contentCheck() results.Check {
	check := results.Check{Name: CheckContent, Checked: c.histories.compared, Of: c.histories.compared}
	followed, lost := 0, 0
	for i, h := range c.histories.keys {
		if h == nil {
			continue
		}
		followed++
		if c.sample.lost[i].Load() {
			lost++
		}
	}
	check.Note = fmt.Sprintf("reads and writes of %s followed keys: each read returns the last write at its revision",
		humanize.Comma(int64(followed)))
	if lost > 0 {
		check.Note += fmt.Sprintf("; %d keys were not followed to the end: too many of their writes had an unknown outcome, "+
			"or too many requests to compare", lost)
	}
	return check
}

// contradiction adds a violation of the content of a key: the operation found contradicts the
// operation against, which may be nil.
func (c *Checker) contradiction(h *history, found *results.ProofOperation, expected, got string, against *results.ProofOperation) {
	if c.overflows() {
		return
	}
	v := results.Violation{Check: CheckContent, Key: c.sample.name(h.key), Expected: expected, Found: got, Operation: found, Against: against}
	if found.Name == OperationCompare.String() {
		v.Check = CheckCompare
	}
	v.History = append(c.neighbourhood(h, found.Revision), *found)
	if against != nil {
		v.History = append(v.History, *against)
	}
	v.History = sorted(v.History)
	c.proof.Violate(v)
}

// around is the number of versions before and after a violation in its history.
const around = 4

// neighbourhood returns the operations on a key around a revision.
func (c *Checker) neighbourhood(h *history, at int64) (list []results.ProofOperation) {
	i, _ := h.find(at)
	for _, v := range h.versions[max(0, i-around):min(len(h.versions), i+around)] {
		list = append(list, c.versionOperations(h, &v)...)
	}
	for _, w := range h.writes[:min(len(h.writes), around)] {
		op := c.describe(w.operation)
		op.Key, op.Unknown, op.Value = c.sample.name(h.key), true, hashText(w.hash)
		list = append(list, *op)
	}
	return list
}

func (c *Checker) versionOperations(h *history, v *version) (list []results.ProofOperation) {
	if v.by.name != 0 {
		list = append(list, *c.describeWrite(h, v))
	}
	if v.readBy.name != 0 {
		list = append(list, *c.describeVersion(h, v))
	}
	return list
}

// describeRead describes a read of a key.
func (c *Checker) describeRead(h *history, e *event) *results.ProofOperation {
	op := c.describe(e.operation)
	op.Key, op.Revision, op.Modified, op.Version, op.Value = c.sample.name(h.key), e.revision, e.modified, e.version, hashText(e.hash)
	return op
}

// describeVersion describes the read of a version, or its write if no client has read it.
func (c *Checker) describeVersion(h *history, v *version) *results.ProofOperation {
	if v.readBy.name == 0 {
		return c.describeWrite(h, v)
	}
	op := c.describe(v.readBy)
	op.Key, op.Revision = c.sample.name(h.key), v.through
	if !v.absent {
		op.Modified, op.Version, op.Value = v.revision, v.number, hashText(v.hash)
	}
	return op
}

// describeOrigin describes the write of a version, or a read of it if the write is not known.
func (c *Checker) describeOrigin(h *history, v *version) *results.ProofOperation {
	if v.by.name == 0 {
		return c.describeVersion(h, v)
	}
	return c.describeWrite(h, v)
}

// describeSent describes a write that was acknowledged at a revision.
func (c *Checker) describeSent(h *history, w *write, revision int64) *results.ProofOperation {
	op := c.describe(w.operation)
	op.Key, op.Revision, op.Value = c.sample.name(h.key), revision, hashText(w.hash)
	return op
}

// describeWrite describes the write of a version.
func (c *Checker) describeWrite(h *history, v *version) *results.ProofOperation {
	op := c.describe(v.by)
	op.Key, op.Revision, op.Value = c.sample.name(h.key), v.revision, hashText(v.hash)
	return op
}

func (c *Checker) describe(o operation) *results.ProofOperation {
	op := &results.ProofOperation{Name: o.name.String(), Conn: int(o.conn)}
	if o.sent > 0 {
		op.Sent = c.start.Add(o.sent).Round(0)
	}
	if o.answered > 0 {
		op.Answered = c.start.Add(o.answered).Round(0)
	}
	if o.member != 0 {
		op.Member = strconv.FormatUint(o.member, 16)
	}
	return op
}

func hashText(hash uint64) string {
	if hash == 0 {
		return ""
	}
	return strconv.FormatUint(hash, 16)
}

// contentText describes the content of a version.
func contentText(v *version) string {
	if v.absent {
		return "no key, as of revision " + revisionText(v.revision)
	}
	return "the value written at revision " + revisionText(v.revision)
}

func readText(e *event) string {
	if e.modified == 0 {
		return "no key"
	}
	return "the value written at revision " + revisionText(e.modified)
}

// sorted returns the distinct operations in the order in which they were sent. Writes in
// flight, whose time of sending is not known yet, come first.
func sorted(list []results.ProofOperation) []results.ProofOperation {
	var first time.Time
	for _, op := range list {
		if first.IsZero() || !op.Sent.IsZero() && op.Sent.Before(first) {
			first = op.Sent
		}
	}
	for i := range list {
		if list[i].Sent.IsZero() {
			list[i].Sent = first
		}
	}
	slices.SortStableFunc(list, func(a, b results.ProofOperation) int { return a.Sent.Compare(b.Sent) })
	return slices.CompactFunc(list, func(a, b results.ProofOperation) bool { return a == b })
}
