package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// Line is y = Intercept + Slope·x. Low and High are the ends of a confidence interval of the
// slope.
type Line struct {
	Intercept, Slope, Low, High float64
}

// FitLine fits a line to values whose relative errors are alike: by least squares with the
// weights 1/y², and with Student's interval of the slope. ok is false for fewer than three
// points, for values that are not positive, and if all x are equal. (N. R. Draper,
// H. Smith, "Applied Regression Analysis", 1998, chapter 9.)
func FitLine(x, y []float64, alpha float64) (l Line, ok bool) {
	n := len(x)
	if n < 3 || len(y) != n {
		return l, false
	}
	weights := make([]float64, n)
	for i := range y {
		if !(x[i] > 0 && y[i] > 0) {
			return l, false
		}
		weights[i] = 1 / (y[i] * y[i])
	}
	mean, squares, residual := stat.Mean(x, weights), 0.0, 0.0
	for i := range x {
		squares += weights[i] * (x[i] - mean) * (x[i] - mean)
	}
	if !(squares > 0) {
		return l, false
	}
	l.Intercept, l.Slope = stat.LinearRegression(x, y, weights, false)
	for i := range x {
		d := y[i] - l.Intercept - l.Slope*x[i]
		residual += weights[i] * d * d
	}
	half := StudentQuantile(1-alpha/2, n-2) * math.Sqrt(residual/float64(n-2)/squares)
	l.Low, l.High = l.Slope-half, l.Slope+half
	return l, true
}
