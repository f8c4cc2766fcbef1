package workloads

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/results"
)

// holders checks that a lock or a leadership has only one holder at a time.
type holders struct {
	check   string
	present []atomic.Pointer[holder]
	// latest are the holders with the highest revisions.
	latest []atomic.Pointer[holder]
	taken  atomic.Uint64

	mu       sync.Mutex
	overlaps results.Proof
}

// A holder is a client that has acquired a lock or leadership.
type holder struct {
	client  int
	session *concurrency.Session
	// name is the key that it was acquired with, and revision the one at which the key was created.
	name     string
	revision int64
	// sent and answered count from the start of the run; member is the ID of the one that answered.
	sent, answered time.Duration
	member         uint64
}

func newHolders(check string, count int) *holders {
	return &holders{check: check, present: make([]atomic.Pointer[holder], count), latest: make([]atomic.Pointer[holder], count)}
}

// acquire records that a client has acquired a lock or leadership, and reports whether it is
// the only holder. A client whose session has ended has lost it without a release. Waiting
// clients acquire it in the order of the revisions, so that a store beside etcd can
// distinguish an old holder from a new one. now is the time since the start of the run.
func (h *holders) acquire(i int, ours *holder, now func() time.Duration) (alone bool) {
	h.taken.Add(1)
	h.fence(i, ours, now)
	before := h.present[i].Swap(ours)
	if before == nil || alive(before.session) != nil || alive(ours.session) != nil {
		return true
	}
	h.violate(ours, before, now, "one holder at a time",
		fmt.Sprintf("client %d acquired it while client %d held it", ours.client, before.client))
	return false
}

// fence checks that the revision of a holder is not below those of earlier holders.
func (h *holders) fence(i int, ours *holder, now func() time.Duration) {
	latest := h.latest[i].Load()
	for (latest == nil || latest.revision < ours.revision) && !h.latest[i].CompareAndSwap(latest, ours) {
		latest = h.latest[i].Load()
	}
	if latest == nil || latest.revision <= ours.revision || alive(ours.session) != nil {
		return // a client whose release failed finds its own key
	}
	h.violate(ours, latest, now,
		fmt.Sprintf("a holder with at least the revision of the previous holder, %s", humanize.Comma(latest.revision)),
		fmt.Sprintf("client %d acquired it with revision %s", ours.client, humanize.Comma(ours.revision)))
}

// violate adds a violation by two holders.
func (h *holders) violate(ours, other *holder, now func() time.Duration, expected, found string) {
	start := time.Now().Add(-now()).Round(0)
	v := results.Violation{
		Check: h.check, Key: ours.name, Expected: expected, Found: found,
		Operation: ours.acquisition(start), Against: other.acquisition(start),
	}
	v.History = []results.ProofOperation{*v.Against, *v.Operation}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.overlaps.Violate(v)
}

// acquisition is how a holder acquired what it holds. start is that of the run.
func (h *holder) acquisition(start time.Time) *results.ProofOperation {
	op := &results.ProofOperation{
		Name: "acquire", Key: h.name, Sent: start.Add(h.sent), Answered: start.Add(h.answered), Revision: h.revision,
		HeaderOnly: true, Conn: results.NoConn,
	}
	if h.member != 0 {
		op.Member = strconv.FormatUint(h.member, 16)
	}
	return op
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
