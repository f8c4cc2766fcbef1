package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// USL is a fit of the Universal Scalability Law, X(N) = λN / (1 + σ(N−1) + κN(N−1)).
// (N. J. Gunther, "Guerrilla Capacity Planning", 2007.)
type USL struct {
	Lambda, Sigma, Kappa Estimate
	// Reach is the largest N at which the fit may be read: 1.2 times the largest one
	// of the points.
	Reach float64
	// Peak is the N of the largest X, or 0 where the fit has none within its reach, or
	// where the interval of κ allows that there is none.
	Peak float64
}

// Estimate is a value with the bounds of its 95 % bootstrap interval.
type Estimate struct{ Value, Low, High float64 }

// Point is one measurement.
type Point struct{ X, Y float64 }

const (
	uslLeast     = 5 // points
	uslResamples = 1000
	uslReach     = 1.2
)

// FitUSL fits the law to points (N, X), with bounds from resampled points. The same
// seed gives the same bounds. It reports false for fewer than five points, and for
// points that are too much alike. (B. Efron, "Bootstrap methods: another look at the
// jackknife", 1979.)
func FitUSL(points []Point, seed uint64) (u USL, ok bool) {
	best, ok := fitUSL(points)
	if len(points) < uslLeast || !ok {
		return USL{}, false
	}
	u.Lambda.Value, u.Sigma.Value, u.Kappa.Value = best[0], best[1], best[2]
	for _, p := range points {
		u.Reach = max(u.Reach, uslReach*p.X)
	}
	r := rand.New(rand.NewPCG(seed, 3))
	var all [3][]float64
	sample := make([]Point, len(points))
	for range uslResamples {
		for i := range sample {
			sample[i] = points[r.IntN(len(points))]
		}
		if fit, ok := fitUSL(sample); ok {
			for i, v := range fit {
				all[i] = append(all[i], v)
			}
		}
	}
	for i, e := range []*Estimate{&u.Lambda, &u.Sigma, &u.Kappa} {
		slices.Sort(all[i])
		if n := len(all[i]); n > 0 {
			e.Low, e.High = all[i][n*25/1000], all[i][min(n-1, n*975/1000)]
		}
	}
	if u.Kappa.Low > 0 && u.Sigma.Value < 1 {
		if peak := math.Sqrt((1 - u.Sigma.Value) / u.Kappa.Value); peak <= u.Reach {
			u.Peak = peak
		}
	}
	return u, true
}

// fitUSL fits the linear form N/X = (1 + σ(N−1) + κN(N−1))/λ by least squares of
// relative errors, with no coefficient below zero: of all sets of coefficients that
// may be other than zero, the one that fits best.
func fitUSL(points []Point) (fit [3]float64, ok bool) {
	best := math.Inf(1)
	for set := 1; set < 8; set += 2 { // the first, 1/λ, is never zero
		c, residual, solved := solveUSL(points, set)
		if solved && residual < best*(1-1e-9) && c[0] > 0 && c[1] >= 0 && c[2] >= 0 {
			best, ok = residual, true
			fit = [3]float64{1 / c[0], c[1] / c[0], c[2] / c[0]}
		}
	}
	return fit, ok
}

// solveUSL finds the coefficients whose bits are set; the others are zero.
func solveUSL(points []Point, set int) (c [3]float64, residual float64, ok bool) {
	var columns []int
	for i := range c {
		if set&(1<<i) != 0 {
			columns = append(columns, i)
		}
	}
	if len(points) < len(columns) {
		return c, 0, false
	}
	a, y := mat.NewDense(len(points), len(columns), nil), mat.NewVecDense(len(points), nil)
	for row, p := range points {
		n := p.X
		weight := p.Y / n // relative errors: N/X spans orders of magnitude
		terms := [3]float64{1, n - 1, n * (n - 1)}
		for k, i := range columns {
			a.Set(row, k, terms[i]*weight)
		}
		y.SetVec(row, 1)
	}
	var x, r mat.VecDense
	if x.SolveVec(a, y) != nil {
		return c, 0, false
	}
	for k, i := range columns {
		c[i] = x.AtVec(k)
	}
	r.MulVec(a, &x)
	r.SubVec(&r, y)
	return c, mat.Dot(&r, &r), true
}
