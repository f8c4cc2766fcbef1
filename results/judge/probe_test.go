package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A probe of few operations is judged by how many of them are slower than the bound,
// and by those that the warm-up left as well as by those that it leaves.
func TestProbeOfFewOperations(t *testing.T) {
	slo, err := ParseThreshold("put.response_time.p99 < 1s")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		count, slow, late, before, failed int
		alpha                             float64
		want, reason                      string
	}{
		"none":                            {want: results.TooFew, reason: "no operation", alpha: ProbeAlpha},
		"fifteen":                         {count: 15, want: results.TooFew, reason: "0 of 15 operations are slower", alpha: ProbeAlpha},
		"as many as it takes":             {count: 528, want: results.Sustained, alpha: ProbeAlpha}, // ln 0.005 ÷ ln 0.99
		"one less":                        {count: 527, want: results.TooFew, alpha: ProbeAlpha},
		"fewer, to be less sure":          {count: 299, want: results.Sustained, alpha: 0.1}, // ln 0.05 ÷ ln 0.99
		"more slow ones than allowed":     {count: 600, slow: 30, want: results.Overloaded, reason: "30 of 600 operations are slower", alpha: ProbeAlpha},
		"as many slow ones as allowed":    {count: 600, slow: 6, want: results.TooFew, alpha: ProbeAlpha},
		"one of few late at the end":      {count: 20, late: 1, want: results.TooFew, reason: "0 of 20 operations are slower", alpha: ProbeAlpha, before: 1},
		"one late, none before":           {count: 20, late: 1, want: results.TooFew, alpha: ProbeAlpha},
		"many late, as many before":       {count: 900, late: 90, before: 90, want: results.Sustained, alpha: ProbeAlpha},
		"many late, fewer before":         {count: 900, late: 90, before: 10, want: results.Overloaded, reason: "only 91.1 % of the offered operations", alpha: ProbeAlpha},
		"one of few failed":               {count: 20, failed: 1, want: results.TooFew, alpha: ProbeAlpha},
		"so many failed that there is no": {count: 600, failed: 60, want: results.Overloaded, reason: "10.0 % of the operations failed", alpha: ProbeAlpha},
	} {
		t.Run(name, func(t *testing.T) {
			times := slices.Repeat([]int64{int64(10 * time.Millisecond)}, c.count-c.slow-c.failed)
			times = append(times, slices.Repeat([]int64{int64(2 * time.Second)}, c.slow)...)
			run := &results.Run{
				Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
				Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}},
				Phases: []results.Phase{{Name: "warmup", Length: time.Second}, {Name: "measure", Length: 10 * time.Second}},
				Operations: []results.Operation{
					{Phase: "warmup", Op: "put", Completed: uint64(c.before), CompletedLate: uint64(c.before)},
					{Phase: "measure", Op: "put", Offered: uint64(c.count), Completed: uint64(c.count - c.failed), CompletedLate: uint64(c.late), Inherited: uint64(c.before), Failed: uint64(c.failed), ResponseTime: latency(t, times...)},
				},
			}
			got, reason, err := Probe(Run{Run: run}, []Threshold{slo}, c.alpha)
			if err != nil || got != c.want || !strings.Contains(reason, c.reason) {
				t.Errorf("%s (%s), %v; want %s (%s)", got, reason, err, c.want, c.reason)
			}
		})
	}
}

// outcomes are the outcomes of the arrivals of a simulated run: of each group so many each
// second, all alike.
type outcomes []struct {
	every  int // of so many arrivals one, in turn
	time   time.Duration
	failed bool
	// dropped and unfinished arrivals have no time, or a lower bound.
	dropped, unfinished bool
}

// play returns a run of so many seconds at 1,000/s. Arrivals of no group take a
// millisecond. The backlog of each second is that of the function, or 5.
func (groups outcomes) play(t *testing.T, seconds int, backlog func(second int) float64) Run {
	t.Helper()
	const rate = 1000
	run := &results.Run{
		Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}},
		Phases: []results.Phase{{Name: "measure", Length: time.Duration(seconds) * time.Second}},
	}
	var list []*results.Interval
	var all []results.Operation
	for s := range seconds {
		o := results.Operation{Phase: "measure", Op: "put", Offered: rate}
		var times, served, failed, bounds []int64
		for n := s * rate; n < (s+1)*rate; n++ {
			took, kind := time.Millisecond, -1
			for k, g := range groups {
				if n%g.every == k {
					took, kind = g.time, k
				}
			}
			switch {
			case kind >= 0 && groups[kind].dropped:
				o.Dropped++
			case kind >= 0 && groups[kind].failed:
				o.Failed++
				failed = append(failed, int64(took))
			case kind >= 0 && groups[kind].unfinished:
				o.Unfinished++
				times, bounds = append(times, int64(took)), append(bounds, int64(took))
			default:
				o.Completed++
				times, served = append(times, int64(took)), append(served, int64(took))
			}
		}
		o.ResponseTime, o.FailedResponseTime, o.UnfinishedResponseTime = latency(t, times...), latency(t, failed...), latency(t, bounds...)
		o.ServiceTime = latency(t, served...)
		if err := o.Complete(time.Second); err != nil {
			t.Fatal(err)
		}
		i := &results.Interval{
			Number: s, Phase: "measure", Start: time.Duration(s) * time.Second, Length: time.Second, InFlight: 5, Operations: []results.Operation{o},
		}
		if backlog != nil {
			i.InFlight = int(max(0, math.Round(backlog(s))))
		}
		list, all = append(list, i), append(all, o)
	}
	return withIntervals(t, run, list, all)
}

// withIntervals returns a run of one measured phase with these seconds and their operations.
func withIntervals(t *testing.T, run *results.Run, list []*results.Interval, all []results.Operation) Run {
	t.Helper()
	sum, err := results.Sum(run.Phases[0].Length, all...)
	if err != nil {
		t.Fatal(err)
	}
	run.Operations = []results.Operation{sum}
	return Run{Run: run, Intervals: func(each func(*results.Interval) error) error {
		for _, i := range list {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

func thresholds(t *testing.T, texts ...string) []Threshold {
	t.Helper()
	var list []Threshold
	for _, text := range texts {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, threshold)
	}
	return list
}

// An SLO is judged on all arrivals: what timed out, failed or was dropped is not within
// a bound, together with what was slow. The counts of the outcomes are exact.
func TestProbeCountsAllArrivals(t *testing.T) {
	slow, out := 5*time.Second, 4*time.Second
	for name, c := range map[string]struct {
		groups outcomes
		slo    string
		want   string
	}{
		"all in time":                       {nil, "put.response_time.p99 < 50ms", results.Sustained},
		"0.9 % slow":                        {outcomes{{every: 111, time: slow}}, "put.response_time.p99 < 50ms", results.Unclear},
		"0.2 % slow":                        {outcomes{{every: 500, time: slow}}, "put.response_time.p99 < 50ms", results.Sustained},
		"0.85 % timeouts and 0.8 % at 5 s":  {outcomes{{every: 118, time: out, unfinished: true}, {every: 125, time: slow}}, "put.response_time.p99 < 50ms", results.Overloaded},
		"0.8 % failed and 0.8 % at 5 s":     {outcomes{{every: 125, failed: true}, {every: 125, time: slow}}, "put.response_time.p99 < 50ms", results.Overloaded},
		"0.8 % dropped and 0.8 % at 5 s":    {outcomes{{every: 125, dropped: true}, {every: 125, time: slow}}, "put.response_time.p99 < 50ms", results.Overloaded},
		"0.35 % failed, dropped, slow each": {outcomes{{every: 286, failed: true}, {every: 286, dropped: true}, {every: 286, time: slow}}, "put.response_time.p99 < 50ms", results.Unclear},
		"0.5 % failed, p99.9":               {outcomes{{every: 200, failed: true}}, "put.response_time.p99.9 < 50ms", results.Overloaded},
		"0.5 % failed, service time's p999": {outcomes{{every: 200, failed: true}}, "put.service_time.p99.9 < 50ms", results.Overloaded},
		"0.5 % dropped, of all times":       {outcomes{{every: 200, dropped: true}}, "put.all_response_time.p99.9 < 50ms", results.Overloaded},
		"0.5 % failed soon, of all times":   {outcomes{{every: 200, failed: true, time: time.Millisecond}}, "put.all_response_time.p99.9 < 50ms", results.Sustained},
		"one failed, the longest":           {outcomes{{every: 30_000, failed: true}}, "put.response_time.max < 50ms", results.Overloaded},
		"none failed, the longest":          {nil, "put.response_time.max < 50ms", results.Sustained},
		"one unfinished soon, the longest":  {outcomes{{every: 30_000, time: time.Millisecond, unfinished: true}}, "put.response_time.max < 50ms", results.Unclear},
		"1.5 % failed, no bound of a time":  {outcomes{{every: 66, failed: true}}, "put.throughput > 1", results.Overloaded},
		"0.53 % failed, 0.53 % dropped":     {outcomes{{every: 190, failed: true}, {every: 190, dropped: true}}, "put.throughput > 1", results.TooFew},
		"0.8 % failed, 0.8 % dropped":       {outcomes{{every: 125, failed: true}, {every: 125, dropped: true}}, "put.throughput > 1", results.Overloaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reason, err := Probe(c.groups.play(t, 30, nil), thresholds(t, c.slo), ProbeAlpha)
			if err != nil || got != c.want {
				t.Errorf("%s (%s), %v; want %s", got, reason, err, c.want)
			}
		})
	}
}

// No probe is sustained whose run a threshold gate with the same bound fails.
func TestProbeIsAsStrictAsTheGate(t *testing.T) {
	if testing.Short() {
		t.Skip("plays hundreds of jobs")
	}
	r := rand.New(rand.NewPCG(3, 3))
	sustained := 0
	for range 100 {
		var groups outcomes
		for range 3 {
			g := outcomes{{every: 100 + r.IntN(3000), time: time.Duration(r.IntN(100)) * time.Millisecond}}
			g[0].failed, g[0].dropped, g[0].unfinished = r.IntN(4) == 0, r.IntN(4) == 0, r.IntN(4) == 0
			groups = append(groups, g...)
		}
		slo := thresholds(t, []string{"put.response_time.p99 < 50ms", "put.all_response_time.p99 < 50ms", "put.response_time.max < 90ms"}[r.IntN(3)])
		run := groups.play(t, 5+r.IntN(10), nil)
		verdict, _, err := Probe(run, slo, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		checks, err := CheckThresholds(run.Run, slo, run.Intervals)
		if err != nil {
			t.Fatal(err)
		}
		if verdict == results.Sustained {
			sustained++
			if checks[0].Verdict == results.Fail {
				t.Errorf("%+v: sustained, and the gate fails: %+v", groups, checks[0])
			}
		}
	}
	if sustained < 10 {
		t.Errorf("only %d of 100 probes were sustained: the test says nothing", sustained)
	}
}

// A bound for one phase is judged by that phase alone, a bound for windows in each.
func TestProbeOfPhasesAndWindows(t *testing.T) {
	t.Parallel()
	fast, slow := outcomes(nil).play(t, 20, nil), outcomes{{every: 10, time: time.Second}}.play(t, 10, nil)
	run := *fast.Run
	run.Plan.Phases = []results.PlanPhase{{Name: "measure"}, {Name: "peak"}}
	run.Phases = append(slices.Clone(run.Phases), results.Phase{Name: "peak", Length: 10 * time.Second})
	peak := slow.Operations[0]
	peak.Phase = "peak"
	run.Operations = append(slices.Clone(run.Operations), peak)
	both := Run{Run: &run, Intervals: func(each func(*results.Interval) error) error {
		if err := fast.Intervals(each); err != nil {
			return err
		}
		return slow.Intervals(func(i *results.Interval) error {
			o := i.Operations[0]
			o.Phase = "peak"
			later := *i
			later.Phase, later.Start, later.Operations = "peak", i.Start+20*time.Second, []results.Operation{o}
			return each(&later)
		})
	}}
	for text, want := range map[string]string{
		"measure:put.response_time.p99 < 50ms":                      results.Sustained,
		"peak:put.response_time.p99 < 50ms":                         results.Overloaded,
		"put.response_time.p99 < 50ms":                              results.Overloaded,
		"put.response_time.p90 < 2s for every 5s window":            results.Sustained,
		"put.response_time.p95 < 50ms for every 5s window":          results.Overloaded,
		"measure:put.response_time.p95 < 50ms for every 5s window":  results.Sustained,
		"measure:put.response_time.p99 < 50ms for every 50s window": results.TooFew,
	} {
		got, reason, err := Probe(both, thresholds(t, text), ProbeAlpha)
		if err != nil || got != want || got == results.Overloaded && !strings.HasPrefix(reason, text) {
			t.Errorf("%s: %s (%s), %v; want %s", text, got, reason, err, want)
		}
	}
}

// backlogs returns how often probes of that length are overloaded whose backlog is as
// the function makes it.
func backlogs(t *testing.T, seconds, count int, of func(r *rand.Rand) func(second int) float64) float64 {
	t.Helper()
	base := outcomes(nil).play(t, seconds, nil)
	overloaded := 0
	for seed := range uint64(count) {
		backlog := of(rand.New(rand.NewPCG(seed, 11)))
		run := Run{Run: base.Run, Intervals: func(each func(*results.Interval) error) error {
			second := 0
			return base.Intervals(func(i *results.Interval) error {
				same := *i
				same.InFlight = int(max(0, math.Round(backlog(second))))
				second++
				return each(&same)
			})
		}}
		verdict, reason, err := Probe(run, nil, ProbeAlpha)
		if err != nil {
			t.Fatal(err)
		}
		if verdict == results.Overloaded {
			if overloaded++; !strings.Contains(reason, "the backlog grows") {
				t.Fatalf("overloaded: %s", reason)
			}
		}
	}
	return float64(overloaded) / float64(count)
}

// autocorrelated is a backlog around a mean that depends on the second before.
func autocorrelated(rho, mean, deviation, slope float64) func(r *rand.Rand) func(int) float64 {
	return func(r *rand.Rand) func(int) float64 {
		v := r.NormFloat64()
		return func(second int) float64 {
			if second > 0 {
				v = rho*v + math.Sqrt(1-rho*rho)*r.NormFloat64()
			}
			return mean + deviation*v + slope*float64(second)
		}
	}
}

// A backlog that does not grow is seldom taken for one that does, one probe in a hundred
// or so, however the seconds depend on each other. The least growth that counts, 10
// operations a second here, lets fewer through yet: the deviation is so large that it
// does not decide.
func TestBacklogFalseAlarms(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of probes")
	}
	count := 250
	if *long {
		count = 10_000
	}
	for _, seconds := range []int{5, 10, 30, 60, 120} {
		for _, rho := range []float64{0, 0.3, 0.7, 0.9} {
			rate := backlogs(t, seconds, count, autocorrelated(rho, 1e6, 1e5, 0))
			t.Logf("%d s, autocorrelation %v: %.4f false alarms", seconds, rho, rate)
			if most := 0.015 + 3*math.Sqrt(0.015/float64(count)); rate > most {
				t.Errorf("%d s, autocorrelation %v: %.4f false alarms, at most %.4f", seconds, rho, rate, most)
			}
		}
	}
}

// A real overload, by 5 % of a rate of 1,000/s on a backlog that scatters by 30
// operations, is found in probes of ten seconds and more, and by 20 % in those of five.
// Growth of less than 1 % of the rate never counts.
func TestBacklogPower(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of probes")
	}
	for seconds, slope := range map[int]float64{5: 200, 10: 100, 30: 50, 120: 50} {
		for _, rho := range []float64{0, 0.7, 0.9} {
			found := backlogs(t, seconds, 300, autocorrelated(rho, 100, 30, slope))
			t.Logf("%d s, autocorrelation %v, growth %v/s: found in %.3f", seconds, rho, slope, found)
			if found < 0.9 {
				t.Errorf("%d s, autocorrelation %v: a growth of %v/s is found in %.3f only", seconds, rho, slope, found)
			}
		}
		if found := backlogs(t, seconds, 100, autocorrelated(0, 1000, 0.5, 5)); found > 0 {
			t.Errorf("%d s: a growth of 0.5 %% of the rate counts in %.3f", seconds, found)
		}
	}
}

// One stall at the end leaves a backlog, but it did not grow.
func TestStallAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{5, 30} {
		run := outcomes(nil).play(t, seconds, func(second int) float64 {
			if second == seconds-1 {
				return 400
			}
			return 5 + float64(second%3)
		})
		run.Operations[0].CompletedLate = 400
		got, reason, err := Probe(run, nil, ProbeAlpha)
		if err != nil || got == results.Overloaded {
			t.Errorf("%d s: %s (%s), %v", seconds, got, reason, err)
		}
	}
}
