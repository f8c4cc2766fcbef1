package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// family plays a job of so many scenarios, of which the first alone has effects.
func family(r *rand.Rand, rules Rules, scenarios int, noise float64, effects map[string]float64) string {
	var parts []results.Verdict
	for i := range scenarios {
		w := world{scale: byMargin(rules, noise), failing: steadily}
		if i == 0 {
			w.effects = effects
		}
		_, verdict := w.play(r, rules.Each(scenarios))
		parts = append(parts, results.Verdict{Verdict: verdict, Workload: fmt.Sprint(i)})
	}
	verdict, _ := DecideFamily(parts)
	return verdict
}

// The promises of docs/gates.md on release checks: when nothing differs, at most 1 job in
// 100 fails, however many scenarios it has and however noisy the machine is; a job in which
// one scenario has one metric that is worse by twice its margin fails nine times in ten, if
// the noise is at or below half its margin; and one in which it is worse by its margin passes 1
// time in 20 at most.
func TestFamilyPromises(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays thousands of jobs")
	}
	rules := DefaultRules()
	rules.Looks = []int{16}
	twice := rules
	twice.Looks = []int{16, 32}
	few := rules // of which each could fail alone nearly as often as the job may
	few.Primary, few.Looks = []string{"allocs"}, []int{11}
	delta := func(times float64) map[string]float64 {
		return map[string]float64{"allocs": times * metric("allocs").size(rules.Margins["allocs"])}
	}
	scenarios, n := 3, 120
	if *long {
		scenarios, n = 16, 1500
	}
	for _, p := range []struct {
		name      string
		rules     Rules
		scenarios int
		noise     float64
		effects   map[string]float64
		verdict   string
		atMost    float64 // the share of jobs with the verdict; or at least, where it is negative
	}{
		{"nothing differs", rules, scenarios, 10, nil, results.Fail, 0.01},
		{"nothing differs, two looks", twice, scenarios, 10, nil, results.Fail, 0.01},
		{"nothing differs, five scenarios, one metric", few, 5, 10, nil, results.Fail, 0.01},
		{"one scenario worse by twice the margin", rules, scenarios, 0.5, delta(2), results.Fail, -0.90},
		{"one scenario worse by the margin", rules, scenarios, 0.3, delta(1.0001), results.Pass, 0.05},
	} {
		if err := p.rules.Each(p.scenarios).Validate(); err != nil {
			t.Fatal(err)
		}
		got := jobs(n, func(r *rand.Rand) string { return family(r, p.rules, p.scenarios, p.noise, p.effects) })
		t.Logf("%s: %v", p.name, got)
		rate := float64(got[p.verdict]) / float64(n)
		slack := 3 * math.Sqrt(math.Abs(p.atMost)*(1-math.Abs(p.atMost))/float64(n))
		if p.atMost > 0 && rate > p.atMost+slack || p.atMost < 0 && rate < -p.atMost-slack {
			t.Errorf("%s: %.4f of jobs %s", p.name, rate, p.verdict)
		}
	}
	// Without the split over scenarios, a job with few metrics fails too often: the test
	// would notice.
	unsplit := jobs(n, func(r *rand.Rand) string {
		rules := few
		rules.FalseFail *= 10 // which Each divides by
		return family(r, rules, 10, 10, nil)
	})
	if rate := float64(unsplit[results.Fail]) / float64(n); rate < 0.05 {
		t.Errorf("%.4f of jobs fail without the split", rate)
	}
}

func TestDecideFamily(t *testing.T) {
	part := func(name, verdict string) results.Verdict { return results.Verdict{Workload: name, Verdict: verdict} }
	for _, c := range []struct {
		parts           []results.Verdict
		verdict, reason string
	}{
		{[]results.Verdict{part("a", results.Pass), part("b", results.Pass)}, results.Pass, "all 2 scenarios passed"},
		{[]results.Verdict{part("a", results.Pass), part("b", results.Fail), part("c", results.Inconclusive)}, results.Fail, "1 of 3 scenarios failed: b"},
		{[]results.Verdict{part("a", results.Pass), part("b", results.Inconclusive)}, results.Inconclusive, "1 of 2 scenarios passed; inconclusive: b"},
		{nil, results.Inconclusive, "0 of 0 scenarios passed; inconclusive: "},
	} {
		if verdict, reason := DecideFamily(c.parts); verdict != c.verdict || reason != c.reason {
			t.Errorf("%v: %s: %q", c.parts, verdict, reason)
		}
	}
}

// The reason has the number of scenarios with the right noun.
func TestReasonOfAFamily(t *testing.T) {
	t.Parallel()
	part := func(name, verdict string) results.Verdict { return results.Verdict{Workload: name, Verdict: verdict} }
	for _, c := range []struct {
		parts  []results.Verdict
		reason string
	}{
		{[]results.Verdict{part("put", results.Pass)}, "1 scenario passed"},
		{[]results.Verdict{part("put", results.Fail)}, "1 of 1 scenario failed: put"},
		{[]results.Verdict{part("put", results.Inconclusive)}, "0 of 1 scenario passed; inconclusive: put"},
		{[]results.Verdict{part("put", results.Pass), part("range", results.Pass)}, "all 2 scenarios passed"},
		{[]results.Verdict{part("put", results.Pass), part("range", results.Fail)}, "1 of 2 scenarios failed: range"},
	} {
		if _, reason := DecideFamily(c.parts); reason != c.reason {
			t.Errorf("%q, want %q", reason, c.reason)
		}
	}
}
