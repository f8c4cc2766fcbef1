package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// PowerLaw is y = Factor·x^Exponent. Low and High are the ends of a confidence interval of
// the exponent.
type PowerLaw struct {
	Factor, Exponent, Low, High float64
	// points is the number of points of the fit. mean is the mean of their log x, and squares
	// the sum of the squared deviations from it. half is half the width of an interval at a
	// residual standard error of one.
	points              int
	mean, squares, half float64
}

// At returns the law's value at x, with a pointwise confidence interval of the law there, which
// is not one of a single value.
func (p PowerLaw) At(x float64) (y, low, high float64) {
	u := math.Log(x)
	y = p.Factor * math.Pow(x, p.Exponent)
	width := math.Exp(p.half * math.Sqrt(1/float64(p.points)+(u-p.mean)*(u-p.mean)/p.squares))
	return y, y / width, y * width
}

// FitPowerLaw fits a power law by least squares on logarithms, with Student's interval of
// the exponent. ok is false for fewer than three points, for values that are not positive,
// and if all x are equal. (N. R. Draper, H. Smith, "Applied Regression Analysis",
// 1998, chapter 1.)
func FitPowerLaw(x, y []float64, alpha float64) (p PowerLaw, ok bool) {
	n := len(x)
	if n < 3 || len(y) != n {
		return p, false
	}
	u, v := make([]float64, n), make([]float64, n)
	for i := range x {
		if !(x[i] > 0 && y[i] > 0) {
			return p, false
		}
		u[i], v[i] = math.Log(x[i]), math.Log(y[i])
	}
	intercept, slope := stat.LinearRegression(u, v, nil, false)
	mean, squares, residual := stat.Mean(u, nil), 0.0, 0.0
	for i := range u {
		d := v[i] - intercept - slope*u[i]
		residual += d * d
		squares += (u[i] - mean) * (u[i] - mean)
	}
	if !(squares > 0) {
		return p, false
	}
	freedom := n - 2
	half := StudentQuantile(1-alpha/2, freedom) * math.Sqrt(residual/float64(freedom))
	of := half / math.Sqrt(squares)
	return PowerLaw{
		Factor: math.Exp(intercept), Exponent: slope, Low: slope - of, High: slope + of,
		points: n, mean: mean, squares: squares, half: half,
	}, true
}
