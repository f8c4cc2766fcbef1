package stats

import "gonum.org/v1/gonum/stat/distuv"

// ClopperPearson returns the bounds of a share of which k of n were seen. Each bound
// is on the wrong side of the true share with probability alpha/2 at most. (C. J.
// Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in
// the case of the binomial", 1934.)
func ClopperPearson(k, n, alpha float64) (lower, upper float64) {
	upper = 1
	if k > 0 {
		lower = distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(alpha / 2)
	}
	if k < n {
		upper = distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(1 - alpha/2)
	}
	return lower, upper
}

// PoissonUpper returns the upper bound of the expected number of events of a Poisson
// process of which so many were seen. It is below the true number with probability
// alpha at most. It is half the χ² quantile with 2(events+1) degrees of freedom. (F.
// Garwood, "Fiducial limits for the Poisson distribution", 1936.)
func PoissonUpper(events, alpha float64) float64 {
	return distuv.ChiSquared{K: 2 * (events + 1)}.Quantile(1-alpha) / 2
}

// Woodruff returns the percentiles of the whole sample between which its percentile p
// lies. shares are, for each of several independent parts of the sample, the share of
// values at or below the percentile p of the whole. How much these scatter is how well
// the percentile is known: values of the whole sample at the returned percentiles are
// the bounds, which miss the true value with probability alpha. (R. S. Woodruff,
// "Confidence intervals for medians and other position measures", 1952.)
func Woodruff(p float64, shares []float64, alpha float64) (lower, upper float64) {
	_, half := MeanInterval(shares, alpha)
	return max(p-100*half, 0), min(p+100*half, 100)
}
