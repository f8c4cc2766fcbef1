package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Runs with different transports are not compared, on whichever side they are; a plan
// without a transport used grpc-go.
func TestCompareRefusesTransports(t *testing.T) {
	grpc, old, lean := saved(t, 1, 4, time.Millisecond, 0), saved(t, 2, 4, time.Millisecond, 0), saved(t, 3, 4, time.Millisecond, 0)
	grpc.Plan.Transport, lean.Plan.Transport = results.TransportGRPC, results.TransportLean
	if _, err := Compare([]Run{grpc}, []Run{old}); err != nil {
		t.Error(err)
	}
	for _, sides := range [][2][]Run{{{grpc}, {lean}}, {{old}, {lean}}, {{grpc, lean}, {old}}, {{old}, {grpc, lean}}} {
		list, err := Compare(sides[0], sides[1])
		if err == nil || list != nil || !strings.Contains(err.Error(), "--transport grpc and 3 was measured with --transport lean") {
			t.Errorf("compared %d figures, error %v", len(list), err)
		}
	}
}

// saved is a run of so many seconds whose response times are about a median, as
// logarithms scattering by 0.3 within a second and by drift from second to second.
func saved(t *testing.T, seed uint64, seconds int, median time.Duration, drift float64) Run {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	run := &results.Run{ID: fmt.Sprint(seed), Outcome: results.Completed, Plan: results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}}, Phases: []results.Phase{{Name: "measure", Length: time.Duration(seconds) * time.Second}}}
	var intervals []*results.Interval
	var all []results.Latency
	total := uint64(0)
	for n := range seconds {
		h := results.NewHistogram()
		level := math.Exp(drift * r.NormFloat64())
		for range 200 {
			if err := h.RecordValue(int64(float64(median) * level * math.Exp(0.3*r.NormFloat64()))); err != nil {
				t.Fatal(err)
			}
		}
		l, err := results.NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
		total += 200
		intervals = append(intervals, &results.Interval{Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []results.Operation{{Phase: "measure", Op: "put", Completed: 200, ResponseTime: l}}})
	}
	merged, err := results.MergeLatency(all...)
	if err != nil {
		t.Fatal(err)
	}
	run.Operations = []results.Operation{{Phase: "measure", Op: "put", Offered: total, Completed: total, ResponseTime: merged}}
	run.Server = &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: total, Figures: map[string]float64{"allocs": 200}}}}
	return Run{run, func(each func(*results.Interval) error) error {
		for _, i := range intervals {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

func compared(t *testing.T, base, candidate []Run) map[string]results.Comparison {
	t.Helper()
	list, err := Compare(base, candidate)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]results.Comparison{}
	for _, c := range list {
		m[c.Metric] = c
	}
	return m
}

// One run a side is compared by its own seconds, and said to be; several by each
// other; of too few seconds, there is no interval.
func TestCompare(t *testing.T) {
	ms := time.Millisecond
	one := compared(t, []Run{saved(t, 1, 60, 10*ms, 0.05)}, []Run{saved(t, 2, 60, 13*ms, 0.05)})
	if c := one["p50"]; c.Word != results.Worse || !c.Descriptive || c.Change < 0.2 || c.Change > 0.4 || *c.Lower <= 0 || *c.Lower > c.Change || *c.Upper < c.Change {
		t.Errorf("one against one, slower: %+v", c)
	}
	same := compared(t, []Run{saved(t, 1, 120, 10*ms, 0.02)}, []Run{saved(t, 2, 120, 10*ms, 0.02)})
	if c := same["p50"]; c.Word != results.Same || c.Within > 0.05 {
		t.Errorf("the same: %+v", c)
	}
	short := compared(t, []Run{saved(t, 1, 20, 10*ms, 0.05)}, []Run{saved(t, 2, 20, 20*ms, 0.05)})
	if c := short["p50"]; c.Word != results.Unresolved || c.Lower != nil {
		t.Errorf("short runs: %+v", c)
	}
	if c := one["allocs"]; c.Word != results.Unresolved || math.Abs(c.Base-200) > 1e-6 || c.Operation != "" {
		t.Errorf("cost of one run a side: %+v", c)
	}
	var base, candidate []Run
	for n := range uint64(5) {
		base, candidate = append(base, saved(t, 10+n, 20, 10*ms, 0.05)), append(candidate, saved(t, 20+n, 20, 8*ms, 0.05))
	}
	several := compared(t, base, candidate)
	if c := several["p50"]; c.Word != results.Better || c.Descriptive || *c.Upper >= 0 {
		t.Errorf("five against five, faster: %+v", c)
	}
	if c := several["throughput"]; c.Word != results.Same {
		t.Errorf("the same throughput: %+v", c)
	}
}

// Woodruff's interval of a p50 holds the true median about as often as it says.
func TestWoodruffCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 60 runs")
	}
	const trials = 60
	held := 0
	for n := range uint64(trials) {
		s, err := newSeries(saved(t, 100+n, 50, 10*time.Millisecond, 0.05), "put")
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.percentile(50, blockLength, compareAlpha)
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
