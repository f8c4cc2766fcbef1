package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// trials is how often a promise is played: more often with -long.
func trials(few, many int) int {
	if *long {
		return many
	}
	return few
}

// atMost fails where n of the trials are more than the share that was promised, beyond what
// chance explains in one of a thousand tests.
func atMost(t *testing.T, what string, n, trials int, share float64) {
	t.Helper()
	t.Logf("%s: %d of %d", what, n, trials)
	if most := share*float64(trials) + 3.1*math.Sqrt(share*(1-share)*float64(trials)) + 1; float64(n) > most {
		t.Errorf("%s: %d of %d, promised are %.3g %%", what, n, trials, 100*share)
	}
}

// binomial draws how many of n arrivals have a property.
func binomial(r *rand.Rand, n int, share float64) (count int) {
	for range n {
		if r.Float64() < share {
			count++
		}
	}
	return count
}

// oneSecond is what completed in a second: arrivals take about ten milliseconds, times the level,
// and slow ones a second.
func oneSecond(t *testing.T, r *rand.Rand, arrivals, slow int, level float64) results.Operation {
	t.Helper()
	var times []int64
	for n := range arrivals {
		took := 10e6 * level * math.Exp(0.3*r.NormFloat64())
		if n < slow {
			took = 1e9
		}
		times = append(times, int64(took))
	}
	o := results.Operation{
		Phase: "measure", Op: "put", Offered: uint64(arrivals), Completed: uint64(arrivals), ResponseTime: latency(t, times...),
	}
	if err := o.Complete(time.Second); err != nil {
		t.Fatal(err)
	}
	return o
}

// seconds returns a run of so many seconds.
func seconds(t *testing.T, count int, of func() results.Operation) Run {
	t.Helper()
	run := &results.Run{
		Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "measure"}}},
		Phases: []results.Phase{{Name: "measure", Length: time.Duration(count) * time.Second}},
	}
	var list []*results.Interval
	var all []results.Operation
	for s := range count {
		o := of()
		list = append(list, &results.Interval{
			Number: s, Phase: "measure", Start: time.Duration(s) * time.Second, Length: time.Second, InFlight: 5, Operations: []results.Operation{o},
		})
		all = append(all, o)
	}
	return withIntervals(t, run, list, all)
}

// A probe whose true share of slow arrivals is exactly what the SLO allows is sustained in
// one of 200 cases at most, and overloaded in as many; with 90 % bounds in one of 20. Where
// slow arrivals come in bursts of a second, and all take as long, as timeouts do, it is
// sustained in 4 % of the cases, and overloaded in 2 %.
func TestProbePromises(t *testing.T) {
	t.Parallel()
	slo := thresholds(t, "put.response_time.p99 < 100ms")
	for name, c := range map[string]struct {
		alpha    float64
		together bool
	}{"99 %": {ProbeAlpha, false}, "99 %, in bursts": {ProbeAlpha, true}, "90 %, --quick": {0.1, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := trials(30, 1000)
			counts, played := map[string]int{}, map[int]results.Operation{}
			for seed := range uint64(n) {
				r := rand.New(rand.NewPCG(seed, 21))
				run := seconds(t, 30, func() results.Operation {
					share := 0.01
					if c.together { // a second in five has all of them
						share = 0.05 * float64(binomial(r, 1, 0.2))
					}
					slow := binomial(r, 100, share)
					if _, known := played[slow]; !known {
						played[slow] = oneSecond(t, r, 100, slow, 1)
					}
					return played[slow]
				})
				verdict, _, err := Probe(run, slo, c.alpha)
				if err != nil {
					t.Fatal(err)
				}
				counts[verdict]++
			}
			sustained, overloaded := c.alpha/2, c.alpha/2
			if c.together { // ten tenths of the run say roughly how they scatter
				sustained, overloaded = 0.036, 0.023
			}
			atMost(t, "sustained", counts[results.Sustained], n, sustained)
			atMost(t, "overloaded", counts[results.Overloaded], n, overloaded)
		})
	}
}

// Where two sides do not differ, the 95 % interval of the change excludes no change in one of
// 20 comparisons at most: of five runs a side whose levels scatter by a tenth, and of one run a
// side by its own seconds.
func TestComparePromises(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ runs, seconds, few, many int }{"five runs": {5, 1, 30, 4000}, "one run": {1, 60, 5, 1000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := trials(c.few, c.many)
			missed := map[string]int{}
			for seed := range uint64(n) {
				r := rand.New(rand.NewPCG(seed, 22))
				var sides [2][]Run
				for k := range sides {
					for range c.runs {
						rate, level := 1.0, 1.0
						if c.runs > 1 {
							rate, level = math.Exp(0.1*r.NormFloat64()), math.Exp(0.1*r.NormFloat64())
						}
						sides[k] = append(sides[k], seconds(t, c.seconds, func() results.Operation {
							return oneSecond(t, r, int(200*rate*math.Exp(0.1*r.NormFloat64())), 0, level*math.Exp(0.05*r.NormFloat64()))
						}))
					}
				}
				list, err := Compare(sides[0], sides[1])
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range list {
					if c.Lower != nil && (*c.Lower > 0 || *c.Upper < 0) {
						missed[c.Metric]++
					}
				}
			}
			for _, metric := range []string{"throughput", "p50", "p99", "error_rate"} {
				atMost(t, metric, missed[metric], n, 0.05)
			}
		})
	}
}

// The interval between ladders of the same two sides excludes no change in one of 20
// comparisons at most.
func TestScaleComparePromises(t *testing.T) {
	t.Parallel()
	n, missed := trials(1000, 20_000), 0
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 23))
		var sides [2][]*results.Scale
		for k := range sides {
			for range 4 + k {
				file := int64(1e9 * math.Exp(0.1*r.NormFloat64()))
				sides[k] = append(sides[k], &results.Scale{Rungs: []results.ScaleRung{{Size: 1000, Members: []results.ScaleMember{{File: file}}}}})
			}
		}
		rows := CompareScales(sides[0], sides[1])
		if len(rows) != 1 || rows[0].Low == nil {
			t.Fatalf("%+v", rows)
		}
		if *rows[0].Low > 1 || *rows[0].High < 1 {
			missed++
		}
	}
	atMost(t, "the interval excludes 1", missed, n, 0.05)
}

// The bound of the rate of elections is below the true one in one of 20 stretches at most.
func TestElectionPromises(t *testing.T) {
	t.Parallel()
	for _, expected := range []float64{0.1, 1, 3.5, 20} {
		n, below := trials(2000, 100_000), 0
		r := rand.New(rand.NewPCG(uint64(10*expected), 24))
		for range n {
			elections := 0
			for at := r.ExpFloat64(); at < expected; at += r.ExpFloat64() {
				elections++
			}
			if electionRate(float64(elections), 30*time.Minute) < 2*expected {
				below++
			}
		}
		atMost(t, fmt.Sprintf("%v elections in half an hour", expected), below, n, 0.05)
	}
}

// Failures of single operations are no outage where they are 5 % of all or fewer, however
// long the run is.
func TestFailuresAreNoOutages(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.02, 0.04, 0.05} {
		for _, rate := range []float64{20, 200} {
			n, found := trials(2, 1000), 0
			for seed := range uint64(n) {
				r := rand.New(rand.NewPCG(seed, 25))
				i := &results.Interval{}
				const length = 2 * time.Minute
				for at := time.Duration(0); at < length; at += time.Duration(r.ExpFloat64() / rate * float64(time.Second)) {
					m := results.Moment{At: at.Truncate(results.MomentLength), Completed: 1, Longest: 5 * time.Millisecond}
					if r.Float64() < share {
						m = results.Moment{At: m.At, Failed: 1}
					}
					i.Moments = append(i.Moments, m)
				}
				run := &results.Run{
					Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "measure", Load: results.Load{Rate: rate}}}},
					Phases: []results.Phase{{Name: "measure", Length: length}},
				}
				a, err := NewAvailability(run, func(each func(*results.Interval) error) error { return each(i) })
				if err != nil {
					t.Fatal(err)
				}
				if a.Count > 0 {
					found++
				}
			}
			t.Logf("%v %% of %v/s fail: %d of %d runs have an outage", 100*share, rate, found, n)
			if found > n/1000 {
				t.Errorf("%v %% of %v/s fail: %d of %d runs have an outage", 100*share, rate, found, n)
			}
		}
	}
}
