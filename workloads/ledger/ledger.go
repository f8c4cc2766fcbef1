// Package ledger records which writes of a run were acknowledged, and proves
// that the cluster still holds them.
//
// A Ledger has one Space for the keys of each prefix. Clients note the outcome
// of each write in the Space: acknowledged, refused or unknown. Each client has an
// Account, which counts its requests and checks that their revisions are possible.
// After the load, Verify compares what is read back with what was noted: the last
// write of each key, how often each key was written, and by how much the store's
// revision grew. Memory is set by the number of keys and clients, not of writes.
// Noting a write allocates nothing and takes no lock.
//
// The package sends no requests. The verifier of a ledger passes it the keys.
package ledger

import (
	"sync"
	"sync/atomic"

	"github.com/etcdbench/etcdbench/results"
)

// maxFollowed is the largest number of keys of a space that are all followed, at 16 bytes each.
// If there are more keys, a sample is followed.
const maxFollowed = 4 << 20

// A Ledger records the acknowledged writes of one run. Space, Register and Begin
// may be called on a nil *Ledger, which records nothing.
type Ledger struct {
	sample uint64

	// highest is the highest revision at which a write was acknowledged, or the one
	// of the store before the first.
	highest atomic.Int64
	// recent holds the latest acknowledged revisions, each at its remainder modulo the length.
	recent [recentRevisions]atomic.Int64

	mu       sync.Mutex
	spaces   []*Space
	accounts []*Account
	// begin is the store's revision before the first write; 0 if it is unknown.
	begin int64
	// merged holds the violations in records of other processes.
	merged results.Proof
	// otherWrites is the reason why the store's revision may grow by more than the ledger's writes.
	otherWrites string
	// shared is set when other clients may write the spaces' keys.
	shared bool
}

// recentRevisions is the number of latest revisions in which a second acknowledgement at the
// same revision is detected. Older ones are below one that was acknowledged long before.
const recentRevisions = 1 << 16

// New returns an empty ledger. The sample number selects which keys are followed
// in spaces that have too many to follow all.
func New(sample uint64) *Ledger { return &Ledger{sample: sample} }

// Begin sets the store's revision before the first write of the run. The first call
// decides.
func (l *Ledger) Begin(revision int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begin == 0 {
		l.begin = revision
		raise(&l.highest, revision)
	}
}

// Begun reports whether Begin was called.
func (l *Ledger) Begun() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin > 0
}

// Beside sets the reason why the store's revision may grow by more than the writes of the
// clients: the growth is a lower bound then. The first reason is kept.
func (l *Ledger) Beside(reason string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.otherWrites == "" {
		l.otherWrites = reason
	}
}

// Shared states that other clients may write the keys of the spaces. A value or a put
// of a key that is younger than its last acknowledged write, or comes on top of those
// that were acknowledged, is another client's then: it is counted, and no violation.
func (l *Ledger) Shared() {
	l.Beside("other clients may write")
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shared = true
}

// Space returns the ledger's space for the given keys. Workloads that write the
// same keys share it; how keys may be removed adds up over the calls. The space
// of a nil ledger is nil.
func (l *Ledger) Space(k Keys, r Removal) *Space {
	if l == nil {
		return nil
	}
	if r.Expiry {
		l.Beside("leases end")
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
	s := newSpace(k, r, l.sample)
	l.spaces = append(l.spaces, s)
	return s
}

// Register adds an account to the ledger.
func (l *Ledger) Register(a *Account) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.ledger = l
	l.accounts = append(l.accounts, a)
}

// raise sets an atomic to a value unless it is above that.
func raise(to *atomic.Int64, value int64) {
	for old := to.Load(); old < value; old = to.Load() {
		if to.CompareAndSwap(old, value) {
			return
		}
	}
}
