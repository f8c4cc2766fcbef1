package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

const (
	// trendErrors is the number of standard errors that are added to the estimated
	// autocorrelation of residuals. trendLeast is the number of points that an estimate needs.
	// A simulation chose both: see TestSlopeHolds.
	trendErrors = 2
	trendLeast  = 20
)

// Slope returns the slope of a line through the points (x, y), which are equally far
// apart in x, and a lower bound that is above the true slope with probability alpha. It
// holds when the residuals are normal and depend on the one before, as those of a queue
// do. It needs four points.
//
// The line is fitted by generalised least squares. The autocorrelation is that of the
// residuals of ordinary least squares, corrected for its bias and taken higher by two
// standard errors, up to 1, where the slope is the mean of the differences. Fewer than
// twenty points do not tell the autocorrelation: it is taken as 1. (S. J. Prais
// and C. B. Winsten, "Trend estimators and serial correlation", 1954; M. G. Kendall,
// "Note on bias in the estimation of autocorrelation", 1954; P. Perron and T. Yabu,
// "Estimating deterministic trends with an integrated or stationary noise component",
// 2009.)
func Slope(x, y []float64, alpha float64) (slope, lower float64) {
	n := len(x)
	rho := trendCorrelation(x, y)
	// Differences of neighbours, as far as the one depends on the other, are
	// independent; the first point stands for itself.
	first := math.Sqrt(1 - rho*rho)
	one, u, v := []float64{first}, []float64{first * (x[0] - x[n/2])}, []float64{first * y[0]}
	for t := 1; t < n; t++ {
		one = append(one, 1-rho)
		u = append(u, x[t]-x[n/2]-rho*(x[t-1]-x[n/2]))
		v = append(v, y[t]-rho*y[t-1])
	}
	cc, cu, uu, cv, uv := dot(one, one), dot(one, u), dot(u, u), dot(one, v), dot(u, v)
	var constant, variance float64
	if determinant := cc*uu - cu*cu; cc > 0 {
		slope, constant, variance = (cc*uv-cu*cv)/determinant, (uu*cv-cu*uv)/determinant, cc/determinant
	} else {
		slope, variance = uv/uu, 1/uu
	}
	residual := 0.0
	for t := range v {
		d := v[t] - constant*one[t] - slope*u[t]
		residual += d * d
	}
	freedom := n - 2
	return slope, slope - StudentQuantile(1-alpha, freedom)*math.Sqrt(residual/float64(freedom)*variance)
}

// trendCorrelation returns an upper bound, between 0 and 1, of the dependence of the residuals
// of a line on their predecessors.
func trendCorrelation(x, y []float64) float64 {
	n := float64(len(x))
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	var products, squares, before float64
	for t := range x {
		r := y[t] - intercept - slope*x[t]
		if t > 0 {
			products += r * before
			squares += before * before
		}
		before = r
	}
	if squares == 0 || n < trendLeast {
		return 1
	}
	rho := min((n*products/squares+2)/(n-4), 1)
	rho += trendErrors * math.Sqrt(max(1-rho*rho, 1/n)/n)
	return min(max(rho, 0), 1)
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
