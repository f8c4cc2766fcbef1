package stats

import (
	"fmt"
	"math"
	"testing"

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

// The table was computed by another program, from the definitions alone: sums over
// all pairs at every split, and Student's distribution by integrating its density.
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
		p      []float64
	}{
		"none": {series(40, 1, 0.02, from(40, 0)), nil, nil},
		"step": {series(40, 2, 0.02, from(17, 0.1)), []int{17}, []float64{8.83507e-18}},
		"two steps": {series(45, 3, 0.02, func(i int) float64 {
			if i >= 15 && i < 30 {
				return 0.08
			}
			return 0
		}), []int{15, 30}, []float64{4.7062e-16, 3.81015e-17}},
		"stairs":     {series(60, 4, 0.03, func(i int) float64 { return 0.06 * float64(i/12) }), []int{12, 24, 36, 48}, []float64{8.08767e-10, 2.15668e-11, 8.65676e-09, 3.42432e-09}},
		"drift":      {series(50, 5, 0.02, func(i int) float64 { return 0.002 * float64(i) }), []int{19, 26, 41}, []float64{3.33529e-06, 3.74039e-07, 2.37533e-06}},
		"small step": {series(60, 7, 0.05, from(30, 0.03)), []int{29}, []float64{3.99835e-05}},
		"outlier": {series(40, 6, 0.02, func(i int) float64 {
			if i == 20 {
				return 1
			}
			return 0
		}), nil, nil},
		"at the edge":       {series(40, 8, 0.01, from(35, 0.2)), []int{35}, []float64{6.49478e-08}},
		"too near the edge": {series(40, 9, 0.01, from(37, 0.2)), nil, nil},
		"nine":              {[]float64{0, 0, 0, 0, 1, 1, 1, 1, 1}, nil, nil},
	} {
		points := ChangePoints(tc.series)
		if fmt.Sprint(points) != fmt.Sprint(tc.points) {
			t.Errorf("%s: changes at %v, want %v", name, points, tc.points)
			continue
		}
		for i, at := range points {
			from, to := neighbours(points, i, len(tc.series))
			if p := Welch(tc.series[from:at], tc.series[at:to]); math.Abs(p/tc.p[i]-1) > 1e-4 {
				t.Errorf("%s: at %d p = %v, want %v", name, at, p, tc.p[i])
			}
		}
	}
}

// Changes lie within, in order, and are the same for the same series, whatever it
// is multiplied by or added to.
func TestChangePointsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1, 1), 0, 40).Draw(t, "series")
		step := rapid.IntRange(0, 40).Draw(t, "step")
		var moved []float64
		for i := range x {
			if i >= step {
				x[i] += 3
			}
			moved = append(moved, 4*x[i]+8)
		}
		points := ChangePoints(x)
		for i, p := range points {
			if p < MinSide || p > len(x)-MinSide || i > 0 && p < points[i-1]+MinSide {
				t.Errorf("changes %v in %d points", points, len(x))
			}
		}
		if again := ChangePoints(moved); fmt.Sprint(again) != fmt.Sprint(points) {
			t.Errorf("changes %v, of the same series moved %v", points, again)
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
		if points := ChangePoints(series); len(points) > 0 {
			t.Fatalf("%d values of %v change at %v", len(series), series[0], points)
		}
	}
}
