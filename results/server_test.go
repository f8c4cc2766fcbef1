package results

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A percentile read from buckets lies between the bounds that are given for it.
func TestBucketTimesBoundTheSamples(t *testing.T) {
	bounds := []float64{0.001, 0.002, 0.004, 0.008, 0.016}
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.SliceOfN(rapid.Int64Range(1, int64(40*time.Millisecond)), 1, 500).Draw(t, "times")
		growth := make([]uint64, len(bounds)+1)
		sum := 0.0
		for _, v := range ns {
			seconds := time.Duration(v).Seconds()
			sum += seconds
			for i, b := range bounds {
				if seconds <= b {
					growth[i]++
				}
			}
			growth[len(bounds)]++
		}
		got := NewBucketTimes(bounds, growth, sum)
		if got.Count != uint64(len(ns)) {
			t.Fatalf("count %d, want %d", got.Count, len(ns))
		}
		// At least half of the times must not exceed the upper bound, and at least
		// half of them not be below the lower.
		atMost, atLeast := 0, 0
		for _, v := range ns {
			if got.P50[1] == 0 || v <= got.P50[1] {
				atMost++
			}
			if v >= got.P50[0] {
				atLeast++
			}
		}
		if 2*atMost < len(ns) || 2*atLeast < len(ns) {
			t.Errorf("p50 between %v: %d at most, %d at least, of %d", got.P50, atMost, atLeast, len(ns))
		}
		if got.P99[0] < got.P50[0] {
			t.Errorf("p99 %v below p50 %v", got.P99, got.P50)
		}
	})
	if got := NewBucketTimes(bounds, nil, 1); got != (BucketTimes{}) {
		t.Errorf("without buckets: %+v", got)
	}
}

func TestCost(t *testing.T) {
	c := NewCost("measure", "m1", 1000, map[string]float64{"cpu": 0.5, "allocs": 20_000, "peer_sent": 3000, "peer_received": 1000, "client_sent": 1})
	for name, want := range map[string]float64{"cpu": 500_000, "allocs": 20, "peer_bytes": 4} {
		if c.Figures[name] != want {
			t.Errorf("%s = %v, want %v", name, c.Figures[name], want)
		}
	}
	if len(c.Figures) != 3 {
		t.Errorf("figures of which a part is unknown are told: %v", c.Figures)
	}
	// As strace counted them in a member for 1,400 puts: 1,149 fdatasyncs of the log and 128
	// of the database, which the metrics give as 1,149 fsyncs and 64 commits.
	c = NewCost("measure", "m1", 1400, map[string]float64{"fsyncs": 1149, "commits": 64})
	labels := map[string]float64{}
	for _, f := range CostFigures() {
		if v, ok := c.Figures[f.Name]; ok {
			labels[f.Label] = v * 1400
		}
	}
	if wal, commits := labels["WAL fsyncs"], labels["backend commits"]; math.Abs(wal-1149) > 1e-6 || math.Abs(2*commits-128) > 1e-6 {
		t.Errorf("fsyncs are told as %v", labels)
	}
	if c := NewCost("measure", "", 0, map[string]float64{"cpu": 1}); len(c.Figures) != 0 {
		t.Errorf("a cost of no operations: %v", c.Figures)
	}
}
