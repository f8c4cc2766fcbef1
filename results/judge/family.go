package judge

import (
	"fmt"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// Each returns the rules of each of several comparisons that form one job. By Bonferroni's
// inequality, the job fails with a probability of at most r.FalseFail when nothing differs,
// however the comparisons depend on each other. Holm's procedure rejects a hypothesis if and
// only if this one does. FalsePass is not divided, because the job passes only if all
// comparisons pass.
func (r Rules) Each(comparisons int) Rules {
	r.FalseFail /= float64(comparisons)
	return r
}

// DecideFamily combines the verdicts of the comparisons of one job: fail if any fails, pass if
// all pass, inconclusive otherwise. The reason names the comparisons by their workloads.
func DecideFamily(parts []results.Verdict) (verdict, reason string) {
	names := map[string][]string{}
	for _, p := range parts {
		names[p.Verdict] = append(names[p.Verdict], p.Workload)
	}
	failed, passed := names[results.Fail], names[results.Pass]
	switch {
	case len(failed) > 0:
		return results.Fail, fmt.Sprintf("%d of %s failed: %s", len(failed), Scenarios(len(parts)), strings.Join(failed, ", "))
	case len(parts) == 1 && len(passed) == 1:
		return results.Pass, Scenarios(1) + " passed"
	case len(parts) > 0 && len(passed) == len(parts):
		return results.Pass, "all " + Scenarios(len(parts)) + " passed"
	}
	return results.Inconclusive, fmt.Sprintf("%d of %s passed; inconclusive: %s", len(passed), Scenarios(len(parts)),
		strings.Join(names[results.Inconclusive], ", "))
}

// Scenarios formats a number of scenarios with its noun.
func Scenarios(n int) string {
	if n == 1 {
		return "1 scenario"
	}
	return fmt.Sprintf("%d scenarios", n)
}
