package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A p99 that some run does not resolve is not known, and one that is a lower bound is
// marked and recommends nothing.
func TestTriedPercentiles(t *testing.T) {
	run := func(completed, unfinished int) *results.Run {
		times := slices.Repeat([]int64{int64(10 * time.Millisecond)}, completed)
		bounds := slices.Repeat([]int64{int64(3 * time.Second)}, unfinished)
		return &results.Run{
			Plan:       results.Plan{Phases: []results.PlanPhase{{Name: results.PhaseSteady}}},
			Phases:     []results.Phase{{Name: results.PhaseSteady, Length: 10 * time.Second}},
			Resilience: &results.Resilience{Steady: 10 * time.Second},
			Operations: []results.Operation{{
				Phase: results.PhaseSteady, Op: "put", Offered: uint64(completed + unfinished), Completed: uint64(completed),
				Unfinished: uint64(unfinished), ResponseTime: latency(t, append(times, bounds...)...), UnfinishedResponseTime: latency(t, bounds...),
			}},
		}
	}
	few := results.Tried{Name: "few"}
	AddRuns(&few, run(2000, 0), run(500, 0))
	if few.P50 == 0 || few.P99 != 0 || len(few.AtLeast) != 0 || steady(&few) {
		t.Errorf("of too few samples: %+v", few)
	}
	base, lost := results.Tried{Name: "base", Default: true}, results.Tried{Name: "lost"}
	AddRuns(&base, run(2000, 0), run(2000, 0))
	AddRuns(&lost, run(2000, 0), run(2000, 100), run(2000, 100))
	if !steady(&base) || lost.P99 < 3e9 || !slices.Equal(lost.AtLeast, []string{"p99"}) || steady(&lost) || lost.Figures["error_rate"] == 0 {
		t.Errorf("base %+v, with unfinished operations %+v", base, lost)
	}
	document := &results.Tuning{Tried: []results.Tried{lost, base}}
	Tuning(document)
	if document.Recommended != "base" || strings.Contains(strings.Join(document.Reasons, " "), "lost") {
		t.Errorf("recommended %s: %q", document.Recommended, document.Reasons)
	}
}
