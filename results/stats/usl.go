package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// USL is a fit of the Universal Scalability Law, X(N) = λN / (1 + σ(N−1) + κN(N−1)).
// Its domain is N ≥ 1. (N. J. Gunther, "Guerrilla Capacity Planning", 2007.)
type USL struct {
	Lambda, Sigma, Kappa Estimate
	// Reach is the largest N for which the fit is valid: 1.2 times the largest N of the points.
	Reach float64
	// Peak is the N of the largest X. It is 0 if the fit has no maximum within its reach, or if
	// the interval of κ includes fits without a maximum.
	Peak float64
}

// Estimate is a value with the bounds of its 95 % interval, which is never of zero
// width.
type Estimate struct{ Value, Low, High float64 }

// Point is one measurement.
type Point struct{ X, Y float64 }

// UniversalDomain is the smallest N of the Universal Scalability Law.
const UniversalDomain = 1

const (
	uslLeast = 5 // points
	uslReach = 1.2
	uslAlpha = 0.05
	// uslPrecise is the smallest relative error of a throughput: no point counts as more
	// precise than that, however well the points lie on the law.
	uslPrecise = 1e-3
)

// FitUSL fits the law to points (N, X) with N ≥ 1; it leaves others out. It reports
// false for fewer than five points, and for points that are too much alike. The bounds
// of a parameter are those values with which the law, fitted anew, has residuals that
// Fisher's F-test does not tell from the best fit's. (D. M. Bates and D. G. Watts,
// "Nonlinear Regression Analysis and Its Applications", 1988, on profile intervals.)
func FitUSL(points []Point) (u USL, ok bool) {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !(p.X >= UniversalDomain) })
	best, residual, ok := fitUSL(points)
	if len(points) < uslLeast || !ok {
		return USL{}, false
	}
	u.Lambda.Value, u.Sigma.Value, u.Kappa.Value = best[0], best[1], best[2]
	for _, p := range points {
		u.Reach = max(u.Reach, uslReach*p.X)
	}
	freedom := len(points) - 3
	quantile := StudentQuantile(1-uslAlpha/2, freedom)
	most := max(residual, float64(len(points))*uslPrecise*uslPrecise) * (1 + quantile*quantile/float64(freedom))
	for k, e := range []*Estimate{&u.Lambda, &u.Sigma, &u.Kappa} {
		within := func(v float64) bool { return profileUSL(points, k, v) <= most }
		e.Low, e.High = profileBound(e.Value, within, -1), profileBound(e.Value, within, 1)
	}
	if u.Kappa.Low > 0 && u.Sigma.Value < 1 {
		if peak := math.Sqrt((1 - u.Sigma.Value) / u.Kappa.Value); peak <= u.Reach {
			u.Peak = peak
		}
	}
	return u, true
}

// profileBound returns the value farthest from the estimate, downwards or upwards, that
// is still within.
func profileBound(value float64, within func(v float64) bool, sign float64) float64 {
	const smallest, largest = 1e-6, 1e6 // shares of the estimate, or parameters
	at := func(step float64) float64 { return max(0, value+sign*step) }
	scale := value
	if scale == 0 {
		scale = 1
	}
	inside, outside := 0.0, smallest*scale
	for within(at(outside)) {
		inside = outside
		if outside *= 2; at(inside) == 0 && sign < 0 || outside > largest*scale {
			return at(inside)
		}
	}
	for range 30 {
		if middle := (inside + outside) / 2; within(at(middle)) {
			inside = middle
		} else {
			outside = middle
		}
	}
	return at(inside)
}

// profileUSL returns the residual of the best fit in which a parameter, λ, σ or κ, has
// that value.
func profileUSL(points []Point, parameter int, v float64) float64 {
	_, residual, _ := leastUSL(points, func(n float64) (terms []float64, fixed float64) {
		switch parameter {
		case 0:
			return []float64{n - 1, n * (n - 1)}, 1 / v
		case 1:
			return []float64{1 + v*(n-1), n * (n - 1)}, 0
		}
		return []float64{1 + v*n*(n-1), n - 1}, 0
	})
	return residual
}

// fitUSL fits the linear form N/X = (1 + σ(N−1) + κN(N−1))/λ.
func fitUSL(points []Point) (fit [3]float64, residual float64, ok bool) {
	c, residual, ok := leastUSL(points, func(n float64) ([]float64, float64) { return []float64{1, n - 1, n * (n - 1)}, 0 })
	if !ok || !(c[0] > 0) {
		return fit, 0, false
	}
	return [3]float64{1 / c[0], c[1] / c[0], c[2] / c[0]}, residual, true
}

// leastUSL fits N/X as a sum of terms of N and a fixed part, by least squares of relative
// errors, with no coefficient below zero: of all sets of coefficients that may be other
// than zero, the one that fits best. It reports false where no coefficient fits.
func leastUSL(points []Point, of func(n float64) (terms []float64, fixed float64)) (best []float64, residual float64, ok bool) {
	var rows [][]float64
	var rest []float64
	for _, p := range points {
		weight := p.Y / p.X // relative errors: N/X spans orders of magnitude
		terms, fixed := of(p.X)
		for i := range terms {
			terms[i] *= weight
		}
		rows, rest = append(rows, terms), append(rest, 1-fixed*weight)
		residual += (1 - fixed*weight) * (1 - fixed*weight)
	}
	if len(rows) == 0 || math.IsNaN(residual) || math.IsInf(residual, 0) {
		return nil, math.Inf(1), false
	}
	for set := 1; set < 1<<len(rows[0]); set++ {
		c, r, solved := solveUSL(rows, rest, set)
		if solved && r < residual*(1-1e-9) && slices.Min(c) >= 0 {
			best, residual, ok = c, r, true
		}
	}
	return best, residual, ok
}

// solveUSL finds the coefficients whose bits are set; the others are zero.
func solveUSL(rows [][]float64, rest []float64, set int) (c []float64, residual float64, ok bool) {
	var columns []int
	for i := range rows[0] {
		if set&(1<<i) != 0 {
			columns = append(columns, i)
		}
	}
	if len(rows) < len(columns) {
		return nil, 0, false
	}
	a, y := mat.NewDense(len(rows), len(columns), nil), mat.NewVecDense(len(rows), slices.Clone(rest))
	for row := range rows {
		for k, i := range columns {
			a.Set(row, k, rows[row][i])
		}
	}
	var x, r mat.VecDense
	if x.SolveVec(a, y) != nil {
		return nil, 0, false
	}
	c = make([]float64, len(rows[0]))
	for k, i := range columns {
		c[i] = x.AtVec(k)
	}
	r.MulVec(a, &x)
	r.SubVec(&r, y)
	return c, mat.Dot(&r, &r), true
}
