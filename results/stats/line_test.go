package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// An exact line is found, and the interval of the slope of one with noise has its coverage.
func TestLine(t *testing.T) {
	t.Parallel()
	x := []float64{1e8, 1e9, 4e9}
	values := func(noise func() float64) (y []float64) {
		for _, v := range x {
			y = append(y, (2e9+3*v)*math.Exp(noise()))
		}
		return y
	}
	l, ok := FitLine(x, values(func() float64 { return 0 }), 0.05)
	if !ok || math.Abs(l.Slope-3) > 1e-9 || math.Abs(l.Intercept-2e9) > 1 || l.High-l.Low > 1e-6 {
		t.Errorf("%+v, %v", l, ok)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const trials = 2000
	covered := 0
	for range trials {
		if l, _ := FitLine(x, values(func() float64 { return 0.05 * r.NormFloat64() }), 0.05); l.Low <= 3 && 3 <= l.High {
			covered++
		}
	}
	if share := float64(covered) / trials; share < 0.93 || share > 0.97 {
		t.Errorf("the 95 %% interval covers %.3f", share)
	}
	for _, y := range [][]float64{{1, 2}, {1, 0, 2}, {1, math.NaN(), 2}} {
		if l, ok := FitLine(x[:len(y)], y, 0.05); ok {
			t.Errorf("%v: %+v", y, l)
		}
	}
	if l, ok := FitLine([]float64{2, 2, 2}, []float64{1, 2, 3}, 0.05); ok {
		t.Errorf("one size fitted: %+v", l)
	}
}
