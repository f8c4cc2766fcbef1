package workloads

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/results"
)

// holders checks that a lock or a leadership has only one holder at a time.
type holders struct {
	check   string
	present []atomic.Pointer[holder]
	// latest are the revisions of the latest acquisitions.
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

// acquire records that a client has acquired a lock or leadership with a key that was created
// at a revision, and reports whether it is the only holder. A client whose session has ended
// has lost it without a release. Waiting clients acquire it in the order of these revisions,
// so that a store beside etcd can distinguish an old holder from a new one.
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
		Found: fmt.Sprintf("client %d acquired it while client %d held it", client, before.client),
	})
	return ours, false
}

// fence checks that the revision of a holder is not below those of earlier holders.
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
		Check: h.check, Key: name,
		Expected: fmt.Sprintf("a holder with at least the revision of the previous holder, %s", humanize.Comma(latest)),
		Found:    fmt.Sprintf("client %d acquired it with revision %s", client, humanize.Comma(revision)),
	})
}

// release must be called before the lock or leadership is released.
func (h *holders) release(i int, ours *holder) { h.present[i].CompareAndSwap(ours, nil) }

func (h *holders) verify(proof *results.Proof) {
	n := h.taken.Load()
	note := "one holder at a time, in the order of revisions"
	proof.Checks = append(proof.Checks, results.Check{Name: h.check, Checked: n, Of: n, Note: note})
	h.mu.Lock()
	defer h.mu.Unlock()
	proof.Merge(h.overlaps)
}
