package results

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Signed is a distribution of times that can be negative, such as that of an
// event since the acknowledgement of its put, which may arrive later. It consists
// of two histograms of magnitudes; all figures are nanoseconds.
type Signed struct {
	before, after *hdrhistogram.Histogram
	mean          float64
}

// NewSigned joins the magnitudes of the negative and of the other times.
func NewSigned(before, after Latency) (Signed, error) {
	b, err := before.Histogram()
	if err != nil {
		return Signed{}, err
	}
	a, err := after.Histogram()
	if err != nil {
		return Signed{}, err
	}
	s := Signed{before: b, after: a}
	if n := s.Count(); n > 0 {
		s.mean = (float64(a.TotalCount())*a.Mean() - float64(b.TotalCount())*b.Mean()) / float64(n)
	}
	return s, nil
}

// Count returns the number of times.
func (s Signed) Count() int64 { return s.before.TotalCount() + s.after.TotalCount() }

// Mean returns the mean, in nanoseconds.
func (s Signed) Mean() int64 { return int64(math.Round(s.mean)) }

// Max returns the largest time, in nanoseconds.
func (s Signed) Max() int64 {
	if s.after.TotalCount() > 0 {
		return s.after.Max()
	}
	return -s.before.Min()
}

// Percentile returns the time that p percent of all do not exceed.
func (s Signed) Percentile(p float64) Percentile {
	return Percentile{P: p, Time: time.Duration(s.value(p)), Resolved: Latency{Count: s.Count()}.Resolved(p)}
}

func (s Signed) value(p float64) int64 {
	n, negative := float64(s.Count()), float64(s.before.TotalCount())
	rank := p / 100 * n
	if rank <= negative && negative > 0 {
		// The smallest times are those with the largest magnitude.
		return -s.before.ValueAtPercentile(100 * (1 - rank/negative))
	}
	return s.after.ValueAtPercentile(100 * (rank - negative) / (n - negative))
}
