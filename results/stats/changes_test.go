package stats

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/aclements/go-moremath/stats"
	"pgregory.net/rapid"
)

// lcgNoise is deterministic: sums of four values of a linear congruential
// generator, about 0.
func lcgNoise(n int, seed int64) []float64 {
	list := make([]float64, n)
	for i := range list {
		for range 4 {
			seed = (1103515245*seed + 12345) % 2147483648
			list[i] += float64(seed)/2147483648 - 0.5
		}
	}
	return list
}

// The levels of the table are far from each other against their noise.
func TestChangePointsTable(t *testing.T) {
	series := func(n int, seed int64, scale float64, level func(i int) float64) []float64 {
		x := lcgNoise(n, seed)
		for i := range x {
			x[i] = x[i]*scale + level(i)
		}
		return x
	}
	from := func(at int, by float64) func(int) float64 {
		return func(i int) float64 {
			if i >= at {
				return by
			}
			return 0
		}
	}
	for name, tc := range map[string]struct {
		series []float64
		points []int
	}{
		"none": {series(40, 1, 0.02, from(40, 0)), nil},
		"step": {series(40, 2, 0.02, from(17, 0.1)), []int{17}},
		"two steps": {series(75, 3, 0.02, func(i int) float64 {
			if i >= 25 && i < 50 {
				return 0.08
			}
			return 0
		}), []int{25, 50}},
		"stairs": {series(100, 4, 0.03, func(i int) float64 { return 0.1 * float64(i/20) }), []int{20, 40, 60, 80}},
		"outlier": {series(40, 6, 0.02, func(i int) float64 {
			if i == 20 {
				return 1
			}
			return 0
		}), nil},
		"at the edge":       {series(40, 8, 0.01, from(35, 0.2)), []int{35}},
		"too near the edge": {series(40, 9, 0.01, from(37, 0.2)), nil},
		"seventeen":         {append(make([]float64, 8), 1, 2, 3, 4, 5, 6, 7, 8, 9), nil},
		"long ago":          {series(1000, 10, 0.02, from(500, 0.1)), []int{500}},
		"late and long":     {series(1000, 11, 0.02, from(985, 0.1)), []int{985}},
	} {
		var points []int
		for _, c := range ChangePoints(tc.series, 0.01) {
			points = append(points, c.At)
		}
		if fmt.Sprint(points) != fmt.Sprint(tc.points) {
			t.Errorf("%s: changes at %v, want %v", name, points, tc.points)
		}
	}
}

// A probability is what counting all orders gives.
func TestRankSumAtMost(t *testing.T) {
	for m := 1; m <= 12; m++ {
		for n := 1; n <= 12; n++ {
			d := stats.UDist{N1: m, N2: n}
			for u := -1; u <= m*n+1; u++ {
				if got, want := RankSumAtMost(m, n, u), d.CDF(float64(u)); math.Abs(got-want) > 1e-12*math.Max(1, 1/want) && math.Abs(got/want-1) > 1e-9 {
					t.Errorf("%d and %d values, %d: %v, want %v", m, n, u, got, want)
				}
			}
		}
	}
	// The extreme order of two large samples is one of all, and the middle is nearly normal.
	if got, want := RankSumAtMost(50, 50, 0), 1/1.0089134454556415e29; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("50 and 50 values, 0: %v, want %v", got, want)
	}
	if got := RankSumAtMost(50, 51, 1274); math.Abs(got-(0.5-0.39894/147.224/2)) > 1e-5 {
		t.Errorf("50 and 51 values, 1274: %v", got)
	}
	// What is passed over because it is near the mean would not count.
	for m := MinSide; m <= changeWindow-MinSide; m++ {
		for n := MinSide; m+n <= changeWindow; n++ {
			u := int(math.Ceil(float64(m*n)/2 - farDeviations*math.Sqrt(float64(m*n*(m+n+1))/12)))
			if p := RankSumAtMost(m, n, max(0, u)); p < farP {
				t.Errorf("%d and %d values, %d: probability %v is passed over", m, n, u, p)
			}
		}
	}
}

// firstChange finds the first change from the definition alone: pairs are counted, and
// probabilities are those of another implementation.
func firstChange(series []float64, level float64) (found bool, after int, p float64) {
	for n := 2 * MinSide; n <= len(series); n++ {
		x := series[max(0, n-changeWindow):n]
		least := math.Inf(1)
		for k := MinSide; k <= len(x)-MinSide; k++ {
			up, down := 0, 0
			for _, a := range x[:k] {
				for _, b := range x[k:] {
					if a < b {
						up++
					}
					if a > b {
						down++
					}
				}
			}
			d := stats.UDist{N1: k, N2: len(x) - k}
			least = min(least, d.CDF(float64(k*(len(x)-k)-max(up, down))))
		}
		if p := least * float64(n) * float64(n+1); p <= level {
			return true, n, p
		}
	}
	return false, 0, 0
}

// The first change is found after the same value, and as clear, as by the definition.
func TestChangePointsByDefinition(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(5, seed))
		x := make([]float64, 45)
		for i := range x {
			x[i] = math.Round(4*r.NormFloat64()) / 4 // some are equal
			if i >= 20 {
				x[i] += float64(seed%4) * (float64(seed%2) - 0.5) * 2
			}
		}
		const level = 0.05
		found, after, p := firstChange(x, level)
		got := ChangePoints(x, level)
		if found != (len(got) > 0) || found && math.Abs(got[0].P/p-1) > 1e-6 {
			t.Errorf("%d: %+v, want one with p = %v after %d: %v", seed, got, p, after, found)
		}
		if found && (len(ChangePoints(x[:after], level)) != 1 || len(ChangePoints(x[:after-1], level)) != 0) {
			t.Errorf("%d: the change is not found after %d values", seed, after)
		}
	}
}

// What TestChangePointsLevel simulates; docs/gates.md has results of others.
var (
	simulatedSeries = flag.Int("series", 2000, "series that are simulated")
	simulatedValues = flag.Int("values", 120, "values of each series")
	simulatedLevel  = flag.Float64("level", 0.05, "level of the changes that are looked for")
)

// At most the level of all series without a change ever show one, however long they get.
func TestChangePointsLevel(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of series")
	}
	series, level := *simulatedSeries, *simulatedLevel
	count := 0
	for i := range uint64(series) {
		r := rand.New(rand.NewPCG(6, i))
		x := make([]float64, *simulatedValues)
		for k := range x {
			x[k] = r.ExpFloat64()
		}
		if len(ChangePoints(x, level)) > 0 {
			count++
		}
	}
	share := float64(count) / float64(series)
	t.Logf("%.3f %% of series without a change show one at level %v", 100*share, level)
	if share > level || share < level/10 {
		t.Errorf("%.4f of series without a change show one at level %v", share, level)
	}
}

// A change takes as many values as LeastValues says.
func TestLeastValues(t *testing.T) {
	for _, level := range []float64{0.05, 0.01, 0.01 / 13} {
		for n, want := range map[int]int{LeastValues(level): 1, LeastValues(level) - 1: 0} {
			x := make([]float64, n)
			for i := range x {
				x[i] = float64(i)
			}
			if got := len(ChangePoints(x, level)); got != want {
				t.Errorf("level %v: %d changes in %d values, want %d", level, got, n, want)
			}
		}
	}
}

// The fall is found where it is, in one direction only, also beyond the window.
func TestLargestFall(t *testing.T) {
	x := lcgNoise(160, 3)
	for i := range x {
		if i >= 150 {
			x[i] -= 10
		}
	}
	if got := LargestFall(x, 0.001); got != 150 {
		t.Errorf("a fall at %d, want 150", got)
	}
	for i := range x {
		x[i] = -x[i]
	}
	if got := LargestFall(x, 0.001); got != 0 {
		t.Errorf("a fall at %d of a series that rises", got)
	}
	if p := FallsBelow([]float64{5, 6, 7}, []float64{1, 2, 5}); math.Abs(p-2.0/20) > 1e-12 {
		t.Errorf("probability %v, want 2 orders of 20", p)
	}
}

// Changes lie within, in order, and are the same for the same series, whatever it
// is multiplied by or added to.
func TestChangePointsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1, 1), 0, 60).Draw(t, "series")
		step := rapid.IntRange(0, 60).Draw(t, "step")
		var moved []float64
		for i := range x {
			if i >= step {
				x[i] += 3
			}
			moved = append(moved, 4*x[i])
		}
		before := 0
		changes := ChangePoints(x, 0.01)
		for _, c := range changes {
			if c.At < before+MinSide || c.At > len(x)-MinSide || !(c.P > 0 && c.P <= 0.01) {
				t.Errorf("changes %v in %d values", changes, len(x))
			}
			before = c.At
		}
		if again := ChangePoints(moved, 0.01); fmt.Sprint(again) != fmt.Sprint(changes) {
			t.Errorf("changes %v, of the same series multiplied %v", changes, again)
		}
	})
}

// A series of one value has no change, whatever rounding makes of its means.
func TestNoChangeInOneValue(t *testing.T) {
	for n := range 1000 {
		series := make([]float64, 10+n%20)
		for i := range series {
			series[i] = math.Log(float64(n) + 0.1)
		}
		if points := ChangePoints(series, 0.01); len(points) > 0 {
			t.Fatalf("%d values of %v change at %v", len(series), series[0], points)
		}
	}
}
