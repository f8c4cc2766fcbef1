package workloads

import (
	"fmt"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/results"
)

// holders sees that what only one client may have, a lock or an office, only one
// has.
type holders struct {
	check   string
	present []atomic.Pointer[holder]
	// latest are the revisions with which each was got last.
	latest []atomic.Int64
	taken  atomic.Uint64

	mu       sync.Mutex
	overlaps results.Proof
}

type holder struct {
	client  int
	session *concurrency.Session
}

func newHolders(check string, count int) *holders {
	return &holders{check: check, present: make([]atomic.Pointer[holder], count), latest: make([]atomic.Int64, count)}
}

// acquire notes that a client has got something with a key that was created at a
// revision, and reports whether it is alone in that. One whose session has ended has lost
// it without a word. Who waits for it gets it in the order of these revisions, so that a
// store beside etcd can tell an old holder from a new one.
func (h *holders) acquire(i, client int, session *concurrency.Session, name string, revision int64) (ours *holder, alone bool) {
	h.taken.Add(1)
	h.fence(i, client, session, name, revision)
	ours = &holder{client, session}
	before := h.present[i].Swap(ours)
	if before == nil {
		return ours, true
	}
	if alive(before.session) != nil || alive(session) != nil {
		return ours, true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.overlaps.Violate(results.Violation{
		Check: h.check, Key: name, Expected: "one holder at a time",
		Found: fmt.Sprintf("client %d got it while client %d held it", client, before.client),
	})
	return ours, false
}

// fence sees that a holder's revision is not below those of the holders before it.
func (h *holders) fence(i, client int, session *concurrency.Session, name string, revision int64) {
	latest := h.latest[i].Load()
	for latest < revision && !h.latest[i].CompareAndSwap(latest, revision) {
		latest = h.latest[i].Load()
	}
	if latest <= revision || alive(session) != nil { // a client whose release failed finds its own key
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.overlaps.Violate(results.Violation{
		Check: h.check, Key: name, Expected: fmt.Sprintf("a holder with a revision of at least %d, which the one before had", latest),
		Found: fmt.Sprintf("client %d got it with revision %d", client, revision),
	})
}

// release comes before it is given back.
func (h *holders) release(i int, ours *holder) { h.present[i].CompareAndSwap(ours, nil) }

func (h *holders) verify(proof *results.Proof) {
	n := h.taken.Load()
	note := "one holder at a time, in the order of revisions"
	proof.Checks = append(proof.Checks, results.Check{Name: h.check, Checked: n, Of: n, Note: note})
	h.mu.Lock()
	defer h.mu.Unlock()
	proof.Merge(h.overlaps)
}
