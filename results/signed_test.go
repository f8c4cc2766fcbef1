package results

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The percentiles of a time that can be negative are those of its values, within
// the histograms' resolution.
func TestSignedProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-int64(time.Minute), int64(time.Minute)), 1, 300).Draw(t, "values")
		before, after := NewHistogram(), NewHistogram()
		sum := 0.0
		for _, v := range values {
			sum += float64(v)
			if v < 0 {
				_ = before.RecordValue(-v)
			} else {
				_ = after.RecordValue(v)
			}
		}
		b, err1 := NewLatency(before)
		a, err2 := NewLatency(after)
		s, err3 := NewSigned(b, a)
		if err1 != nil || err2 != nil || err3 != nil || s.Count() != int64(len(values)) {
			t.Fatal(err1, err2, err3, s.Count())
		}
		slices.Sort(values)
		near := func(got, want int64) bool { return math.Abs(float64(got-want)) <= 2048+0.002*math.Abs(float64(want)) }
		for _, p := range []float64{10, 50, 90, 99} {
			i := int(math.Ceil(p/100*float64(len(values)))) - 1
			got := int64(s.Percentile(p).Time)
			// At the seam of the two halves a rank more or less is as good.
			if !near(got, values[i]) && !near(got, values[max(0, i-1)]) && !near(got, values[min(len(values)-1, i+1)]) {
				t.Errorf("p%v = %d, want %d", p, got, values[i])
			}
		}
		if mean := int64(sum / float64(len(values))); !near(s.Mean(), mean) && math.Abs(float64(s.Mean()-mean)) > 0.002*float64(time.Minute) {
			t.Errorf("mean %d, want %d", s.Mean(), mean)
		}
		if !near(s.Max(), values[len(values)-1]) {
			t.Errorf("max %d, want %d", s.Max(), values[len(values)-1])
		}
	})
}
