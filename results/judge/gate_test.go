package judge

import (
	"flag"
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

// A failing is how operations of a simulated job fail: a share of them, which differs from
// run to run (1 is a coefficient of variation of 1), and bursts, in which a run loses
// burst of its operations.
type failing struct {
	operations      uint64 // of a run
	baseline, share float64
	spread          float64
	often, burst    float64
}

// run draws a run's count.
func (f failing) run(r *rand.Rand, share float64) Tried {
	if f.spread > 0 {
		share *= gamma(r, 1/f.spread/f.spread) * f.spread * f.spread
	}
	if r.Float64() < f.often {
		share += f.burst * r.Float64()
	}
	return Tried{f.operations, uint64(min(poisson(r, share*float64(f.operations)), float64(f.operations)))}
}

// gamma draws from the gamma distribution with scale 1. (G. Marsaglia and W. W. Tsang,
// "A simple method for generating gamma variables", 2000.)
func gamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1) * math.Pow(r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	for {
		x := r.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*d), 3)
		if v > 0 && math.Log(r.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// poisson draws from the Poisson distribution.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p := -1.0, 1.0
	for limit := math.Exp(-mean); p >= limit; n++ {
		p *= r.Float64()
	}
	return n
}

// A world is what happens to the rounds of a simulated job.
type world struct {
	scale   func(metric string) float64
	effects map[string]float64 // by metric, as logarithms, more being worse
	failing failing
	// periodic is what every other run suffers beside the noise, so that the machine's
	// period is that of two rounds: the worst for an order in blocks.
	periodic float64
}

// job plays rounds until there is a verdict.
func (w world) job(r *rand.Rand, rules Rules) string {
	_, verdict := w.play(r, rules)
	return verdict
}

func (w world) play(r *rand.Rand, rules Rules) ([]results.MetricVerdict, string) {
	sources := map[string]*noise{}
	for _, name := range rules.Primary {
		sources[name] = &noise{r: r, scale: w.scale(name)}
	}
	var rounds []Round
	var block []int
	for n := 1; ; n++ {
		round := Round{Number: n, Baseline: map[string]float64{}, Candidate: map[string]float64{}}
		if len(block) == 0 {
			block = r.Perm(6)
		}
		candidateFirst := block[0] < 3
		block = block[1:]
		for _, name := range rules.Primary {
			if name == errorRate {
				continue
			}
			sign := 1.0
			if metric(name).Higher {
				sign = -1
			}
			first, second := sources[name].next(), sources[name].next()
			if n%2 == 0 {
				first += w.periodic
			} else {
				second += w.periodic
			}
			if candidateFirst {
				first, second = second, first
			}
			round.Baseline[name] = math.Exp(sign * first)
			round.Candidate[name] = math.Exp(sign * (second + w.effects[name]))
		}
		round.BaselineTried = w.failing.run(r, w.failing.baseline)
		round.CandidateTried = w.failing.run(r, w.failing.baseline+w.failing.share)
		rounds = append(rounds, round)
		if !slices.Contains(rules.Looks, n) {
			continue
		}
		if metrics, verdict, _, done := rules.Look(rounds); done {
			return metrics, verdict
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

// long plays as many jobs as docs/gates.md prints.
var long = flag.Bool("long", false, "simulate longer: 20,000 jobs for each promise of docs/gates.md, ten times as many probes")

// simulated is how many jobs each promise of docs/gates.md is tested with.
func simulated() int {
	if *long {
		return 20_000
	}
	return 1_000
}

// byMargin makes the noise of each metric so many times its margin.
func byMargin(rules Rules, times float64) func(string) float64 {
	return func(name string) float64 { return times * metric(name).size(rules.Margins[name]) }
}

// steadily is how operations fail where none does.
var steadily = failing{operations: 50_000}

// The promises of docs/gates.md under the default options. When nothing differs, at most 1
// job in 100 fails, however noisy the machine and however failures come; when a metric
// is worse by its margin, at most 1 in 20 passes; when one is worse by twice its margin,
// 9 in 10 fail, if the noise is at or below one and a half margins.
func TestGatePromises(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays tens of thousands of jobs")
	}
	rules := DefaultRules()
	quick := rules
	quick.Looks = rules.Looks[:1]
	delta := func(name string) float64 { return metric(name).size(rules.Margins[name]) }
	often := failing{operations: 50_000, baseline: 0.02, spread: 1, often: 0.1, burst: 0.5}
	for _, p := range []struct {
		name    string
		rules   Rules
		noise   float64
		world   world
		verdict string
		atMost  float64 // the share of jobs with the verdict; or at least, where it is negative
	}{
		{"nothing differs, noise 0.3 margins", rules, 0.3, world{failing: steadily}, results.Fail, 0.01},
		{"nothing differs, noise 1.5 margins", rules, 1.5, world{failing: steadily}, results.Fail, 0.01},
		{"nothing differs, noise 10 margins", rules, 10, world{failing: steadily}, results.Fail, 0.01},
		{"nothing differs, noise 10 margins, --quick", quick, 10, world{failing: steadily}, results.Fail, 0.01},
		{"nothing differs, 2 % fail and in bursts", rules, 10, world{failing: often}, results.Fail, 0.01},
		{"nothing differs, every other run slowed", rules, 0.1, world{failing: steadily, periodic: 0.3}, results.Fail, 0.01},
		{"throughput worse by its margin", rules, 0.5,
			world{failing: steadily, effects: map[string]float64{"throughput": 1.0001 * delta("throughput")}}, results.Pass, 0.05},
		{"allocs worse by its margin", rules, 0.5,
			world{failing: steadily, effects: map[string]float64{"allocs": 1.0001 * delta("allocs")}}, results.Pass, 0.05},
		{"0.1 % fail", rules, 0.1, world{failing: failing{operations: 50_000, share: 0.001}}, results.Pass, 0.05},
		{"0.1 % fail, of 500 a run", rules, 0.1, world{failing: failing{operations: 500, share: 0.001}}, results.Pass, 0.05},
		{"0.1 % fail, of 500 a run, --quick", quick, 0.1, world{failing: failing{operations: 500, share: 0.001}}, results.Pass, 0.05},
		{"0.1 % fail, unevenly", rules, 0.1, world{failing: failing{operations: 50_000, share: 0.001, spread: 1}}, results.Pass, 0.05},
		{"throughput worse by twice its margin", rules, 1.5,
			world{failing: steadily, effects: map[string]float64{"throughput": 2 * delta("throughput")}}, results.Fail, -0.90},
		{"allocs worse by twice its margin", rules, 1.5,
			world{failing: steadily, effects: map[string]float64{"allocs": 2 * delta("allocs")}}, results.Fail, -0.90},
		{"0.3 % fail", rules, 1.5, world{failing: failing{operations: 50_000, share: 0.003}}, results.Fail, -0.90},
		{"0.3 % fail, unevenly", rules, 1.5, world{failing: failing{operations: 50_000, share: 0.003, spread: 1}}, results.Fail, -0.90},
	} {
		p.world.scale = byMargin(rules, p.noise)
		got := jobs(simulated(), func(r *rand.Rand) string { return p.world.job(r, p.rules) })
		t.Logf("%s: %v", p.name, got)
		rate := float64(got[p.verdict]) / float64(simulated())
		// Of few jobs, the share may lie three standard deviations above the true one.
		slack := 0.0
		if !*long {
			slack = 3 * math.Sqrt(math.Abs(p.atMost)*(1-math.Abs(p.atMost))/float64(simulated()))
		}
		if p.atMost > 0 && rate > p.atMost+slack || p.atMost < 0 && rate < -p.atMost-slack {
			t.Errorf("%s: %.4f of jobs %s", p.name, rate, p.verdict)
		}
	}
}

// A job of a thing with itself says how many rounds find a change, and any job which
// change it would have found. A job with so many rounds, or with such a change, fails nine times
// in ten.
func TestGatePower(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of jobs")
	}
	pairs, names := 60, []string{"throughput", errorRate}
	if *long {
		pairs, names = 2000, []string{"throughput", "allocs", "p99", errorRate}
	}
	for _, looks := range [][]int{{12}, {12, 24}} {
		rules := DefaultRules()
		rules.Looks = looks
		p := sharedPowers{powers: rules.powers()}
		for _, name := range names {
			for _, times := range []float64{0.6, 1.2} {
				w := world{scale: byMargin(rules, times), failing: steadily}
				found := jobs(pairs, func(r *rand.Rand) string { return p.detects(r, w, name) })
				needed := jobs(pairs, func(r *rand.Rand) string { return p.finds(r, w, name) })
				t.Logf("%s, noise %v margins, looks %v: detectable %v, rounds needed %v", name, times, looks, found, needed)
				for what, got := range map[string]map[string]int{"detectable": found, "rounds needed": needed} {
					n := float64(got[results.Pass] + got[results.Fail] + got[results.Inconclusive])
					slack := 3 * math.Sqrt(0.09/n)
					if rate := float64(got[results.Fail]) / n; n >= float64(pairs)/2 && rate < 0.9-slack {
						t.Errorf("%s, noise %v margins, looks %v: %s: only %.3f of jobs fail", name, times, looks, what, rate)
					}
				}
			}
		}
	}
}

// sharedPowers keeps the simulations of many jobs.
type sharedPowers struct {
	sync.Mutex
	powers
}

// worsen makes one metric of a world worse by a share.
func (w world) worsen(name string, share float64) world {
	if name == errorRate {
		w.failing.share = share
		return w
	}
	w.effects = map[string]float64{name: metric(name).size(share)}
	return w
}

// detects plays a job, and one that is as long with the change that it says it would
// have found.
func (p *sharedPowers) detects(r *rand.Rand, w world, name string) string {
	rules := p.rules
	m := w.metric(r, rules, name)
	p.Lock()
	size := p.detectable(m, m.Rounds)
	p.Unlock()
	if math.IsInf(size, 1) {
		return "none"
	}
	// This look has its share of what was planned for all.
	rules.FalseFail /= float64(len(rules.Looks))
	rules.Looks = []int{m.Rounds}
	m.Detectable = metric(name).share(size)
	return w.worsen(name, math.Abs(m.LeastFound())).job(r, rules)
}

// finds plays a job, and one with as many rounds as it says it takes to find twice the
// margin.
func (p *sharedPowers) finds(r *rand.Rand, w world, name string) string {
	rules := p.rules
	m := w.metric(r, rules, name)
	p.Lock()
	n := p.needed(m, 2*m.Margin)
	p.Unlock()
	if n == 0 || n > 100 {
		return "none"
	}
	rules.Looks = []int{n}
	return w.worsen(name, 2*m.Margin).job(r, rules)
}

// metric plays a job and returns what it found of one metric.
func (w world) metric(r *rand.Rand, rules Rules, name string) results.MetricVerdict {
	metrics, _ := w.play(r, rules)
	return metrics[slices.IndexFunc(metrics, func(m results.MetricVerdict) bool { return m.Name == name })]
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
			r.BaselineTried, r.CandidateTried = Tried{60_000, 0}, Tried{60_000, uint64(60_000 * change["error_rate"])}
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
		"failing":            {map[string]float64{"error_rate": 0.01, "throughput": 0.5}, results.Fail, "error_rate"},
		"a few failures":     {map[string]float64{"error_rate": 0.0005}, results.Pass, ""},
		"a secondary metric": {map[string]float64{"wal_bytes": 0.5}, results.Pass, ""},
	} {
		metrics, verdict, reason, done := rules.Look(rounds(tc.change))
		rules.AddDetectable(metrics)
		if verdict != tc.want || !strings.Contains(reason, tc.reason) || !done {
			t.Errorf("%s: %s (%s), want %s", name, verdict, reason, tc.want)
		}
		for _, m := range metrics {
			c := tc.change[m.Name]
			if change, _, _ := m.Change(); math.Abs(change-c) > 0.002 || math.Abs(m.LeastFound()) < m.Margin {
				t.Errorf("%s: %s changed by %v, want %v; detectable %v", name, m.Name, change, c, m.Detectable)
			}
			if c := tc.change[m.Name]; m.Higher && c != 0 && (m.Direction() == results.Worse) != (c < 0) {
				t.Errorf("%s: a change of %s by %v is %s", name, m.Name, c, m.Direction())
			}
			if m.Name == "allocs" && c == 0.01 && m.Note != "worse by less than the margin" {
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
		"":                       func(*Rules) {},
		"similar: \"p99\"":       func(r *Rules) { r.Primary = []string{"p98"} },
		"needs a primary":        func(r *Rules) { r.Primary = nil },
		"at least 10 are needed": func(r *Rules) { r.Looks = []int{6} },
		"must be between 1":      func(r *Rules) { r.Looks = []int{24, 12} },
		"must be above 0 %":      func(r *Rules) { r.Margins["p50"] = -1 },
		"false verdict":          func(r *Rules) { r.FalsePass = 0 },
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
	// A fault of members on purpose changes the leader, other disturbances do not.
	for kind, want := range map[string]string{"kill": "", "move-leader": "", "slow-disk": "", "compaction": "the leader changed"} {
		r := ok
		r.Server = &results.Server{Members: []results.ServerMember{{Growth: map[string]float64{"leader_changes": 1}}}}
		r.Plan.Disturbances = []results.PlanDisturbance{{Kind: kind}}
		if got := Void(&r); got != want {
			t.Errorf("with %s: void because of %q, want %q", kind, got, want)
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
			r.BaselineTried, r.CandidateTried = Tried{Ended: 60_000}, Tried{Ended: 60_000}
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
