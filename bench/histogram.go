package bench

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/results"
)

// The bucket layout of an HdrHistogram with the geometry of package results
// (http://hdrhistogram.org). It is written out here because the library's
// histograms cannot be counted into by several goroutines at once; a property
// test holds it to the library, bucket by bucket.
const (
	unitMagnitude = 9  // floor(log2(1,000 ns)): buckets are 512 ns wide at first
	halfMagnitude = 10 // a bucket is halved into 1,024: three significant digits
	halfCount     = 1 << halfMagnitude
	firstBucket   = 2*halfCount<<unitMagnitude - 1
)

// bucketCount returns the number of buckets that reach up to results.HighestTime.
func bucketCount() int { return bucketOf(results.HighestTime) + 1 }

func bucketOf(ns int64) int {
	magnitude := bits.Len64(uint64(ns)|firstBucket) - unitMagnitude - halfMagnitude - 1
	return magnitude<<halfMagnitude + int(ns>>(magnitude+unitMagnitude))
}

// valueOf returns the lowest time of bucket i.
func valueOf(i int) int64 {
	magnitude := max(0, i>>halfMagnitude-1)
	return int64(i-magnitude<<halfMagnitude) << (magnitude + unitMagnitude)
}

// A counter is a histogram that many goroutines count into without a lock. It
// covers one interval, for which 32 bits are enough.
type counter []uint32

func (c counter) record(d time.Duration) {
	atomic.AddUint32(&c[bucketOf(min(max(int64(d), 0), results.HighestTime))], 1)
}

// drain moves what c holds into the histograms and leaves c empty. Nobody may
// be recording into c.
func (c counter) drain(into ...*hdrhistogram.Histogram) {
	for i, n := range c {
		if n == 0 {
			continue
		}
		c[i] = 0
		for _, h := range into {
			_ = h.RecordValues(valueOf(i), int64(n)) // in range by construction
		}
	}
}
