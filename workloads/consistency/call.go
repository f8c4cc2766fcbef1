package consistency

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// The names of the checks.
const (
	CheckRecency = "recency"
	CheckContent = "content"
	CheckLeases  = "revoked leases"
	CheckCompare = "compare-and-swap"
	// CheckOutcomes counts the writes of unknown outcome that the server's history has resolved.
	CheckOutcomes = "unknown outcomes"
)

// An Operation is what a request does.
type Operation uint8

// The operations.
const (
	OperationPut Operation = iota + 1
	OperationDelete
	OperationRead
	OperationTxn
	OperationCompare
	OperationLease
)

// String returns the name that reports use.
func (o Operation) String() string {
	return [...]string{"", "put", "delete", "read", "transaction", "compare-and-swap", "lease"}[o]
}

// A Call is a request that was sent.
type Call struct {
	// Floor is the revision that the answer must not be below.
	Floor int64
	// Sent counts from the checker's start. It may be set after the answer.
	Sent time.Duration
}

// An Answer is the header of an answer.
type Answer struct {
	Operation Operation
	Conn      int
	Revision  int64
	Member    uint64
	// Answered counts from the checker's start; 0 is now.
	Answered time.Duration
	// Request is the request, for [Options.Keys].
	Request any
}

// Send begins a call. It is called right before the request is sent, and does not read the clock.
func (c *Checker) Send() Call { return Call{Floor: c.highest.Load()} }

// Now returns the time since the checker was made.
func (c *Checker) Now() time.Duration { return time.Since(c.start) }

// Since returns the time from when the checker was made until t.
func (c *Checker) Since(t time.Time) time.Duration { return t.Sub(c.start) }

// operation describes a call for reports.
func (c *Checker) operation(call Call, a Answer) operation {
	if a.Answered == 0 {
		a.Answered = c.Now()
	}
	return operation{call.Sent, a.Answered, a.Member, int32(a.Conn), a.Operation}
}

// Answered checks the recency of an answer. The revision of a write is above all revisions
// that were answered before it was sent.
func (c *Checker) Answered(call Call, a Answer, write bool) {
	c.lanes[a.Conn%laneCount].answers.Add(1)
	switch {
	case write && a.Revision <= call.Floor:
		c.outdated(call, a, open{floor: call.Floor, least: a.Revision}, results.Violation{
			Expected: "a revision above " + revisionText(call.Floor) + ", which an earlier response had before this request was sent",
		})
		return
	case a.Revision < call.Floor:
		c.outdated(call, a, open{floor: call.Floor, least: a.Revision + 1}, results.Violation{
			Expected: "a revision of at least " + revisionText(call.Floor) + ", which an earlier response had before this request was sent",
		})
		return
	}
	if a.Revision > c.highest.Load() {
		raise(&c.highest, a.Revision)
	}
}

// AnsweredBehind checks an answer that may lag behind the cluster, but not behind floor: the
// highest revision that the same member answered on the same connection before.
func (c *Checker) AnsweredBehind(call Call, a Answer, floor int64) {
	c.lanes[a.Conn%laneCount].answers.Add(1)
	if a.Revision < floor {
		c.outdated(call, a, open{floor: floor, least: a.Revision + 1, behind: true}, results.Violation{
			Expected: "a revision of at least " + revisionText(floor) +
				", which an earlier response of this member on this connection had before this request was sent",
		})
		return
	}
	if a.Revision > c.highest.Load() {
		raise(&c.highest, a.Revision) // a member that answers with a revision has applied it
	}
}

// outdated adds the violation v: an answer that is older than its request. The operation that
// it contradicts is determined later.
func (c *Checker) outdated(call Call, a Answer, o open, v results.Violation) {
	op := c.operation(call, a)
	v.Check, v.Found = CheckRecency, "revision "+revisionText(a.Revision)
	if c.keys != nil && a.Request != nil {
		v.Key = c.keys(a.Request)
	}
	v.Operation = c.describe(op)
	v.Operation.Key, v.Operation.Revision, v.Operation.HeaderOnly = v.Key, a.Revision, o.least > a.Revision // unless it is a write
	o.operation = op
	c.violate(o, v)
}

func revisionText(revision int64) string { return humanize.Comma(revision) }

// Claim returns the key that a write changes, or 0 for a key that is not followed.
func (c *Checker) Claim(key []byte) Key { return c.sample.claim(c.hash(key), key) }

// Find returns a key that is read, or 0 for a key that is not followed.
func (c *Checker) Find(key []byte) Key { return c.sample.find(c.hash(key)) }

// A Write is the change of a key by a request.
type Write struct {
	// Value is the new value, nil if it is not known.
	Value            []byte
	Deletion, Leased bool
}

// ID returns a number for a request that writes, which is even: the next one is for the
// other branch of a transaction. A branch writes each key once at most.
func (c *Checker) ID(conn int) uint64 {
	lane := conn % laneCount
	return 2 * (c.lanes[lane].ids.Add(1)*laneCount + uint64(lane))
}

// Sending records a write of a followed key that is about to be sent.
func (c *Checker) Sending(k Key, id uint64, call Call, conn int, w Write) {
	e := event{kind: sentPut, key: k, id: id, floor: call.Floor, operation: operation{name: OperationPut, sent: call.Sent, conn: int32(conn)}}
	switch {
	case w.Deletion:
		e.kind, e.name = sentDeletion, OperationDelete
	case w.Leased:
		e.kind = sentLeasedPut
	}
	if w.Value != nil {
		e.hash = c.hash(w.Value)
	}
	c.keep(&e)
}

// An Outcome is the outcome of a write according to its answer.
type Outcome uint8

// The outcomes.
const (
	// Done: it took effect at the answer's revision.
	Done Outcome = iota
	// Refused: it certainly did not and will not take effect.
	Refused
	// Unknown: it may have taken effect, or may do so later.
	Unknown
)

// Settled records the outcome of a write.
func (c *Checker) Settled(k Key, id uint64, call Call, a Answer, o Outcome) {
	e := event{kind: acknowledged, key: k, id: id, revision: a.Revision}
	switch o {
	case Refused:
		e.kind = refused
	case Unknown:
		e.kind = failed
	}
	e.operation = c.operation(call, a)
	c.keep(&e)
}

// keep records an event that the history of its key must contain. If there is no room for the
// event, the key is no longer followed.
func (c *Checker) keep(e *event) {
	if !c.put(&c.lanes[e.conn%laneCount], e) {
		c.sample.lose(e.key)
	}
}

// A Read is a key as an answer has it at a revision. Modified is 0 if there is no such key.
type Read struct {
	Revision, Modified, Version int64
	// Created is the revision of the key's creation; 0 is not known.
	Created int64
	// Value is nil if it is not known.
	Value []byte
	Lease int64
}

// Read records a read of a followed key.
func (c *Checker) Read(k Key, call Call, a Answer, r Read) {
	e := event{kind: keyRead, key: k, revision: r.Revision, modified: r.Modified, version: r.Version, created: r.Created}
	if r.Value != nil {
		e.hash = c.hash(r.Value)
	}
	e.operation = c.operation(call, a)
	c.put(&c.lanes[a.Conn%laneCount], &e)
}

// Contradicts adds a violation: a compare-and-swap that was answered as failed although all
// comparisons hold for the keys that it returned. key is one of them, and modified its revision.
func (c *Checker) Contradicts(key []byte, call Call, a Answer, modified int64, comparisons int) {
	op := c.operation(call, a)
	found := c.describe(op)
	found.Key, found.Revision, found.Modified = string(key), a.Revision, modified
	expected := "success, as the key's revision was " + revisionText(modified) + ", with which it was compared"
	if comparisons > 1 {
		expected = "success, as all " + strconv.Itoa(comparisons) + " comparisons hold for the keys that were returned"
	}
	c.violate(open{operation: op, key: c.Find(key), floor: modified, least: modified}, results.Violation{
		Check: CheckCompare, Key: string(key), Expected: expected,
		Found:     "a conflict, and the key at revision " + revisionText(modified),
		Operation: found,
	})
}

// revocations holds the latest revocations of leases, by the lease's ID.
type revocations struct{ places [1 << 12]revocation }

type revocation struct {
	lease, revision atomic.Int64
}

func (r *revocations) place(lease int64) *revocation {
	return &r.places[(uint64(lease)*0x9e3779b97f4a7c15)>>52]
}

// unsettled stands for a revision that is not known yet.
const unsettled = 1<<63 - 1

// Revoked records that the revocation of a lease was acknowledged at a revision.
func (c *Checker) Revoked(lease, revision int64) {
	p := c.revoked.place(lease)
	p.revision.Store(unsettled)
	p.lease.Store(lease)
	p.revision.Store(revision)
}

// Leased checks a key with a lease that was read at a revision.
func (c *Checker) Leased(key []byte, lease int64, call Call, a Answer, at int64) {
	p := c.revoked.place(lease)
	revision := p.revision.Load()
	if p.lease.Load() != lease || p.revision.Load() != revision || revision > at {
		return
	}
	op := c.operation(call, a)
	found := c.describe(op)
	found.Key, found.Revision, found.HeaderOnly = string(key), at, true
	c.violate(open{operation: op, key: c.Find(key), floor: at, least: unsettled}, results.Violation{
		Check: CheckLeases, Key: string(key),
		Expected:  "no key, as its lease " + strconv.FormatInt(lease, 16) + " was revoked at revision " + revisionText(revision) + " or before",
		Found:     "the key at revision " + revisionText(at),
		Operation: found,
	})
}

// Widely is called before a request that changes keys without naming each of them. From then on,
// the content of keys is not checked.
func (c *Checker) Widely() { c.wide.Store(true) }
