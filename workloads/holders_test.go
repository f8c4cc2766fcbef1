package workloads

import (
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/linearizability"
)

// What only one client may have goes from one to the next in the order of revisions.
func TestHoldersAreFenced(t *testing.T) {
	for name, test := range map[string]struct {
		revisions []int64
		want      uint64
	}{
		"in order":      {[]int64{3, 5, 9}, 0},
		"an older one":  {[]int64{3, 9, 5}, 1},
		"the same":      {[]int64{3, 3}, 0},
		"another after": {[]int64{3, 2, 5}, 1},
	} {
		h := newHolders("locks", 1)
		for client, revision := range test.revisions {
			ours := &holder{client: client, session: &concurrency.Session{}, name: "/lock", revision: revision}
			h.acquire(0, ours, func() time.Duration { return time.Hour })
			h.release(0, ours)
		}
		var proof results.Proof
		h.verify(&proof)
		if proof.Found != test.want {
			t.Errorf("%s: %+v", name, proof)
		}
	}
}

// A violation names both holders, with their intervals and the members that answered.
func TestHoldersAreDescribed(t *testing.T) {
	now := func() time.Duration { return 4 * time.Second }
	for name, test := range map[string]struct {
		revision int64
		release  bool
		possible bool // by the model that draws the history
	}{
		"two at once": {revision: 9, possible: true},
		"not fenced":  {revision: 5, release: true},
	} {
		h := newHolders("locks", 1)
		session := &concurrency.Session{}
		first := &holder{0, session, "/lock", 7, time.Second, 2 * time.Second, 0xa1}
		second := &holder{1, session, "/lock", test.revision, 3 * time.Second, 4 * time.Second, 0xb2}
		h.acquire(0, first, now)
		if test.release {
			h.release(0, first)
		}
		h.acquire(0, second, now)
		var proof results.Proof
		h.verify(&proof)
		if proof.Found != 1 {
			t.Errorf("%s: %+v", name, proof)
			continue
		}
		v := proof.Violations[0]
		if o := v.Operation; v.Key != "/lock" || o == nil || o.Member != "b2" || o.Revision != test.revision || o.Answered.Sub(o.Sent) != time.Second {
			t.Errorf("%s: operation %+v", name, o)
		}
		if o := v.Against; o == nil || o.Member != "a1" || o.Revision != 7 || v.Operation.Sent.Sub(o.Sent) != 2*time.Second {
			t.Errorf("%s: against %+v", name, o)
		}
		var list []linearizability.Operation
		for _, op := range v.History {
			list = append(list, linearizability.Operation{ProofOperation: op})
		}
		if possible, err := linearizability.Check(list, 0); err != nil || possible != test.possible || len(list) != 2 {
			t.Errorf("%s: possible %v, %v: %+v", name, possible, err, list)
		}
	}
}
