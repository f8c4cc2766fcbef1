package results

// USL is a fit of the Universal Scalability Law, X(N) = λN / (1 + σ(N−1) + κN(N−1)),
// over concurrency N, the mean number of operations in progress (N. J. Gunther,
// "Guerrilla Capacity Planning", 2007). It describes the measurements, and is not valid
// beyond 1.2 times the largest concurrency.
type USL struct {
	// Lambda is the throughput without concurrency, per second. Sigma is the contention: the
	// share of serial work. Kappa is the cost of coherency.
	Lambda Estimate `json:"lambda"`
	Sigma  Estimate `json:"sigma"`
	Kappa  Estimate `json:"kappa"`
	// Points are the fitted concurrencies and throughputs.
	Points []USLPoint `json:"points"`
	// Reach is the largest concurrency for which the fit is valid.
	Reach float64 `json:"reach"`
	// Peak is the concurrency of the highest throughput. It is 0 if the fit has no maximum
	// within its reach, or if its interval includes fits without a maximum.
	Peak float64 `json:"peak,omitempty"`
}

// Estimate is a value with the bounds of its 95 % bootstrap interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// USLPoint is the throughput that was measured at one concurrency.
type USLPoint struct {
	Concurrency float64 `json:"concurrency"`
	Throughput  float64 `json:"throughput"`
}

// Throughput returns the throughput per second at a concurrency according to the law.
func (u *USL) Throughput(n float64) float64 {
	return u.Lambda.Value * n / (1 + u.Sigma.Value*(n-1) + u.Kappa.Value*n*(n-1))
}
