package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// An Encoder summarises histograms of the project's geometry, one after the other, as
// [NewLatency] does. It keeps its buffers and its compressor, which take more time to make
// than a histogram takes to encode. It is for one goroutine; the zero value is ready for use.
type Encoder struct {
	payload    []byte
	compressor *zlib.Writer
	compressed bytes.Buffer
}

// The constants of the V2 format of HdrHistogram, compressed and uncompressed.
const (
	cookie           = 0x1c849303 | 0x10
	compressedCookie = 0x1c849304 | 0x10
	headerSize       = 40
)

// Latency summarises and encodes h.
func (e *Encoder) Latency(h *hdrhistogram.PackedHistogram) (Latency, error) {
	if h.TotalCount() == 0 {
		return Latency{}, nil
	}
	encoded, err := e.encode(h)
	if err != nil {
		return Latency{}, fmt.Errorf("encode histogram: %w", err)
	}
	return summary(h, encoded), nil
}

// encode returns the V2 compressed form, with the same bytes as EncodeV2 of h.
func (e *Encoder) encode(h *hdrhistogram.PackedHistogram) (string, error) {
	e.appendPayload(h)
	const prefix = 8
	e.compressed.Reset()
	e.compressed.Write(make([]byte, prefix))
	if e.compressor == nil {
		var err error
		if e.compressor, err = zlib.NewWriterLevel(&e.compressed, zlib.BestCompression); err != nil {
			return "", err
		}
	} else {
		e.compressor.Reset(&e.compressed)
	}
	if _, err := e.compressor.Write(e.payload); err != nil {
		return "", err
	}
	if err := e.compressor.Close(); err != nil {
		return "", err
	}
	out := e.compressed.Bytes()
	binary.BigEndian.PutUint32(out, compressedCookie)
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-prefix))
	return base64.StdEncoding.EncodeToString(out), nil
}

// appendPayload writes the uncompressed form: a header, and the counts of all buckets up to the
// last non-empty one. Several consecutive empty buckets are one negative number.
func (e *Encoder) appendPayload(h *hdrhistogram.PackedHistogram) {
	p := append(e.payload[:0], make([]byte, headerSize)...)
	next := 0
	h.ForEachBucket(func(ns, count int64) bool {
		bucket := BucketOf(ns)
		if empty := int64(bucket - next); empty == 1 {
			p = binary.AppendVarint(p, 0)
		} else if empty > 1 {
			p = binary.AppendVarint(p, -empty)
		}
		p = binary.AppendVarint(p, count)
		next = bucket + 1
		return true
	})
	binary.BigEndian.PutUint32(p, cookie)
	binary.BigEndian.PutUint32(p[4:], uint32(len(p)-headerSize))
	binary.BigEndian.PutUint32(p[12:], SignificantDigits)
	binary.BigEndian.PutUint64(p[16:], uint64(LowestTime))
	binary.BigEndian.PutUint64(p[24:], uint64(HighestTime))
	binary.BigEndian.PutUint64(p[32:], math.Float64bits(1)) // the conversion factor to nanoseconds
	e.payload = p
}
