package bench

import (
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/results"
)

// A counter is a histogram that many goroutines can count into without a lock. It covers one
// interval, for which 32 bits are enough. A page is allocated when the first sample falls into
// it: most operations need few pages.
type counter []atomic.Pointer[page]

// page is a part of a counter's buckets.
type page [pageSize]uint32

const pageSize = 1024

func newCounter() counter { return make(counter, results.Buckets()/pageSize+1) }

func (c counter) record(d time.Duration) {
	i := results.BucketOf(min(max(int64(d), 0), results.HighestTime))
	p := c[i/pageSize].Load()
	if p == nil {
		p = c.add(i / pageSize)
	}
	atomic.AddUint32(&p[i%pageSize], 1)
}

// add allocates page i, unless another goroutine has done so already, and returns it.
func (c counter) add(i int) *page {
	c[i].CompareAndSwap(nil, new(page))
	return c[i].Load()
}

// drain moves the counts of c into the series and leaves c empty. There must be no concurrent
// recording into c.
func (c counter) drain(into ...*series) {
	for i := range c {
		p := c[i].Load()
		if p == nil {
			continue
		}
		for j, n := range p {
			if n == 0 {
				continue
			}
			p[j] = 0
			for _, s := range into {
				s.add(results.BucketTime(i*pageSize+j), int64(n))
			}
		}
	}
}

// series is a histogram that is allocated when it gets its first sample. Its memory grows with
// the number of non-empty buckets. It belongs to one goroutine.
type series struct{ *hdrhistogram.PackedHistogram }

func (s *series) add(value, n int64) {
	if s.PackedHistogram == nil {
		s.PackedHistogram = results.NewSparseHistogram()
	}
	_ = s.RecordValues(value, n) // in range by construction
}

// total returns the number of samples.
func (s *series) total() int64 {
	if s.PackedHistogram == nil {
		return 0
	}
	return s.TotalCount()
}

// empty removes all samples.
func (s *series) empty() {
	if s.total() > 0 {
		s.Reset()
	}
}

// merge adds the samples of another series.
func (s *series) merge(other *series) {
	if other.total() == 0 {
		return
	}
	for value, n := range other.ForEachBucket {
		s.add(value, n)
	}
}

// latency summarises the series.
func (s *series) latency(e *results.Encoder) (results.Latency, error) {
	if s.total() == 0 {
		return results.Latency{}, nil
	}
	return e.Latency(s.PackedHistogram)
}
