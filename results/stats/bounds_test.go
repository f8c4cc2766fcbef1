package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The bounds that have closed forms have these values: of none of n, 1 − (α/2)^(1/n);
// of no event, −ln α; and of eight events, the table of Garwood's paper.
func TestBoundsTable(t *testing.T) {
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-4*math.Max(1, math.Abs(want)) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	lower, upper := ClopperPearson(0, 528, 0.01)
	near("none of 528, lower", lower, 0)
	near("none of 528, upper", upper, 1-math.Pow(0.005, 1.0/528))
	lower, upper = ClopperPearson(10, 10, 0.05)
	near("ten of ten, lower", lower, math.Pow(0.025, 0.1))
	near("ten of ten, upper", upper, 1)
	near("no event", PoissonUpper(0, 0.05), -math.Log(0.05))
	near("eight events", PoissonUpper(8, 0.025), 15.7632)
	near("Student, 0.975 with 9", StudentQuantile(0.975, 9), 2.262157)
	near("normal, 0.975", NormalQuantile(0.975), 1.959964)
	slope, lower := Slope([]float64{0, 1, 2, 3, 4}, []float64{1, 3, 5, 7, 9}, 0.01)
	near("slope of a line", slope, 2)
	near("its bound", lower, 2)
}

// The bounds miss the truth about as often as they say.
func TestBoundsHold(t *testing.T) {
	const trials = 2000
	r := rand.New(rand.NewPCG(1, 7))
	var means float64
	for range trials {
		var y []float64
		for range 12 {
			y = append(y, 3+r.NormFloat64())
		}
		if mean, half := MeanInterval(y, 0.05); math.Abs(mean-3) > half {
			means++
		}
	}
	if missed := means / trials; missed < 0.035 || missed > 0.065 {
		t.Errorf("the bound of the mean misses the truth in %.3f of %d trials, want 0.05", missed, trials)
	}
}
