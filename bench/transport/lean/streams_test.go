package lean

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The table of streams holds what a map would, whichever calls end first.
func TestStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newStreams(), map[uint32]*Call{}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		next := uint32(rapid.SampledFrom([]int{1, maxUint31 - 600}).Draw(t, "first"))
		most := rapid.IntRange(1, 300).Draw(t, "most")
		for range 300 {
			if len(want) < most && random.IntN(5) < 3 {
				call := &Call{id: next}
				table.add(call)
				want[next] = call
				next += 2
			} else if ids := slices.Sorted(maps.Keys(want)); len(ids) > 0 {
				id := ids[min(random.IntN(len(ids)), random.IntN(len(ids)))] // mostly an early one
				table.remove(want[id])
				delete(want, id)
			}
			id := uint32(random.IntN(int(next)))
			if got := table.get(id); got != want[id] {
				t.Fatalf("stream %d: %v, want %v", id, got, want[id])
			}
			if id > 0 && len(want) > 0 {
				id = slices.Max(slices.Collect(maps.Keys(want)))
				if table.get(id) != want[id] {
					t.Fatalf("stream %d is lost", id)
				}
			}
		}
		got := map[uint32]*Call{}
		for call := range table.all {
			got[call.id] = call
			table.remove(call)
		}
		if !maps.Equal(got, want) || table.count != 0 || len(table.ring) > 1024 {
			t.Fatalf("%d calls, %d left, want %d; a ring of %d", len(got), table.count, len(want), len(table.ring))
		}
	})
}
