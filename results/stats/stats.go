// Package stats computes statistics on plain numbers. Its methods are exact where
// possible: the rank tests enumerate their distributions, and the bounds of shares and rates
// come from the distribution itself, because the samples of a benchmark are few and
// rarely normal. Distributions that have a closed form are gonum's.
//
// The package does not depend on documents, metrics or units, and imports no other package of
// this module. Every method names its source.
package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Median returns the median of values, which need not be sorted: the mean of the two
// in the middle for an even number, and 0 without values.
func Median(values []float64) float64 {
	return sortedMedian(slices.Sorted(slices.Values(values)))
}

func sortedMedian(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// MeanAndDeviation returns the mean of values and their sample standard deviation, with
// n−1 degrees of freedom: NaN for a single value, and mean 0 without values.
func MeanAndDeviation(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}

// MeanInterval returns the mean of values and half the width of its two-sided
// confidence interval, which misses the true mean with probability alpha when the
// values are independent and normal. It needs two values: with fewer, half is NaN.
// (Student, "The probable error of a mean", 1908.)
func MeanInterval(values []float64, alpha float64) (mean, half float64) {
	mean, deviation := MeanAndDeviation(values)
	if len(values) < 2 {
		return mean, math.NaN()
	}
	return mean, StudentQuantile(1-alpha/2, len(values)-1) * deviation / math.Sqrt(float64(len(values)))
}

// NormalQuantile returns the value that a standard normal variable is below with
// probability p.
func NormalQuantile(p float64) float64 { return distuv.UnitNormal.Quantile(p) }

// StudentQuantile returns the value that a variable with Student's t-distribution is
// below with probability p.
func StudentQuantile(p float64, freedom int) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: float64(freedom)}.Quantile(p)
}

// ChiSquaredQuantile returns the value that a variable with the χ² distribution is below
// with probability p.
func ChiSquaredQuantile(p float64, freedom int) float64 {
	return distuv.ChiSquared{K: float64(freedom)}.Quantile(p)
}
