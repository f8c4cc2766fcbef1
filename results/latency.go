package results

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
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

// maxEncoded is the largest size of an encoded histogram, in bytes. A histogram without an
// empty bucket takes less than 200 KiB.
const maxEncoded = 1 << 20

// minBeyond is the number of samples that must lie beyond a percentile to resolve it. With
// fewer samples, it is the noise of a handful of operations.
const minBeyond = 10

// NewHistogram returns an empty histogram of the project's geometry.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(LowestTime, HighestTime, SignificantDigits)
}

// NewSparseHistogram returns an empty histogram of the project's geometry whose memory
// grows with the buckets that are filled.
func NewSparseHistogram() *hdrhistogram.PackedHistogram {
	return hdrhistogram.NewPacked(LowestTime, HighestTime, SignificantDigits)
}

// Latency summarises a histogram and contains it, so that latencies can
// be merged later: percentiles are never averaged. All figures are nanoseconds.
//
// As JSON, a latency has those percentiles from p50 to p99.99 that are resolved.
// When it is read, the figures are computed from the histogram alone.
type Latency struct {
	Count int64
	Min   int64
	Mean  int64
	Max   int64
	// HDR is the histogram in HdrHistogram's V2 compressed form, base64.
	HDR string
	// saved are the values of savedPercentiles, so that they need no histogram.
	saved [len(savedPercentiles)]int64
}

// savedPercentiles are the percentiles that a latency stores.
var savedPercentiles = [...]float64{50, 90, 95, 99, 99.9, 99.99}

// A Percentile is one percentile of a distribution of times.
type Percentile struct {
	// P is the percentile, from 0 to 100.
	P float64
	// Time is its value. It has no meaning unless Resolved is set.
	Time time.Duration
	// AtLeast means that Time is a lower bound: unfinished operations reach into the
	// percentile.
	AtLeast bool
	// Resolved means that at least ten samples lie beyond the percentile.
	Resolved bool
}

// Name returns the percentile's name, such as p99.9.
func (q Percentile) Name() string { return fmt.Sprintf("p%g", q.P) }

// histogram is what a summary needs of a histogram, sparse or not.
type histogram interface {
	TotalCount() int64
	Min() int64
	Max() int64
	Mean() float64
	ValueAtPercentilesSlice(percentiles []float64) []int64
	EncodeV2() ([]byte, error)
}

// NewLatency summarises and encodes h, which is empty or has the project's geometry.
func NewLatency(h histogram) (Latency, error) {
	if h.TotalCount() == 0 {
		return Latency{}, nil
	}
	encoded, err := h.EncodeV2()
	if err != nil {
		return Latency{}, fmt.Errorf("encode histogram: %w", err)
	}
	return summary(h, string(encoded)), nil
}

// summary computes a latency's figures from its histogram.
func summary(h histogram, encoded string) Latency {
	l := Latency{Count: h.TotalCount(), Min: h.Min(), Mean: int64(math.Round(h.Mean())), Max: h.Max(), HDR: encoded}
	copy(l.saved[:], h.ValueAtPercentilesSlice(savedPercentiles[:]))
	return l
}

// IsZero reports whether the latency is empty. JSON may omit an empty latency.
func (l Latency) IsZero() bool { return l.Count == 0 }

// latencyJSON is a latency as JSON.
type latencyJSON struct {
	Count int64  `json:"count"`
	Min   int64  `json:"min"`
	Mean  int64  `json:"mean"`
	P50   int64  `json:"p50,omitempty"`
	P90   int64  `json:"p90,omitempty"`
	P95   int64  `json:"p95,omitempty"`
	P99   int64  `json:"p99,omitempty"`
	P999  int64  `json:"p99.9,omitempty"`
	P9999 int64  `json:"p99.99,omitempty"`
	Max   int64  `json:"max"`
	HDR   string `json:"hdr,omitempty"`
}

// MarshalJSON implements [json.Marshaler]. It omits unresolved percentiles.
func (l Latency) MarshalJSON() ([]byte, error) {
	j := latencyJSON{Count: l.Count, Min: l.Min, Mean: l.Mean, Max: l.Max, HDR: l.HDR}
	for i, field := range []*int64{&j.P50, &j.P90, &j.P95, &j.P99, &j.P999, &j.P9999} {
		if l.Resolved(savedPercentiles[i]) {
			*field = l.saved[i]
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements [json.Unmarshaler]. It computes all figures from the histogram.
func (l *Latency) UnmarshalJSON(data []byte) error {
	var j latencyJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*l = Latency{}
	if j.Count == 0 && j.HDR == "" {
		return nil // the case of most latencies in a large document
	}
	h, err := Latency{Count: j.Count, HDR: j.HDR}.packed()
	if err != nil {
		return err
	}
	if j.Count != 0 {
		*l = summary(h, j.HDR)
	}
	return nil
}

// packed decodes the histogram into its sparse form. It returns an error for another geometry,
// because histograms of different resolutions must not be merged.
func (l Latency) packed() (*hdrhistogram.PackedHistogram, error) {
	if l.HDR == "" {
		if l.Count != 0 {
			return nil, fmt.Errorf("decode histogram: %d samples but no histogram", l.Count)
		}
		return NewSparseHistogram(), nil
	}
	if len(l.HDR) > maxEncoded {
		return nil, fmt.Errorf("decode histogram: %d bytes exceed the limit of %d", len(l.HDR), maxEncoded)
	}
	h, err := hdrhistogram.DecodePacked([]byte(l.HDR))
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

// Histogram decodes the histogram. It returns an error for another geometry.
func (l Latency) Histogram() (*hdrhistogram.Histogram, error) {
	p, err := l.packed()
	if err != nil {
		return nil, err
	}
	h := NewHistogram()
	if dropped := p.MergeInto(h); dropped != 0 {
		return nil, fmt.Errorf("decode histogram: %d samples out of range", dropped)
	}
	return h, nil
}

// EachBucket calls each with the lowest time, in nanoseconds, and the count of every non-empty
// bucket, in ascending order.
func (l Latency) EachBucket(each func(ns, count int64)) error {
	h, err := l.packed()
	if err != nil {
		return err
	}
	h.ForEachBucket(func(ns, n int64) bool {
		each(ns, n)
		return true
	})
	return nil
}

// CountBelow returns the number of samples that are certainly shorter than a time in
// nanoseconds: those of the buckets below the one that contains the time.
func (l Latency) CountBelow(ns int64) (count int64, err error) {
	h, err := l.packed()
	if err != nil || ns <= 0 {
		return 0, err
	}
	edge := NewSparseHistogram()
	if edge.RecordValue(ns) != nil {
		return h.TotalCount(), nil // longer than any recorded time
	}
	edge.ForEachBucket(func(lowest, _ int64) bool {
		ns = lowest
		return true
	})
	h.ForEachBucket(func(lowest, n int64) bool {
		if lowest < ns {
			count += n
		}
		return lowest < ns
	})
	return count, nil
}

// Resolved reports whether at least ten samples lie beyond the percentile p (0–100).
func (l Latency) Resolved(p float64) bool {
	return float64(l.Count)*(100-p) >= minBeyond*100*(1-1e-9)
}

// Percentile returns the percentile p (0–100).
func (l Latency) Percentile(p float64) Percentile { return l.Percentiles(p)[0] }

// Percentiles returns several percentiles (0–100).
func (l Latency) Percentiles(ps ...float64) []Percentile {
	list := make([]Percentile, len(ps))
	var h *hdrhistogram.PackedHistogram
	for k, p := range ps {
		list[k] = Percentile{P: p, Resolved: l.Resolved(p)}
		if i := slices.Index(savedPercentiles[:], p); i >= 0 {
			list[k].Time = time.Duration(l.saved[i])
			continue
		}
		if h == nil {
			var err error
			if h, err = l.packed(); err != nil {
				h = NewSparseHistogram()
			}
		}
		list[k].Time = time.Duration(h.ValueAtPercentile(p))
		list[k].Resolved = list[k].Resolved && h.TotalCount() > 0
	}
	return list
}

// latencySum adds latencies up, histogram by histogram.
type latencySum struct {
	only Latency // the sum while it consists of a single latency
	h    *hdrhistogram.PackedHistogram
}

func (s *latencySum) add(l Latency) error {
	switch {
	case l.Count == 0 && l.HDR == "":
		return nil
	case s.h == nil && s.only.Count == 0:
		s.only = l
		return nil
	case s.h == nil:
		var err error
		if s.h, err = s.only.packed(); err != nil {
			return err
		}
	}
	h, err := l.packed()
	if err != nil {
		return err
	}
	if h.TotalCount() > math.MaxInt64-s.h.TotalCount() {
		return fmt.Errorf("merge histograms: more samples than can be counted")
	}
	if dropped := s.h.Merge(h); dropped != 0 {
		return fmt.Errorf("merge histograms: %d samples out of range", dropped)
	}
	return nil
}

func (s *latencySum) latency() (Latency, error) {
	if s.h == nil {
		return s.only, nil
	}
	return NewLatency(s.h)
}

// MergeLatency adds latencies up, histogram by histogram.
func MergeLatency(ls ...Latency) (Latency, error) {
	var s latencySum
	for _, l := range ls {
		if err := s.add(l); err != nil {
			return Latency{}, err
		}
	}
	return s.latency()
}
