package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// noise makes the figures of a job's slots as a shared machine does: a level that
// drifts, bursts during which everything takes up to twice as long, and heavy
// tails in every slot. scale is about the standard deviation of one round's
// difference.
type noise struct {
	r      *rand.Rand
	scale  float64
	level  float64
	burst  int
	factor float64
}

// next is the logarithm of the next slot's figure: what the machine does to every
// metric, and the metric's own scatter.
func (n *noise) next() float64 {
	n.level += n.scale / 10 * n.r.NormFloat64()
	switch {
	case n.burst > 0:
		n.burst--
	case n.r.Float64() < 0.05:
		n.burst, n.factor = 1+n.r.IntN(4), n.scale*(1+3*n.r.Float64())
	}
	v := n.level
	if n.burst > 0 {
		v += n.factor
	}
	return v + n.own()
}

// own is a slot's own scatter: mostly normal, one in twenty four times as wide.
func (n *noise) own() float64 {
	v := n.scale * 0.45 * n.r.NormFloat64()
	if n.r.Float64() < 0.05 {
		v *= 4
	}
	return v
}

// job plays rounds until there is a verdict. effects are by metric, as logarithms,
// more being worse.
func job(r *rand.Rand, rules Rules, scale func(metric string) float64, effects map[string]float64) string {
	sources := map[string]*noise{}
	for _, name := range rules.Primary {
		sources[name] = &noise{r: r, scale: scale(name)}
	}
	higher := map[string]bool{}
	for _, m := range Metrics() {
		higher[m.Name] = m.Higher
	}
	var rounds []Round
	for n := 1; ; n++ {
		round := Round{Number: n, Baseline: map[string]float64{}, Candidate: map[string]float64{}}
		candidateFirst := r.IntN(2) == 0
		for _, name := range rules.Primary {
			sign := 1.0
			if higher[name] {
				sign = -1
			}
			first, second := sources[name].next(), sources[name].next()
			if candidateFirst {
				first, second = second, first
			}
			round.Baseline[name] = math.Exp(sign * first)
			round.Candidate[name] = math.Exp(sign * (second + effects[name]))
		}
		rounds = append(rounds, round)
		if !slices.Contains(rules.Looks, n) {
			continue
		}
		if _, verdict, _, done := rules.Look(rounds); done {
			return verdict
		}
	}
}

// jobs plays so many jobs on all CPUs, seeded, and counts their verdicts.
func jobs(n int, play func(r *rand.Rand) string) map[string]int {
	workers := runtime.GOMAXPROCS(0)
	counts := make([]map[string]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		counts[w] = map[string]int{}
		wg.Go(func() {
			for i := w; i < n; i += workers {
				counts[w][play(rand.New(rand.NewPCG(20261120, uint64(i))))]++
			}
		})
	}
	wg.Wait()
	sum := map[string]int{}
	for _, c := range counts {
		for verdict, n := range c {
			sum[verdict] += n
		}
	}
	return sum
}

// simulated is how many jobs the promises of docs/gates.md are tested with.
const simulated = 20_000

// byMargin makes the noise of each metric so many times its margin.
func byMargin(rules Rules, times float64) func(string) float64 {
	return func(metric string) float64 { return times * math.Log1p(rules.Margins[metric]) }
}

// The promises of docs/gates.md: when nothing differs, at most 1 job in 100 fails,
// however noisy the machine; when a metric is worse by its margin, at most 1 in 20
// passes; when one is worse by twice its margin, 9 in 10 fail, if the noise is
// at or below one and a half margins.
func TestGatePromises(t *testing.T) {
	if testing.Short() {
		t.Skip("plays 80,000 jobs")
	}
	rules := DefaultRules()
	for _, times := range []float64{0.3, 1.5, 10} {
		got := jobs(simulated, func(r *rand.Rand) string { return job(r, rules, byMargin(rules, times), nil) })
		t.Logf("nothing differs, noise %v margins: %v", times, got)
		if rate := float64(got[results.Fail]) / simulated; rate > 0.01 {
			t.Errorf("noise of %v margins: %.4f of jobs fail when nothing differs", times, rate)
		}
	}
	for _, metric := range []string{"throughput", "allocs"} {
		delta := math.Log1p(rules.Margins[metric])
		got := jobs(simulated/4, func(r *rand.Rand) string {
			return job(r, rules, byMargin(rules, 0.5), map[string]float64{metric: delta * 1.0001})
		})
		t.Logf("%s worse by its margin: %v", metric, got)
		if rate := float64(got[results.Pass]) / (simulated / 4); rate > 0.05 {
			t.Errorf("%s is worse by its margin, and %.4f of jobs pass", metric, rate)
		}
		got = jobs(simulated/4, func(r *rand.Rand) string {
			return job(r, rules, byMargin(rules, 1.5), map[string]float64{metric: 2 * delta})
		})
		t.Logf("%s worse by twice its margin: %v", metric, got)
		if rate := float64(got[results.Fail]) / (simulated / 4); rate < 0.90 {
			t.Errorf("%s is worse by twice its margin, and only %.4f of jobs fail", metric, rate)
		}
	}
}

// The noise of the promises is what it is called: its standard deviation, over a
// round's difference, is that of its name.
func TestNoise(t *testing.T) {
	n := &noise{r: rand.New(rand.NewPCG(1, 2)), scale: 1}
	var sum, squares float64
	const rounds = 100_000
	for range rounds {
		d := n.next() - n.next()
		sum += d
		squares += d * d
	}
	if sd := math.Sqrt(squares/rounds - sum*sum/rounds/rounds); sd < 0.95 || sd > 1.2 {
		t.Errorf("the noise's standard deviation is %v of what it is called", sd)
	}
}

// In a quiet job, a change below the margin passes, and is said; one above fails;
// what is not measured decides nothing.
func TestJudge(t *testing.T) {
	rules := DefaultRules()
	rounds := func(change map[string]float64) []Round {
		var list []Round
		for n := range 12 {
			r := Round{Number: n + 1, Baseline: map[string]float64{}, Candidate: map[string]float64{}}
			for _, m := range Metrics() {
				wobble := 1 + 0.001*math.Sin(float64(n*7+len(m.Name)))
				r.Baseline[m.Name] = 100
				r.Candidate[m.Name] = 100 * wobble * (1 + change[m.Name])
			}
			list = append(list, r)
		}
		return list
	}
	for name, tc := range map[string]struct {
		change map[string]float64
		want   string
		reason string
	}{
		"nothing":            {nil, results.Pass, "no primary metric"},
		"below the margin":   {map[string]float64{"allocs": 0.01}, results.Pass, ""},
		"above the margin":   {map[string]float64{"allocs": 0.03}, results.Fail, "worse by more than the margin: allocs"},
		"slower":             {map[string]float64{"throughput": -0.10}, results.Fail, "throughput"},
		"faster":             {map[string]float64{"throughput": 0.50, "p99": -0.5}, results.Pass, ""},
		"a secondary metric": {map[string]float64{"wal_bytes": 0.5}, results.Pass, ""},
	} {
		metrics, verdict, reason, done := rules.Look(rounds(tc.change))
		if verdict != tc.want || !strings.Contains(reason, tc.reason) || !done {
			t.Errorf("%s: %s (%s), want %s", name, verdict, reason, tc.want)
		}
		for _, m := range metrics {
			c := tc.change[m.Name]
			if m.Higher {
				c = 1/(1+c) - 1
			}
			if math.Abs(m.Estimate-c) > 0.002 || m.Detectable < m.Margin {
				t.Errorf("%s: %s changed by %v, want %v; detectable %v", name, m.Name, m.Estimate, c, m.Detectable)
			}
			if m.Name == "allocs" && c == 0.01 && m.Note != "worse, but by less than the margin" {
				t.Errorf("%s: %s says %q", name, m.Name, m.Note)
			}
		}
	}
	half := rounds(nil)
	delete(half[3].Candidate, "p99")
	if _, verdict, reason, _ := rules.Look(half); verdict != results.Inconclusive || !strings.Contains(reason, "p99") {
		t.Errorf("without a p99 in one round: %s (%s)", verdict, reason)
	}
	if _, verdict, _, done := rules.Look(rounds(map[string]float64{"allocs": 0.03})[:11]); done {
		t.Errorf("a verdict (%s) after 11 rounds", verdict)
	}
}

func TestRulesValidate(t *testing.T) {
	for want, change := range map[string]func(*Rules){
		"":                     func(*Rules) {},
		"did you mean \"p99\"": func(r *Rules) { r.Primary = []string{"p98"} },
		"needs a primary":      func(r *Rules) { r.Primary = nil },
		"it takes 10":          func(r *Rules) { r.Looks = []int{6} },
		"must be between 1":    func(r *Rules) { r.Looks = []int{24, 12} },
		"positive share":       func(r *Rules) { r.Margins["p50"] = -1 },
		"false verdict":        func(r *Rules) { r.FalsePass = 0 },
	} {
		r := DefaultRules()
		change(&r)
		if err := r.Validate(); fmt.Sprint(err) != "<nil>" && want == "" || want != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A round is dropped for what befell it.
func TestVoid(t *testing.T) {
	ok := results.Run{Outcome: results.Completed, Validity: results.Validity{Verdict: results.Degraded}}
	for want, change := range map[string]func(*results.Run){
		"":                      func(*results.Run) {},
		"the generator was":     func(r *results.Run) { r.Validity.Verdict = results.Invalid },
		"a run was interrupted": func(r *results.Run) { r.Outcome = results.Interrupted },
		"the leader changed": func(r *results.Run) {
			r.Server = &results.Server{Members: []results.ServerMember{{Growth: map[string]float64{"leader_changes": 1}}}}
		},
	} {
		r := ok
		change(&r)
		if got := Void(&r); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("void because of %q, want %q", got, want)
		}
	}
	if TooManyDropped(2, 10) || !TooManyDropped(3, 10) {
		t.Error("a fifth of the rounds may be dropped, and no more")
	}
}

// What is a lower bound passes nothing on the candidate's side and fails nothing on the
// baseline's.
func TestJudgeLowerBounds(t *testing.T) {
	rules := DefaultRules()
	for name, tc := range map[string]struct {
		p99                 float64
		baseline, candidate bool
		want, reason        string
	}{
		"candidate as good":   {1, false, true, results.Inconclusive, "only lower bounds are known: p99"},
		"candidate worse":     {1.5, false, true, results.Fail, "p99"},
		"baseline as good":    {1, true, false, results.Pass, ""},
		"baseline better":     {1.5, true, false, results.Inconclusive, "only lower bounds are known: p99"},
		"both, and the same":  {1, true, true, results.Inconclusive, "only lower bounds are known: p99"},
		"neither, and slower": {1.5, false, false, results.Fail, "p99"},
	} {
		var rounds []Round
		for n := range 12 {
			r := Round{Number: n + 1, Baseline: map[string]float64{}, Candidate: map[string]float64{}}
			for _, m := range Metrics() {
				r.Baseline[m.Name], r.Candidate[m.Name] = 100, 100*(1+0.001*math.Sin(float64(n)))
			}
			r.Candidate["p99"] *= tc.p99
			r.BaselineAtLeast, r.CandidateAtLeast = map[string]bool{"p99": tc.baseline}, map[string]bool{"p99": tc.candidate}
			rounds = append(rounds, r)
		}
		if _, verdict, reason, _ := rules.Look(rounds); verdict != tc.want || !strings.Contains(reason, tc.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", name, verdict, reason, tc.want, tc.reason)
		}
	}
}
