package results

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Critical values of the two-sided Mann–Whitney test at 0.05, as its tables print
// them (D. Auble, "Extended tables for the Mann-Whitney statistic", 1953; −1 where
// they have none).
func TestRankSumTable(t *testing.T) {
	for _, tc := range [][3]int{{3, 3, -1}, {3, 5, 0}, {4, 4, 0}, {5, 5, 2}, {6, 6, 5}, {7, 7, 8}, {8, 8, 13}, {9, 9, 17}, {10, 10, 23}, {12, 12, 37}, {15, 15, 64}, {20, 20, 127}, {5, 10, 8}, {8, 12, 22}} {
		if got := rankSumCritical(tc[0], tc[1], 0.025); got != tc[2] {
			t.Errorf("%d and %d values: critical value %d, the table has %d", tc[0], tc[1], got, tc[2])
		}
	}
}

// saved is a run of so many seconds whose response times are about a median, as
// logarithms scattering by 0.3 within a second and by drift from second to second.
func saved(t *testing.T, seed uint64, seconds int, median time.Duration, drift float64) ComparedRun {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	run := &Run{ID: fmt.Sprint(seed), Outcome: Completed, Plan: Plan{Phases: []PlanPhase{{Name: "measure"}}}, Phases: []Phase{{Name: "measure", Length: time.Duration(seconds) * time.Second}}}
	var intervals []*Interval
	var all []Latency
	total := uint64(0)
	for n := range seconds {
		h := NewHistogram()
		level := math.Exp(drift * r.NormFloat64())
		for range 200 {
			if err := h.RecordValue(int64(float64(median) * level * math.Exp(0.3*r.NormFloat64()))); err != nil {
				t.Fatal(err)
			}
		}
		l, err := NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
		total += 200
		intervals = append(intervals, &Interval{Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []Operation{{Phase: "measure", Op: "put", Completed: 200, ResponseTime: l}}})
	}
	merged, err := MergeLatency(all...)
	if err != nil {
		t.Fatal(err)
	}
	run.Operations = []Operation{{Phase: "measure", Op: "put", Offered: total, Completed: total, ResponseTime: merged}}
	run.Server = &Server{Cost: []Cost{{Phase: "measure", Operations: total, Figures: map[string]float64{"allocs": 200}}}}
	return ComparedRun{run, func(each func(*Interval) error) error {
		for _, i := range intervals {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

func compared(t *testing.T, base, candidate []ComparedRun) map[string]Comparison {
	t.Helper()
	list, err := Compare(base, candidate)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]Comparison{}
	for _, c := range list {
		m[c.Metric] = c
	}
	return m
}

// One run a side is compared by its own seconds, and said to be; several by each
// other; of too few seconds, there is no interval.
func TestCompare(t *testing.T) {
	ms := time.Millisecond
	one := compared(t, []ComparedRun{saved(t, 1, 60, 10*ms, 0.05)}, []ComparedRun{saved(t, 2, 60, 13*ms, 0.05)})
	if c := one["p50"]; c.Word != Worse || !c.Descriptive || c.Change < 0.2 || c.Change > 0.4 || *c.Lower <= 0 || *c.Lower > c.Change || *c.Upper < c.Change {
		t.Errorf("one against one, slower: %+v", c)
	}
	same := compared(t, []ComparedRun{saved(t, 1, 120, 10*ms, 0.02)}, []ComparedRun{saved(t, 2, 120, 10*ms, 0.02)})
	if c := same["p50"]; c.Word != Same || c.Within > 0.05 {
		t.Errorf("the same: %+v", c)
	}
	short := compared(t, []ComparedRun{saved(t, 1, 20, 10*ms, 0.05)}, []ComparedRun{saved(t, 2, 20, 20*ms, 0.05)})
	if c := short["p50"]; c.Word != Unresolved || c.Lower != nil {
		t.Errorf("short runs: %+v", c)
	}
	if c := one["allocs"]; c.Word != Unresolved || math.Abs(c.Base-200) > 1e-6 || c.Operation != "" {
		t.Errorf("cost of one run a side: %+v", c)
	}
	var base, candidate []ComparedRun
	for n := range uint64(5) {
		base, candidate = append(base, saved(t, 10+n, 20, 10*ms, 0.05)), append(candidate, saved(t, 20+n, 20, 8*ms, 0.05))
	}
	several := compared(t, base, candidate)
	if c := several["p50"]; c.Word != Better || c.Descriptive || *c.Upper >= 0 {
		t.Errorf("five against five, faster: %+v", c)
	}
	if c := several["throughput"]; c.Word != Same {
		t.Errorf("the same throughput: %+v", c)
	}
}

// Woodruff's interval of a p50 holds the true median about as often as it says.
func TestWoodruffCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100 runs")
	}
	const trials = 100
	held := 0
	for n := range uint64(trials) {
		f, err := percentileOf(saved(t, 100+n, 50, 10*time.Millisecond, 0.05), "put", 50, blockLength, compareAlpha)
		if err != nil {
			t.Fatal(err)
		}
		d := math.Log(0.010*1e9) - math.Log(f.value)
		if -f.down <= d && d <= f.up {
			held++
		}
	}
	if share := float64(held) / trials; share < 0.90 {
		t.Errorf("the interval holds the truth in %v of %d trials, want 0.95", share, trials)
	}
}
