package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// An exact law is found, and the interval of a law with noise has its coverage.
func TestPowerLaw(t *testing.T) {
	t.Parallel()
	x := []float64{1e8, 1e9, 4e9}
	law := func(noise func() float64) (y []float64) {
		for _, v := range x {
			y = append(y, 3*math.Pow(v, 0.7)*math.Exp(noise()))
		}
		return y
	}
	p, ok := FitPowerLaw(x, law(func() float64 { return 0 }), 0.05)
	if !ok || math.Abs(p.Exponent-0.7) > 1e-9 || math.Abs(p.Factor-3) > 1e-6 || p.High-p.Low > 1e-6 {
		t.Errorf("%+v, %v", p, ok)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const trials = 2000
	const beyond = 4.8e9
	covered, there := 0, 0
	for range trials {
		p, _ := FitPowerLaw(x, law(func() float64 { return 0.1 * r.NormFloat64() }), 0.05)
		if p.Low <= 0.7 && 0.7 <= p.High {
			covered++
		}
		if _, low, high := p.At(beyond); low <= 3*math.Pow(beyond, 0.7) && 3*math.Pow(beyond, 0.7) <= high {
			there++
		}
	}
	for _, n := range []int{covered, there} {
		if share := float64(n) / trials; share < 0.93 || share > 0.97 {
			t.Errorf("the 95 %% interval covers %.3f", share)
		}
	}
	for _, y := range [][]float64{{1, 2}, {1, 0, 2}, {1, math.NaN(), 2}} {
		if p, ok := FitPowerLaw(x[:len(y)], y, 0.05); ok {
			t.Errorf("%v: %+v", y, p)
		}
	}
	if _, ok := FitPowerLaw([]float64{2, 2, 2}, []float64{1, 2, 3}, 0.05); ok {
		t.Error("one size fitted")
	}
}
