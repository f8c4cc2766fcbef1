package results

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// USL is a fit of the Universal Scalability Law, X(N) = λN / (1 + σ(N−1) + κN(N−1)),
// over concurrency N, the mean number of operations under way. (N. J. Gunther,
// "Guerrilla Capacity Planning", 2007.) It describes what was measured and says
// nothing beyond 1.2 times the largest concurrency.
type USL struct {
	// Lambda is the throughput of one alone, per second; Sigma the share that waits
	// for others, Kappa what it costs that all must agree.
	Lambda Estimate `json:"lambda"`
	Sigma  Estimate `json:"sigma"`
	Kappa  Estimate `json:"kappa"`
	// Points are the concurrencies and throughputs that were fitted.
	Points []USLPoint `json:"points"`
	// Reach is as far as the fit may be read.
	Reach float64 `json:"reach"`
	// Peak is the concurrency of the highest throughput, 0 where the fit has none within
	// its reach, or its interval allows that there is none.
	Peak float64 `json:"peak,omitempty"`
}

// Estimate is a value with the bounds of its 95 % bootstrap interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// USLPoint is one measurement.
type USLPoint struct {
	Concurrency float64 `json:"concurrency"`
	Throughput  float64 `json:"throughput"`
}

const (
	uslLeast     = 5 // points
	uslResamples = 1000
	uslReach     = 1.2
)

// FitUSL fits the law, with bounds from resampled points (B. Efron, 1979). It reports
// false where there are too few points, or too much alike.
func FitUSL(points []USLPoint, seed uint64) (*USL, bool) {
	best, ok := fitUSL(points)
	if len(points) < uslLeast || !ok {
		return nil, false
	}
	u := &USL{Points: points, Lambda: Estimate{Value: best[0]}, Sigma: Estimate{Value: best[1]}, Kappa: Estimate{Value: best[2]}}
	for _, p := range points {
		u.Reach = max(u.Reach, uslReach*p.Concurrency)
	}
	r := rand.New(rand.NewPCG(seed, 3))
	var all [3][]float64
	sample := make([]USLPoint, len(points))
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

// Throughput is what the fit says for a concurrency.
func (u *USL) Throughput(n float64) float64 {
	return u.Lambda.Value * n / (1 + u.Sigma.Value*(n-1) + u.Kappa.Value*n*(n-1))
}

// fitUSL fits the linear form N/X = (1 + σ(N−1) + κN(N−1))/λ by least squares of
// relative errors, with no coefficient below zero: of all sets of coefficients that
// may be other than zero, the one that fits best.
func fitUSL(points []USLPoint) (fit [3]float64, ok bool) {
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
func solveUSL(points []USLPoint, set int) (c [3]float64, residual float64, ok bool) {
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
		n := p.Concurrency
		weight := p.Throughput / n // relative errors: N/X spans orders of magnitude
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
