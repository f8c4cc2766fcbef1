package judge

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// noiseOf returns numbers about 0: sums of four values of a linear congruential
// generator.
func noiseOf(n int) []float64 {
	list := make([]float64, n)
	seed := int64(3)
	for i := range list {
		for range 4 {
			seed = (1103515245*seed + 12345) % 2147483648
			list[i] += float64(seed)/2147483648 - 0.5
		}
	}
	return list
}

// past are runs of a series whose allocations change at one of them.
func past(n, change int, by float64) []results.HistoryRun {
	var runs []results.HistoryRun
	for i, v := range noiseOf(n) {
		r := &results.Run{ID: fmt.Sprint("run", i), Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid}, Started: time.Date(2026, 11, 1+i, 0, 0, 0, 0, time.UTC), Label: fmt.Sprint("rev", i)}
		allocs := 200 * math.Exp(0.004*v)
		if i >= change {
			allocs *= 1 + by
		}
		runs = append(runs, results.HistoryRun{Run: r, Values: map[string]float64{"allocs": allocs, "throughput": 1000 * math.Exp(0.1*v)}})
	}
	return runs
}

// A change for the worse by the margin is an alert, with the commit at which it
// came; a smaller one, or one for the better, is none.
func TestHistoryChanges(t *testing.T) {
	for by, alert := range map[float64]bool{0.05: true, 0.01: false, -0.05: false} {
		changes, err := HistoryChanges(past(30, 18, by), nil)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v: %+v, %v", by, changes, err)
		}
		c := changes[0]
		if c.Metric != "allocs" || c.Label != "rev18" || c.Run != "run18" || math.Abs(c.Change-by) > 0.002 || c.Alert != alert {
			t.Errorf("%v: %+v", by, c)
		}
	}
	if _, err := HistoryChanges(past(9, 5, 1), nil); err == nil || !strings.Contains(err.Error(), "a change needs a series of 19 runs: the longest of 1 series has 9") {
		t.Errorf("a short history: %v", err)
	}
	// Runs of two machines are two series, and not a change.
	mixed := past(60, 30, 0.5)
	for _, r := range mixed[30:] {
		r.Environment.CPUs = 64
	}
	if changes, err := HistoryChanges(mixed, nil); err != nil || len(changes) != 0 {
		t.Errorf("two machines: %v, %v", changes, err)
	}
}

// Runs with two transports are two series, and not a change, which the verdict says.
// Runs that differ in the machine, too, need no such warning.
func TestHistoryTransports(t *testing.T) {
	for _, otherMachine := range []bool{false, true} {
		runs := past(60, 30, 0.5)
		for _, r := range runs[30:] {
			r.Plan.Transport = results.TransportLean
			if otherMachine {
				r.Environment.CPUs = 64
			}
		}
		v, err := HistoryVerdict("results", runs, nil, nil)
		if err != nil || v.Verdict != results.Pass || len(v.Changes) != 0 {
			t.Fatalf("%+v, %v", v, err)
		}
		if warned := len(v.Warnings) == 1 && v.Warnings[0].Code == "transports"; warned == otherMachine {
			t.Errorf("another machine %v: warnings %v", otherMachine, v.Warnings)
		}
	}
}

// historyRuns makes runs of one series from the values of their metrics.
func historyRuns(n int, values func(i int) map[string]float64) []results.HistoryRun {
	var runs []results.HistoryRun
	for i := range n {
		r := &results.Run{ID: fmt.Sprint("run", i), Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid}, Label: fmt.Sprint("rev", i)}
		runs = append(runs, results.HistoryRun{Run: r, Values: values(i)})
	}
	return runs
}

// steps makes a metric that is multiplied by a factor from given runs on.
func steps(r *rand.Rand, metric string, noise float64, at map[int]float64) func(i int) map[string]float64 {
	factor := 1.0
	return func(i int) map[string]float64 {
		if f := at[i]; f != 0 {
			factor = f
		}
		return map[string]float64{metric: 100 * factor * math.Exp(noise*r.NormFloat64())}
	}
}

// alerts returns the alerts of a history.
func alerts(t testing.TB, runs []results.HistoryRun, rules *HistoryRules) (list []results.SeriesChange) {
	t.Helper()
	changes, err := HistoryChanges(runs, rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Alert {
			list = append(list, c)
		}
	}
	return list
}

// A worsening is judged against the best level: a rise of 30 % followed by a fall of 7 %
// is still an alert, a complete return is none, and an accepted level is the one to judge
// by.
func TestHistoryAgainstBestLevel(t *testing.T) {
	for name, tc := range map[string]struct {
		n        int
		at       map[int]float64
		accepted string
		since    string
	}{
		"30 % up, 7 % down":           {75, map[int]float64{30: 1.30, 55: 1.30 * 0.93}, "", "run30"},
		"30 % up, 7 % down, just now": {61, map[int]float64{30: 1.30, 55: 1.30 * 0.93}, "", "run30"},
		"30 % up and back":            {62, map[int]float64{30: 1.30, 55: 1}, "", ""},
		"two small steps":             {90, map[int]float64{30: 1.015, 60: 1.032}, "", "run60"},
		"accepted":                    {75, map[int]float64{30: 1.30, 55: 1.30 * 0.93}, "rev70", ""},
		"accepted, and worse again":   {100, map[int]float64{30: 1.30, 60: 1.40}, "run50", "run60"},
		"better, and back":            {90, map[int]float64{30: 0.9, 60: 1}, "", "run60"},
	} {
		for seed := range uint64(20) {
			runs := historyRuns(tc.n, steps(rand.New(rand.NewPCG(1, seed)), "allocs", 0.003, tc.at))
			got := alerts(t, runs, &HistoryRules{Accepted: tc.accepted})
			since := ""
			if len(got) == 1 {
				since = got[0].Run
			}
			if len(got) > 1 || since != tc.since {
				t.Errorf("%s: alerts %+v, want one since %q", name, got, tc.since)
				break
			}
		}
	}
	runs := historyRuns(75, steps(rand.New(rand.NewPCG(1, 2)), "allocs", 0.003, map[int]float64{30: 1.30, 55: 1.30 * 0.93}))
	if got := alerts(t, runs, nil)[0]; math.Abs(got.Worse-0.209) > 0.005 || math.Abs(got.Best-100) > 0.5 || math.Abs(got.Now-120.9) > 0.5 {
		t.Errorf("30 %% up, 7 %% down: %+v", got)
	}
	if _, err := HistoryChanges(runs, &HistoryRules{Accepted: "rev"}); err == nil || !strings.Contains(err.Error(), `"rev"`) {
		t.Errorf("accepted is a run that is not there: %v", err)
	}
}

// Runs that start to fail 4 % of their requests are an alert, and so are runs that fail
// more than before; one failure in ten thousand is none.
func TestHistoryErrorRate(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after float64
		alert         bool
	}{
		"none before": {0, 0.04, true}, "some before": {0.01, 0.04, true}, "hardly any": {0, 0.0001, false},
		"fewer": {0.04, 0, false}, "none": {0, 0, false},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		runs := historyRuns(40, func(i int) map[string]float64 {
			share := tc.before
			if i >= 32 {
				share = tc.after
			}
			return map[string]float64{"error_rate": share * (0.8 + 0.4*r.Float64()), "throughput": 1000 * (1 + 0.1*r.NormFloat64())}
		})
		got := alerts(t, runs, nil)
		if len(got) > 1 || len(got) == 1 != tc.alert || tc.alert && (got[0].Metric != "error_rate" || got[0].Run != "run32" || got[0].Change < 0.02) {
			t.Errorf("%s: %+v", name, got)
		}
		if n := len(alerts(t, runs, &HistoryRules{Metrics: []string{"throughput"}})); n != 0 {
			t.Errorf("%s: %d alerts of throughput", name, n)
		}
	}
	if err := (&HistoryRules{Metrics: []string{"troughput"}}).Validate(); err == nil || !strings.Contains(err.Error(), `similar: "throughput"`) {
		t.Errorf("a metric that is not there: %v", err)
	}
}

// histories is how many histories each promise of docs/gates.md is simulated with; the
// figures there are of 8,000.
var histories = flag.Int("histories", 200, "histories that each promise is simulated with")

// simulate plays histories on all CPUs, seeded, and returns the share of those that do.
func simulate(n int, play func(r *rand.Rand) bool) float64 {
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := 0
	for w := range 2 {
		wg.Go(func() {
			for i := w; i < n; i += 2 {
				if play(rand.New(rand.NewPCG(20261120, uint64(i)))) {
					mu.Lock()
					count++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return float64(count) / float64(n)
}

// noises are kinds of noise whose standard deviation is about 1.
func noises() map[string]func(r *rand.Rand) func() float64 {
	return map[string]func(r *rand.Rand) func() float64{
		"normal": func(r *rand.Rand) func() float64 { return r.NormFloat64 },
		"skewed, heavy tails": func(r *rand.Rand) func() float64 {
			return func() float64 { return r.ExpFloat64() * r.ExpFloat64() / 1.7 }
		},
		"bursts in one run of ten": func(r *rand.Rand) func() float64 {
			return func() float64 {
				if r.Float64() < 0.1 {
					return 3 + r.NormFloat64()
				}
				return r.NormFloat64()
			}
		},
	}
}

// When nothing changes, at most 1 history in 100 alerts after any of its runs, over all
// metrics: see docs/gates.md. A history is judged after each of its runs, from the tenth
// to the 90th.
func TestHistoryFalseAlarms(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of histories")
	}
	for name, source := range noises() {
		got := simulate(*histories, func(r *rand.Rand) bool {
			next := source(r)
			runs := historyRuns(90, func(int) map[string]float64 {
				values := map[string]float64{"error_rate": max(0, 0.05+0.02*next())}
				for _, m := range Metrics() {
					if m.Name != errorRate {
						values[m.Name] = 1000 * math.Exp(0.1*next())
					}
				}
				return values
			})
			// What is found after one run stays: the changes of the whole hold those of all
			// its beginnings, see TestHistoryLooks.
			changes, err := HistoryChanges(runs, nil)
			if err != nil {
				t.Error(err)
			}
			return len(changes) > 0
		})
		t.Logf("nothing changes, %s: %.2f %% of histories ever have a change", name, 100*got)
		if limit := HistoryFalseAlarm + 3*math.Sqrt(HistoryFalseAlarm/float64(*histories)); got > limit {
			t.Errorf("%s: %.4f of histories have a change where nothing changes", name, got)
		}
	}
}

// A history whose runs are added one by one has the changes of the whole, as soon as they
// are found, so that the rate of false alarms over all looks is that of the last.
func TestHistoryLooks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(3, seed))
		runs := historyRuns(70, steps(r, "p99", 0.05, map[int]float64{25: 0.8, 48: 1}))
		whole, err := HistoryChanges(runs, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := 18; n <= len(runs); n++ {
			changes, err := HistoryChanges(runs[:n], nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range changes {
				// The end of an alert is looked for anew each time.
				if lost := i >= len(whole) || whole[i].Change*c.Change < 0; lost && c.Change > 0 {
					t.Errorf("after %d runs: a change at %s, of the whole %+v", n, c.Run, whole)
				}
			}
		}
	}
}

// A step of twice the noise is found within 25 runs nine times in ten, and one of four
// times within 10: see docs/gates.md. The history has 12 metrics.
func TestHistoryPower(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of histories")
	}
	for _, noise := range []float64{0.02, 0.05, 0.10} {
		for _, step := range []float64{0.05, 0.10, 0.20} {
			line := ""
			for _, after := range []int{8, 10, 15, 25, 50} {
				got := simulate(*histories/4, func(r *rand.Rand) bool {
					runs := historyRuns(40+after, func(i int) map[string]float64 {
						values := map[string]float64{}
						for _, m := range Metrics() {
							if m.Absolute {
								continue
							}
							values[m.Name] = 1000 * math.Exp(noise*r.NormFloat64())
							if m.Name == "p99" && i >= 40 {
								values[m.Name] *= 1 + step
							}
						}
						return values
					})
					return len(alerts(t, runs, &HistoryRules{Margins: map[string]float64{"p99": 0.03}})) > 0
				})
				line += fmt.Sprintf(" %3.0f %% after %d,", 100*got, after)
				if step >= 2*noise && after >= 25 && got < 0.9 || step >= 4*noise && after >= 10 && got < 0.9 {
					t.Errorf("noise %v, a step of %v: found in %.2f of histories after %d runs", noise, step, got, after)
				}
			}
			t.Logf("noise %2.0f %%, step %2.0f %%:%s", 100*noise, 100*step, strings.TrimSuffix(line, ","))
		}
	}
}
