package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Critical values of the one-sided test at 0.05, 0.025, 0.01 and 0.005, as tables
// of Wilcoxon's signed-rank test print them (F. Wilcoxon and R. A. Wilcox, "Some
// rapid approximate statistical procedures", 1964; −1 where the table has none).
var signedRankTable = map[int][4]int{
	5: {0, -1, -1, -1}, 6: {2, 0, -1, -1}, 7: {3, 2, 0, -1}, 8: {5, 3, 1, 0}, 9: {8, 5, 3, 1}, 10: {10, 8, 5, 3},
	11: {13, 10, 7, 5}, 12: {17, 13, 9, 7}, 13: {21, 17, 12, 9}, 14: {25, 21, 15, 12}, 15: {30, 25, 19, 15},
	16: {35, 29, 23, 19}, 17: {41, 34, 27, 23}, 18: {47, 40, 32, 27}, 19: {53, 46, 37, 32}, 20: {60, 52, 43, 37},
	21: {67, 58, 49, 42}, 22: {75, 65, 55, 48}, 23: {83, 73, 62, 54}, 24: {91, 81, 69, 61}, 25: {100, 89, 76, 68},
	26: {110, 98, 84, 75}, 27: {119, 107, 92, 83}, 28: {130, 116, 101, 91}, 29: {140, 126, 110, 100}, 30: {151, 137, 120, 109},
}

func TestSignedRankTable(t *testing.T) {
	for n, want := range signedRankTable {
		d, err := NewSignedRank(n)
		if err != nil {
			t.Fatal(err)
		}
		for i, alpha := range []float64{0.05, 0.025, 0.01, 0.005} {
			if got := d.Critical(alpha); got != want[i] {
				t.Errorf("n=%d, α=%v: critical value %d, the table has %d", n, alpha, got, want[i])
			}
		}
	}
}

// The probabilities are those of counting all sets of signs, one by one.
func TestSignedRankByCounting(t *testing.T) {
	for n := 1; n <= 14; n++ {
		d, err := NewSignedRank(n)
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]int, n*(n+1)/2+1)
		for set := range 1 << n {
			sum := 0
			for rank := range n {
				if set&(1<<rank) != 0 {
					sum += rank + 1
				}
			}
			counts[sum]++
		}
		below := 0
		for w, c := range counts {
			below += c
			if want := float64(below) / float64(int(1)<<n); math.Abs(d.AtMost(w)-want) > 1e-12 {
				t.Errorf("n=%d: P(W ≤ %d) = %v, counted %v", n, w, d.AtMost(w), want)
			}
		}
	}
	for _, n := range []int{0, 501} {
		if _, err := NewSignedRank(n); err == nil {
			t.Errorf("a distribution of %d differences", n)
		}
	}
}

// A bound is where the test changes its mind: centres below the lower bound are
// rejected, those above it are not.
func TestShiftProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Float64Range(-1, 1), 3, 25).Draw(t, "differences")
		alpha := rapid.SampledFrom([]float64{0.3, 0.05, 0.01, 0.000625}).Draw(t, "alpha")
		s, err := NewShift(d, alpha, alpha)
		if err != nil {
			t.Fatal(err)
		}
		if !(s.Lower <= s.Estimate && s.Estimate <= s.Upper) {
			t.Fatalf("shift %+v is not in order", s)
		}
		dist, _ := NewSignedRank(len(d))
		rejected := func(centre float64) bool { // as too low
			type signed struct{ size, sign float64 }
			var list []signed
			for _, v := range d {
				list = append(list, signed{math.Abs(v - centre), v - centre})
			}
			slices.SortFunc(list, func(a, b signed) int {
				if a.size < b.size {
					return -1
				}
				return 1
			})
			negative := 0
			for i, e := range list {
				if i > 0 && list[i-1].size == e.size || e.size == 0 {
					return false // ties: not what is tested here
				}
				if e.sign < 0 {
					negative += i + 1
				}
			}
			return dist.AtMost(negative) <= alpha
		}
		const step = 1e-6
		if !math.IsInf(s.Lower, -1) && rejected(s.Lower+step) {
			t.Errorf("%v, above the lower bound %v, is rejected", s.Lower+step, s.Lower)
		}
		// Shifting all differences shifts estimate and bounds.
		var moved, mirrored []float64
		for _, v := range d {
			moved, mirrored = append(moved, v+3), append(mirrored, -v)
		}
		m, _ := NewShift(moved, alpha, alpha)
		r, _ := NewShift(mirrored, alpha, alpha)
		if math.Abs(m.Estimate-s.Estimate-3) > 1e-9 || math.Abs(r.Estimate+s.Estimate) > 1e-9 {
			t.Errorf("estimate %v, moved by 3 %v, mirrored %v", s.Estimate, m.Estimate, r.Estimate)
		}
		if !math.IsInf(s.Upper, 1) && math.Abs(r.Lower+s.Upper) > 1e-9 {
			t.Errorf("upper bound %v, mirrored lower bound %v", s.Upper, r.Lower)
		}
	})
}
