package results

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The geometry of every histogram: 1 µs to 10 min at three significant digits.
// Times are kept in nanoseconds; below a millisecond they resolve to 512 ns.
const (
	LowestTime        = int64(time.Microsecond)
	HighestTime       = int64(10 * time.Minute)
	SignificantDigits = 3
)

// maxEncoded bounds an encoded histogram. One whose every bucket is filled
// takes less than 200 KiB.
const maxEncoded = 1 << 20

// minBeyond is how many samples must lie beyond a percentile before it says
// anything: with fewer, it is the noise of a handful of operations.
const minBeyond = 10

// NewHistogram returns an empty histogram of the project's geometry.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(LowestTime, HighestTime, SignificantDigits)
}

// Latency summarises a histogram and carries it whole, so that latencies can
// be merged later: percentiles are never averaged. All figures are nanoseconds.
type Latency struct {
	Count int64 `json:"count"`
	Min   int64 `json:"min"`
	Mean  int64 `json:"mean"`
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P95   int64 `json:"p95"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p99.9"`
	P9999 int64 `json:"p99.99"`
	Max   int64 `json:"max"`
	// HDR is the histogram in HdrHistogram's V2 compressed form, base64.
	HDR string `json:"hdr,omitempty"`
}

// NewLatency summarises and encodes h.
func NewLatency(h *hdrhistogram.Histogram) (Latency, error) {
	if h.TotalCount() == 0 {
		return Latency{}, nil
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return Latency{}, fmt.Errorf("encode histogram: %w", err)
	}
	q := h.ValueAtPercentilesSlice([]float64{50, 90, 95, 99, 99.9, 99.99})
	return Latency{
		Count: h.TotalCount(),
		Min:   h.Min(),
		Mean:  int64(math.Round(h.Mean())),
		P50:   q[0], P90: q[1], P95: q[2], P99: q[3], P999: q[4], P9999: q[5],
		Max: h.Max(),
		HDR: string(encoded),
	}, nil
}

// IsZero reports an empty latency, which JSON leaves out where it may.
func (l Latency) IsZero() bool { return l.Count == 0 }

// Histogram decodes the histogram. It refuses one of another geometry: figures
// of different resolution must not be merged unnoticed.
func (l Latency) Histogram() (*hdrhistogram.Histogram, error) {
	if l.HDR == "" {
		if l.Count != 0 {
			return nil, fmt.Errorf("decode histogram: %d samples but no histogram", l.Count)
		}
		return NewHistogram(), nil
	}
	if len(l.HDR) > maxEncoded {
		return nil, fmt.Errorf("decode histogram: %d bytes is more than any histogram of ours takes (%d)", len(l.HDR), maxEncoded)
	}
	h, err := hdrhistogram.Decode([]byte(l.HDR))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	if h.LowestTrackableValue() != LowestTime || h.HighestTrackableValue() != HighestTime || h.SignificantFigures() != SignificantDigits {
		return nil, fmt.Errorf("decode histogram: range %d–%d ns at %d digits, want %d–%d at %d",
			h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures(), LowestTime, HighestTime, SignificantDigits)
	}
	if h.TotalCount() != l.Count {
		return nil, fmt.Errorf("decode histogram: holds %d samples, the document says %d", h.TotalCount(), l.Count)
	}
	return h, nil
}

// Resolved reports whether enough samples lie beyond the percentile p (0–100)
// for it to mean something: at least ten.
func (l Latency) Resolved(p float64) bool {
	return float64(l.Count)*(100-p) >= minBeyond*100*(1-1e-9)
}

// MergeLatency adds latencies up, histogram by histogram.
func MergeLatency(ls ...Latency) (Latency, error) {
	sum := NewHistogram()
	for _, l := range ls {
		h, err := l.Histogram()
		if err != nil {
			return Latency{}, err
		}
		if dropped := sum.Merge(h); dropped != 0 {
			return Latency{}, fmt.Errorf("merge histograms: %d samples out of range", dropped)
		}
	}
	return NewLatency(sum)
}
