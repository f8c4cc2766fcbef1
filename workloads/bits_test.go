package workloads

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// The set agrees with a map.
func TestBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bits
	want := map[uint32]bool{}
	near := func() uint32 {
		return []uint32{0, 1 << 6, 1 << 16, 1 << 24, 1<<32 - 200}[rng.IntN(5)] + uint32(rng.IntN(200))
	}
	for range 5000 {
		n := near()
		if rng.IntN(3) > 0 {
			b.add(n)
			want[n] = true
		} else {
			b.remove(n)
			delete(want, n)
		}
	}
	for range 5000 {
		if n := near(); b.has(n) != want[n] {
			t.Errorf("%d: %v, want %v", n, b.has(n), want[n])
		}
	}
	var got []uint32
	b.each(func(n uint32) bool { got = append(got, n); return true })
	if !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("members %v", got)
	}
	if n := testing.AllocsPerRun(100, func() { b.add(got[0]) }); n > 0 {
		t.Errorf("adding to a page allocates %v times", n)
	}
}
