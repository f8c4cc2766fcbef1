package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// law is the throughput that a fit gives for a concurrency.
func law(u USL, n float64) float64 {
	return u.Lambda.Value * n / (1 + u.Sigma.Value*(n-1) + u.Kappa.Value*n*(n-1))
}

// A law that is known is found from points that lie on it, and nearly so from points
// with noise; its bounds hold it.
func TestUSLIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := USL{
			Lambda: Estimate{Value: rapid.Float64Range(10, 10_000).Draw(t, "lambda")},
			Sigma:  Estimate{Value: rapid.Float64Range(0, 0.3).Draw(t, "sigma")},
			Kappa:  Estimate{Value: rapid.Float64Range(0, 0.01).Draw(t, "kappa")},
		}
		var points []Point
		for n := 0.2; n < 80; n *= 1.7 {
			points = append(points, Point{n, law(truth, n)})
		}
		u, ok := FitUSL(points, 1)
		if !ok {
			t.Fatal("no fit")
		}
		for _, p := range points {
			if got := law(u, p.X); math.Abs(got/p.Y-1) > 1e-6 {
				t.Fatalf("at %v: %v, want %v (%+v)", p.X, got, p.Y, u)
			}
		}
		if u.Reach < 1.2*60 || u.Reach > 1.2*80 {
			t.Fatalf("it reaches as far as %v", u.Reach)
		}
	})
}

func TestUSLWithNoise(t *testing.T) {
	truth := USL{Lambda: Estimate{Value: 500}, Sigma: Estimate{Value: 0.05}, Kappa: Estimate{Value: 0.001}}
	flat := truth
	flat.Kappa.Value = 0
	held, peaks := 0, 0
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		var points, straight []Point
		for n := 0.5; n < 100; n *= 1.4 {
			points = append(points, Point{n, law(truth, n) * (1 + 0.03*r.NormFloat64())})
			straight = append(straight, Point{n, law(flat, n) * (1 + 0.03*r.NormFloat64())})
		}
		u, ok := FitUSL(points, seed)
		if !ok {
			t.Fatal("no fit")
		}
		if u.Kappa.Low <= 0.001 && 0.001 <= u.Kappa.High {
			held++
		}
		if math.Abs(u.Peak-math.Sqrt(0.95/0.001)) > 8 {
			t.Errorf("seed %d: the peak is at %v", seed, u.Peak)
		}
		if u, ok := FitUSL(straight, seed); ok && u.Peak > 0 {
			peaks++
		}
	}
	if held < 40 || peaks > 3 {
		t.Errorf("%d of 50 intervals hold κ; %d peaks where there is none", held, peaks)
	}
}

func TestUSLOfTooLittle(t *testing.T) {
	for _, points := range [][]Point{nil, {{1, 1}, {2, 2}}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}} {
		if u, ok := FitUSL(points, 1); ok {
			t.Errorf("%v gave %+v", points, u)
		}
	}
}
