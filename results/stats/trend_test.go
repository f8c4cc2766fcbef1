package stats

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

var long = flag.Bool("long", false, "simulate ten times as long")

// trials is the number of simulated samples for each case.
func trials() int {
	if *long {
		return 20_000
	}
	return 2000
}

// autoregressive returns n points of a line of that slope, with residuals of standard
// deviation 1 of which each depends on the one before by rho. At rho 1 they are a random
// walk whose steps have that deviation.
func autoregressive(r *rand.Rand, n int, rho, slope float64) (x, y []float64) {
	v := r.NormFloat64()
	for i := range n {
		if i > 0 {
			step := math.Sqrt(1 - rho*rho)
			if rho == 1 {
				step = 1
			}
			v = rho*v + step*r.NormFloat64()
		}
		x, y = append(x, float64(i)), append(y, v+slope*float64(i))
	}
	return x, y
}

// steep returns how often the bound of the slope is above 0.
func steep(r *rand.Rand, n int, rho, slope float64) float64 {
	count := 0
	for range trials() {
		if _, lower := bound(autoregressive(r, n, rho, slope)); lower > 0 {
			count++
		}
	}
	return float64(count) / float64(trials())
}

// bound is [Slope] at the probability that a probe uses.
func bound(x, y []float64) (slope, lower float64) { return Slope(x, y, 0.01) }

// The bound is above a slope of 0 in about one sample of a hundred at most, however the
// residuals depend on each other, in short and in long runs; and a real slope is found.
func TestSlopeHolds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of lines")
	}
	r := rand.New(rand.NewPCG(1, 7))
	for _, n := range []int{5, 10, 19, 20, 30, 60, 120} {
		for _, rho := range []float64{0, 0.3, 0.7, 0.9} {
			// Of 2,000 samples at 1.5 %, 2.3 % is three standard errors off.
			most := 0.015 + 3*math.Sqrt(0.015/float64(trials()))
			if rate := steep(r, n, rho, 0); rate > most {
				t.Errorf("%d points, autocorrelation %v: %.4f false alarms", n, rho, rate)
			} else {
				t.Logf("%d points, autocorrelation %v: %.4f false alarms", n, rho, rate)
			}
		}
		if rate := steep(r, n, 1, 0); rate > 0.05 {
			t.Errorf("%d points of a random walk: %.4f false alarms", n, rate)
		}
		// A backlog that grows by as much in a second as it scatters, or by three times as
		// much in few seconds.
		slope := 1.0
		if n < 10 {
			slope = 6
		} else if n < trendLeast {
			slope = 2
		}
		for _, rho := range []float64{0, 0.7, 0.9} {
			rate := steep(r, n, rho, slope)
			t.Logf("%d points, autocorrelation %v, slope %v: found in %.3f", n, rho, slope, rate)
			if rate < 0.9 {
				t.Errorf("%d points, autocorrelation %v: a slope of %v is found in %.3f only", n, rho, slope, rate)
			}
		}
	}
}
