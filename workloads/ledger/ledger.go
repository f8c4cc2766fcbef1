// Package ledger records which writes of a run were acknowledged, and proves
// that the cluster still holds them.
//
// A Ledger has one Space for the keys of each prefix. Clients note the outcome
// of each write in the Space: acknowledged, refused or unknown. After the load,
// Verify compares what is read back with what was noted. Memory is set by the
// number of keys, not of writes. Noting a write allocates nothing and takes no
// lock.
//
// The package sends no requests. Whoever verifies a ledger hands it the keys.
package ledger

import (
	"hash/maphash"
	"sync"
)

// maxFollowed is how many keys of a space are followed exactly, at 8 bytes each.
// Of more keys, a sample is followed.
const maxFollowed = 4 << 20

// A Ledger records the acknowledged writes of one run. Space and
// Register may be called on a nil *Ledger, which records nothing.
type Ledger struct {
	seed   maphash.Seed
	sample uint64

	mu       sync.Mutex
	spaces   []*Space
	accounts []*Account
}

// New returns an empty ledger. The sample number selects which keys are followed
// in spaces that have too many to follow all.
func New(sample uint64) *Ledger { return &Ledger{seed: maphash.MakeSeed(), sample: sample} }

// Space returns the ledger's space for the given keys. Workloads that write the
// same keys share it; how keys may be removed adds up over the calls. The space
// of a nil ledger is nil.
func (l *Ledger) Space(k Keys, r Removal) *Space {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.spaces {
		if s.keys == k {
			s.removal.Expiry = s.removal.Expiry || r.Expiry
			s.removal.Deletion = s.removal.Deletion || r.Deletion
			return s
		}
	}
	s := newSpace(k, r, l.seed, l.sample)
	l.spaces = append(l.spaces, s)
	return s
}

// Register adds an account to the ledger's totals.
func (l *Ledger) Register(a *Account) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts = append(l.accounts, a)
}

// totals adds up the accounts. The clients must be at rest.
func (l *Ledger) totals() (acknowledged, decreased uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		acknowledged += a.acknowledged
		decreased += a.decreased
	}
	return acknowledged, decreased
}

// An Account counts the requests of one client that were acknowledged, and
// checks that their revisions grow. Only that client may use it.
type Account struct {
	revision     int64 // highest seen
	acknowledged uint64
	// decreased counts requests whose revision was not above all earlier ones.
	decreased uint64
}

// Acknowledge counts a request that was acknowledged at a revision.
func (a *Account) Acknowledge(revision int64) {
	a.acknowledged++
	if revision <= a.revision {
		a.decreased++
	}
	a.revision = max(a.revision, revision)
}
