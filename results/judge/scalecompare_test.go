package judge

import (
	"math"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Ratios are those of rungs of one size that all ladders have; they have an interval where
// there are repeats enough.
func TestCompareScales(t *testing.T) {
	t.Parallel()
	ladder := func(factor float64, sizes ...int64) *results.Scale {
		s := &results.Scale{Workload: "objects", Rate: 400}
		for _, size := range sizes {
			s.Rungs = append(s.Rungs, results.ScaleRung{
				Size: size, Members: []results.ScaleMember{{File: int64(factor * float64(size))}},
				Events: []results.ScaleEvent{{Kind: results.ScaleSnapshot, Length: time.Duration(factor * 1e9)}},
			})
		}
		return s
	}
	rows := CompareScales([]*results.Scale{ladder(1, 100, 200, 300)}, []*results.Scale{ladder(2, 200, 300, 400)})
	if len(rows) != 4 || rows[0].Figure != "file" || rows[0].Size != 200 || math.Abs(rows[0].Ratio-2) > 1e-9 || rows[0].Low != nil {
		t.Errorf("one ladder a side: %+v", rows)
	}
	side := func(factor float64) (list []*results.Scale) {
		for i := range 5 {
			list = append(list, ladder(factor*(1+0.01*float64(i)), 1000))
		}
		return list
	}
	rows = CompareScales(side(1), side(1.5))
	if len(rows) != 2 || rows[0].Low == nil || !(*rows[0].Low > 1.4 && *rows[0].Low <= rows[0].Ratio && *rows[0].High < 1.6) {
		t.Errorf("five ladders a side: %+v", rows)
	}
	other := ladder(1, 100)
	other.Rate = 1
	if d := ScaleDifferences(ladder(1, 100), other); len(d) != 1 || d[0] != "rate" {
		t.Errorf("differences: %v", d)
	}
}
