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
		for n := 1.0; n < 80; n *= 1.7 {
			points = append(points, Point{n, law(truth, n)})
		}
		u, ok := FitUSL(points)
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
	t.Parallel()
	truth := USL{Lambda: Estimate{Value: 500}, Sigma: Estimate{Value: 0.05}, Kappa: Estimate{Value: 0.001}}
	flat := truth
	flat.Kappa.Value = 0
	held, peaks := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 9))
		var points, straight []Point
		for n := 1.0; n < 100; n *= 1.4 {
			points = append(points, Point{n, law(truth, n) * (1 + 0.03*r.NormFloat64())})
			straight = append(straight, Point{n, law(flat, n) * (1 + 0.03*r.NormFloat64())})
		}
		u, ok := FitUSL(points)
		if !ok {
			t.Fatal("no fit")
		}
		if u.Kappa.Low <= 0.001 && 0.001 <= u.Kappa.High {
			held++
		}
		if math.Abs(u.Peak-math.Sqrt(0.95/0.001)) > 8 {
			t.Errorf("seed %d: the peak is at %v", seed, u.Peak)
		}
		if u, ok := FitUSL(straight); ok && u.Peak > 0 {
			peaks++
		}
	}
	t.Logf("%d of 100 intervals hold κ; %d peaks where there is none", held, peaks)
	if held < 90 || peaks > 5 {
		t.Errorf("%d of 100 intervals hold κ; %d peaks where there is none", held, peaks)
	}
}

func TestUSLOfTooLittle(t *testing.T) {
	for _, points := range [][]Point{nil, {{1, 1}, {2, 2}}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}, {{0.1, 1}, {0.2, 2}, {0.3, 3}, {0.5, 5}, {0.9, 9}, {2, 20}}} {
		if u, ok := FitUSL(points); ok {
			t.Errorf("%v gave %+v", points, u)
		}
	}
}

// The law is about a concurrency of 1 and more: points below leave it as it is.
func TestUSLStartsAtOne(t *testing.T) {
	truth := USL{Lambda: Estimate{Value: 500}, Sigma: Estimate{Value: 0.05}, Kappa: Estimate{Value: 0.001}}
	var points []Point
	for n := 1.0; n < 60; n *= 1.5 {
		points = append(points, Point{n, law(truth, n)})
	}
	want, ok := FitUSL(points)
	got, okToo := FitUSL(append(points, Point{0.01, 900}, Point{0.5, 3}))
	if !ok || !okToo || got != want {
		t.Errorf("with points below a concurrency of 1: %+v, without: %+v", got, want)
	}
}

// An interval is never of zero width: not where the points lie on the law, nor where a
// parameter is at its bound of zero; and it holds the estimate.
func TestUSLIntervals(t *testing.T) {
	for _, kappa := range []float64{0, 0.001} {
		for _, noise := range []float64{0, 0.001, 0.03} {
			r := rand.New(rand.NewPCG(5, 9))
			truth := USL{Lambda: Estimate{Value: 500}, Kappa: Estimate{Value: kappa}}
			var points []Point
			for _, n := range []float64{1, 2, 4, 8, 16, 32} {
				points = append(points, Point{n, law(truth, n) * (1 + noise*r.NormFloat64())})
			}
			u, ok := FitUSL(points)
			if !ok {
				t.Fatal("no fit")
			}
			for name, e := range map[string]Estimate{"λ": u.Lambda, "σ": u.Sigma, "κ": u.Kappa} {
				if !(e.Low < e.High) || e.Value < e.Low || e.Value > e.High || math.IsInf(e.High, 0) {
					t.Errorf("κ %v, noise %v: the interval of %s is %+v", kappa, noise, name, e)
				}
			}
		}
	}
}
