package judge

import (
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// latency summarises times in nanoseconds.
func latency(t *testing.T, ns ...int64) results.Latency {
	t.Helper()
	h := results.NewHistogram()
	for _, n := range ns {
		if err := h.RecordValue(n); err != nil {
			t.Fatal(err)
		}
	}
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
