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
	taken   atomic.Uint64

	mu       sync.Mutex
	overlaps results.Proof
}

type holder struct {
	client  int
	session *concurrency.Session
}

func newHolders(check string, count int) *holders {
	return &holders{check: check, present: make([]atomic.Pointer[holder], count)}
}

// acquire notes that a client has got something, and reports whether it is alone
// in that. One whose session has ended has lost it without a word.
func (h *holders) acquire(i, client int, session *concurrency.Session, name string) (ours *holder, alone bool) {
	h.taken.Add(1)
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

// release comes before it is given back.
func (h *holders) release(i int, ours *holder) { h.present[i].CompareAndSwap(ours, nil) }

func (h *holders) verify(proof *results.Proof) {
	n := h.taken.Load()
	proof.Checks = append(proof.Checks, results.Check{Name: h.check, Checked: n, Of: n, Note: "one holder at a time"})
	h.mu.Lock()
	defer h.mu.Unlock()
	proof.Merge(h.overlaps)
}
