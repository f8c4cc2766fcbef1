package results

import (
	"testing"

	"pgregory.net/rapid"
)

// The bucket layout must be the library's own, or everything read from a
// counter would be off.
func TestBucketsAreTheLibrarys(t *testing.T) {
	if want := len(NewHistogram().Export().Counts); Buckets() > want {
		t.Errorf("%d buckets, the library has %d", Buckets(), want)
	}
	rapid.Check(t, func(t *rapid.T) {
		magnitude := rapid.IntRange(0, 40).Draw(t, "magnitude")
		ns := min(rapid.Int64Range(0, 1<<magnitude).Draw(t, "ns"), HighestTime)
		h := NewHistogram()
		if err := h.RecordValue(ns); err != nil {
			t.Fatal(err)
		}
		for i, n := range h.Export().Counts {
			if n != 0 && i != BucketOf(ns) {
				t.Fatalf("%d ns is in bucket %d, the library has it in %d", ns, BucketOf(ns), i)
			}
		}
		if low := BucketTime(BucketOf(ns)); low > ns || BucketOf(low) != BucketOf(ns) {
			t.Fatalf("bucket %d of %d ns starts at %d ns", BucketOf(ns), ns, low)
		}
	})
}

// What an encoder makes is, byte for byte, what the library makes, whatever the encoder has
// encoded before.
func TestEncoderAgreesWithTheLibrary(t *testing.T) {
	e := &Encoder{}
	rapid.Check(t, func(t *rapid.T) {
		h := NewSparseHistogram()
		for _, magnitude := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 200).Draw(t, "magnitudes") {
			ns := min(rapid.Int64Range(0, 1<<magnitude).Draw(t, "ns"), HighestTime)
			if err := h.RecordValues(ns, rapid.Int64Range(1, 1<<40).Draw(t, "count")); err != nil {
				t.Fatal(err)
			}
		}
		want, err := NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Latency(h); err != nil || got != want {
			t.Fatalf("the encoder makes %+v, the library %+v (%v)", got, want, err)
		}
	})
	if l, err := e.Latency(NewSparseHistogram()); err != nil || l != (Latency{}) {
		t.Errorf("of an empty histogram: %+v, %v", l, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	h := NewSparseHistogram()
	for ns := int64(100_000); ns < 5_000_000; ns += 777 {
		_ = h.RecordValue(ns)
	}
	b.Run("encoder", func(b *testing.B) {
		b.ReportAllocs()
		e := &Encoder{}
		for b.Loop() {
			_, _ = e.Latency(h)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = NewLatency(h)
		}
	})
}
