package tune

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// What is recommended is withdrawn when the comparison contradicts it, and said not to be
// confirmed when it does not tell.
func TestConfirmation(t *testing.T) {
	type comparing struct {
		p99, failover float64 // of the candidate, as a factor of what it was when it was tried
		noise         float64
		rounds        int
		unfit         bool
	}
	for name, c := range map[string]struct {
		comparing
		want string
	}{
		"as it was tried":           {comparing{1, 1, 0.03, 6, false}, results.Confirmed},
		"p99 worse by 38 %":         {comparing{1.38, 1, 0.03, 6, false}, results.Withdrawn},
		"no faster than defaults":   {comparing{1, 2.5, 0.03, 6, false}, results.Withdrawn},
		"it does not start":         {comparing{1, 1, 0.03, 6, true}, results.Withdrawn},
		"too few rounds":            {comparing{1, 1, 0.03, 2, false}, results.Unconfirmed},
		"too few rounds, and worse": {comparing{1.38, 1, 0.03, 2, false}, results.Unconfirmed},
		"too much noise":            {comparing{1, 1, 1.5, 6, false}, results.Unconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			// Each side has its own noise, as the order of the sides is drawn.
			noise := map[bool]*rand.Rand{false: rand.New(rand.NewPCG(3, 5)), true: rand.New(rand.NewPCG(5, 3))}
			plain := pretend(t, 300*time.Millisecond, &calls)
			o := Options{
				Dir: t.TempDir(), Dimension: results.DimensionPair, Candidates: Pairs(20*time.Millisecond, experiment.Standard),
				Rounds: []int{c.rounds}, RTT: 20 * time.Millisecond, Failover: true, Seed: 1,
			}
			o.Run = func(ctx context.Context, tr Trial) (*results.Run, error) {
				if !tr.Compare {
					return plain(ctx, tr)
				}
				if c.unfit && !tr.Default {
					return nil, Unfit{"no leader could be elected"}
				}
				r := noise[tr.Default]
				p99, failover := math.Exp(c.noise*r.NormFloat64()), math.Exp(c.noise*r.NormFloat64())
				if !tr.Default {
					p99, failover = p99*c.p99, failover*c.failover
				}
				return pretendRun(tr, 20e6*p99, time.Duration(failover*1.5*float64(tr.Election)))
			}
			out, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defaults := out.Recommended == "100ms/1s"
			if out.Confirmation != c.want || defaults != (c.want == results.Withdrawn) || defaults && out.Settings[0].Value != "100" {
				t.Errorf("%s, recommended %s %v, because %q", out.Confirmation, out.Recommended, out.Settings, out.Reasons)
			}
			if withdrawn := strings.Contains(out.Reasons[0], "/400ms is withdrawn"); withdrawn != (c.want == results.Withdrawn) {
				t.Errorf("reasons %q", out.Reasons)
			}
		})
	}
}

// The promise of the documentation: where settings and defaults do not differ, no more
// than one comparison in twenty says that they do, for the better or for the worse.
func TestComparisonKeepsItsConfidence(t *testing.T) {
	const simulations = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	rules := (&tuning{Options: Options{Failover: true, Rounds: []int{6}}}).rules()
	worse, confirmed := 0, 0
	for range simulations {
		var rounds []judge.Round
		for n := range 6 {
			draw := func() map[string]float64 {
				return map[string]float64{"p99": 1e8 * math.Exp(0.1*r.NormFloat64()), "failover": 1e9 * math.Exp(0.3*r.NormFloat64())}
			}
			rounds = append(rounds, judge.Round{Number: n + 1, Baseline: draw(), Candidate: draw()})
		}
		c := &results.TuningComparison{Confidence: 1 - rules.FalseFail, Metrics: rules.Judge(rounds)}
		judge.TuningComparison(c, true)
		document := &results.Tuning{Failover: true, Recommended: "x", Compared: c}
		judge.Confirm(document)
		for _, word := range c.Words {
			if word == "worse" {
				worse++
				break
			}
		}
		if document.Confirmation == results.Confirmed {
			confirmed++
		}
	}
	// Three standard deviations above one in twenty.
	limit := int(float64(simulations)*0.05 + 3*math.Sqrt(float64(simulations)*0.05*0.95))
	if worse > limit || confirmed > limit {
		t.Errorf("of %d comparisons of the same, %d said worse and %d confirmed; want %d at most", simulations, worse, confirmed, limit)
	}
	t.Logf("of %d: %d worse, %d confirmed", simulations, worse, confirmed)
}
