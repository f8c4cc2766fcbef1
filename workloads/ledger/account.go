package ledger

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// An Account counts the write requests of one client, and checks the revisions at which they
// were acknowledged: each has its own revision, above those that were acknowledged before the
// request was sent. Only that client may use it. An account that is not registered with a
// ledger records nothing.
type Account struct {
	ledger *Ledger
	// floor is the highest acknowledged revision when the request was sent.
	floor                 int64
	acknowledged, unknown uint64
	found                 *contradictions // nil: none
}

// contradictions are impossible acknowledgements: disordered ones were not above their floor, repeated
// ones were at the revision of another write.
type contradictions struct{ disordered, repeated contradiction }

// contradiction counts impossible acknowledgements of one kind. The first one is kept.
type contradiction struct {
	count           uint64
	space           *Space
	number          int64
	revision, floor int64
}

// add counts one more.
func (o *contradiction) add(s *Space, number, revision, floor int64) {
	if o.count == 0 {
		*o = contradiction{space: s, number: number, revision: revision, floor: floor}
	}
	o.count++
}

func (a *Account) findings() *contradictions {
	if a.found == nil {
		a.found = &contradictions{}
	}
	return a.found
}

// Send must be called before a request is sent. It may be called again for the same request.
func (a *Account) Send() {
	if a.ledger != nil {
		a.floor = a.ledger.highest.Load()
	}
}

// Acknowledge counts a request that was acknowledged at a revision and has changed a key. A
// transaction that changes several keys is one request. The number is that of one of its keys
// in the space, which a violation names.
func (a *Account) Acknowledge(revision int64, s *Space, number int64) {
	l := a.ledger
	if l == nil {
		return
	}
	a.acknowledged++
	if revision <= a.floor {
		a.findings().disordered.add(s, number, revision, a.floor)
		return
	}
	if l.recent[revision%recentRevisions].Swap(revision) == revision {
		a.findings().repeated.add(s, number, revision, a.floor)
	}
	raise(&l.highest, revision)
}

// Failed counts a request that was answered with an error. Its outcome is unknown
// unless the error says that etcd refused it.
func (a *Account) Failed(err error) {
	if a.ledger != nil && !Refused(err) {
		a.unknown++
	}
}

// report adds the account's findings to the proof.
func (a *Account) report(proof *results.Proof) {
	if a.found == nil {
		return
	}
	a.found.disordered.report(proof, func(o contradiction) results.Violation {
		v := results.Violation{
			Expected: fmt.Sprintf("a revision above %s, the store's revision before this write was sent", humanize.Comma(o.floor)),
			Found:    "acknowledged at revision " + humanize.Comma(o.revision),
		}
		if o.floor != a.ledger.begin {
			v.Against = writeAt(o.floor, "")
		}
		return v
	})
	a.found.repeated.report(proof, func(o contradiction) results.Violation {
		return results.Violation{
			Expected: "one write at revision " + humanize.Comma(o.revision), Found: "two writes acknowledged at that revision",
			Against: writeAt(o.revision, ""),
		}
	})
}

func (o *contradiction) report(proof *results.Proof, violation func(contradiction) results.Violation) {
	if o.count == 0 {
		return
	}
	v := violation(*o)
	v.Check = "revisions"
	if o.count > 1 {
		v.Found += fmt.Sprintf(", and %d more of this client", o.count-1)
	}
	if o.space != nil {
		v.Key = o.space.key(o.number)
	}
	v.Operation = writeAt(o.revision, v.Key)
	proof.Violate(v)
	proof.Found += o.count - 1
}

// writeAt describes a write with a known revision and possibly a known key.
func writeAt(revision int64, key string) *results.ProofOperation {
	return &results.ProofOperation{Name: "write", Key: key, Revision: revision, Conn: results.NoConn}
}
