package bench

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// carried is the share of an open loop's arrivals that must be completed for
// its rate to count as carried: the rest is what is in flight at the end.
const carried = 0.999

// judgeTarget says where the run stands against its target.
func judgeTarget(run *results.Run) {
	t := &run.Target
	phases := map[string]PlanPhase{}
	for _, ph := range run.Plan.Phases {
		phases[ph.Name] = ph
	}
	lengths := map[string]float64{}
	for _, ph := range run.Phases {
		lengths[ph.Name] = ph.Length.Seconds()
	}
	var seconds, completed, offered, written float64
	writes, open := false, true
	counted := map[string]bool{}
	for _, o := range run.Operations {
		ph, ok := phases[o.Phase]
		if !ok || ph.Warmup || !o.Write {
			continue
		}
		writes = true
		open = open && ph.Load.Open()
		if !counted[o.Phase] {
			counted[o.Phase] = true
			seconds += lengths[o.Phase]
		}
		completed += float64(o.Completed)
		offered += float64(o.Offered)
		written += o.Throughput * lengths[o.Phase]
	}
	if !writes {
		t.Verdict, t.Reason = results.TargetNone, "the workload writes nothing"
		if len(run.Operations) == 0 {
			t.Verdict, t.Reason = results.TargetUndecided, "nothing was measured"
		}
		return
	}
	if seconds > 0 {
		t.Achieved = written / seconds
	}
	offeredRate := 0.0
	if seconds > 0 {
		offeredRate = offered / seconds
	}
	switch {
	case t.Writes == 0:
		t.Verdict, t.Reason = results.TargetNone, "no target was set"
	case run.Validity.Verdict == results.Invalid:
		t.Verdict, t.Reason = results.TargetUndecided, "the measurement is invalid"
	case t.Achieved >= t.Writes, open && offeredRate >= t.Writes*carried && completed >= offered*carried && offered > 0:
		t.Verdict = results.TargetMet
	case open && offeredRate < t.Writes*carried:
		t.Verdict = results.TargetUndecided
		t.Reason = fmt.Sprintf("only %s writes/s were offered", humanize.Comma(int64(math.Round(offeredRate))))
	default:
		t.Verdict = results.TargetMissed
	}
}
