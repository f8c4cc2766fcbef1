package workloads

import (
	"testing"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/results"
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
			ours, _ := h.acquire(0, client, &concurrency.Session{}, "/lock", revision)
			h.release(0, ours)
		}
		var proof results.Proof
		h.verify(&proof)
		if proof.Found != test.want {
			t.Errorf("%s: %+v", name, proof)
		}
	}
}
