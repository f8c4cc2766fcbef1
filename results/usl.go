package results

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

// USLPoint is the throughput that was measured at one concurrency.
type USLPoint struct {
	Concurrency float64 `json:"concurrency"`
	Throughput  float64 `json:"throughput"`
}

// Throughput returns the throughput per second that the law gives for a concurrency.
func (u *USL) Throughput(n float64) float64 {
	return u.Lambda.Value * n / (1 + u.Sigma.Value*(n-1) + u.Kappa.Value*n*(n-1))
}
