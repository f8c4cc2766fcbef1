package results

import "math/bits"

// The bucket layout of an HdrHistogram with the geometry of this package
// (http://hdrhistogram.org), for counters and encodings that need the numbers of buckets,
// which the library does not export. A property test compares it with the library, bucket by
// bucket.
const (
	unitMagnitude = 9  // floor(log2(1,000 ns)): buckets are 512 ns wide at first
	halfMagnitude = 10 // a bucket is halved into 1,024: three significant digits
	halfCount     = 1 << halfMagnitude
	firstBucket   = 2*halfCount<<unitMagnitude - 1
)

// Buckets returns the number of buckets, which reach up to [HighestTime].
func Buckets() int { return BucketOf(HighestTime) + 1 }

// BucketOf returns the number of the bucket of a time, in nanoseconds, from 0 to
// [HighestTime].
func BucketOf(ns int64) int {
	magnitude := bits.Len64(uint64(ns)|firstBucket) - unitMagnitude - halfMagnitude - 1
	return magnitude<<halfMagnitude + int(ns>>(magnitude+unitMagnitude))
}

// BucketTime returns the lowest time of a bucket, in nanoseconds.
func BucketTime(bucket int) int64 {
	magnitude := max(0, bucket>>halfMagnitude-1)
	return int64(bucket-magnitude<<halfMagnitude) << (magnitude + unitMagnitude)
}
