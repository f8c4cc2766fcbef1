package versus

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// The keys of a seed are those that they have always been.
func TestSlotSeed(t *testing.T) {
	t.Parallel()
	for number := 1; number < 100; number++ {
		r := rand.New(rand.NewPCG(7, uint64(number)))
		r.IntN(2)
		if want := r.Uint64()>>1 + 1; slotSeed(7, number) != want {
			t.Fatalf("round %d has the seed %d, not %d", number, slotSeed(7, number), want)
		}
	}
}

// A regression of 5.2 % is found on a machine that speeds up by 3 % from run to run, in half
// of the jobs at least: the order that a seed used to fix found it in hardly any.
func TestDriftIsBalanced(t *testing.T) {
	t.Parallel()
	rules := judge.DefaultRules()
	rules.Primary = []string{"cpu"}
	power := func(sides func(job uint64, number int) [2]string) float64 {
		const jobs = 400
		failed := 0
		for job := range uint64(jobs) {
			r := rand.New(rand.NewPCG(job, 1))
			var rounds []judge.Round
			for number := 1; ; number++ {
				figures := map[string]float64{}
				for i, side := range sides(job, number) {
					level := -0.03*float64(2*number+i) + 0.01*r.NormFloat64()
					if side == Candidate {
						level += math.Log(1.052)
					}
					figures[side] = math.Exp(level)
				}
				rounds = append(rounds, judge.Round{
					Number: number, Baseline: map[string]float64{"cpu": figures[Baseline]}, Candidate: map[string]float64{"cpu": figures[Candidate]},
				})
				if _, verdict, _, done := rules.Look(rounds); done {
					if verdict == results.Fail {
						failed++
					}
					break
				}
			}
		}
		return float64(failed) / jobs
	}
	balanced := power(func(job uint64, number int) [2]string { return order{Seed: job}.sides(number) })
	if balanced < 0.5 {
		t.Errorf("%.2f of jobs find it", balanced)
	}
	const before = "BBBCBCBCBBCB"
	t.Logf("found by %.2f of jobs with balanced orders", balanced)
	fixed := power(func(_ uint64, number int) [2]string {
		if before[(number-1)%len(before)] == 'B' {
			return [2]string{Baseline, Candidate}
		}
		return [2]string{Candidate, Baseline}
	})
	t.Logf("and by %.2f with the order that it had before", fixed)
}
